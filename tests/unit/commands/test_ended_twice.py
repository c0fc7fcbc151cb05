"""Two backups restored one after the other: what ended in a history that was given up stays ended."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.access.visit import System
from app.audit.ended_file import FOLDER, EndedFiles
from app.commands.ended_check import check_ended, lost_lines
from app.commands.recovering import _found
from app.core.errors import StartRefusedError
from app.identity.accounts import DeactivateAccount, ReactivateAccount
from app.residents.erasing import ApproveErasure, AskErasure
from tests.support.world import Person, World
from tests.unit.commands.conftest import Line
from tests.unit.commands.ended_scene import findings, opened, row
from tests.unit.commands.places import found_place
from tests.unit.residents.conftest import APPROVE, ASK, Provider

RECOVER = ("audit", "recover", "--reason", "the disk broke", "--yes", "--json")


@dataclass
class Twice:
    """A backup A, then Rosa and Lee come, a backup B, then Rosa is erased, and Lee and Bea leave.

    Attributes:
        line: The deployment. Guard and backups lie at one place, whichever database is there.
        backups: By their letter.
        people: By their name; Bea was there before A.
        home: Where they are.
        rosa: The resident.
    """

    line: Line
    org: str
    backups: dict[str, Path]
    people: dict[str, Person]
    home: str = ""
    rosa: str = ""

    @property
    def guard(self) -> Path:
        """Where the ledgers are that count."""
        return self.line.data_dir / "guard" / FOLDER

    @property
    def copy(self) -> Path:
        """Where the copies of the ledgers are."""
        return self.line.data_dir / "backups" / FOLDER

    def back_up(self, letter: str, line: Line) -> None:
        """Make a backup."""
        told = line.run("backup", "create", "--json")
        assert 0 == told.code, told.err
        self.backups[letter] = Path(told.json["path"])

    def restored(self, letter: str, to: Path) -> Line:
        """Bring a backup back; guard, ledgers and backups stay where they are."""
        told = self.line.run("backup", "restore", self.backups[letter], "--to", to, "--json")
        assert 0 == told.code, told.err
        return self.line_on(to)

    def line_on(self, to: Path) -> Line:
        """Return a command line on another database of this deployment."""
        own = {name: str(self.line.data_dir / name.lower()) for name in ("KEYS", "GUARD")}
        chosen = {f"CARETRAIL_{name}_DIR": path for name, path in own.items()}
        chosen["CARETRAIL_BACKUP_DIR"] = str(self.line.data_dir / "backups")
        beside = {name: self.line.data_dir / f"backup-{name}.txt" for name in ("identity", "recipients")}
        chosen |= {f"CARETRAIL_BACKUP_{name.upper()}": str(path) for name, path in beside.items()}
        return Line(to, chosen)


def recovered(line: Line, *more: str) -> tuple[dict[str, Any], str]:
    """Record the loss; return what was done again, and what was said."""
    told = line.run(*RECOVER, *more)
    assert 0 == told.code, told.err
    (ended,) = told.json["ended"]
    return ended, told.err


@pytest.fixture
def twice(request: pytest.FixtureRequest, tmp_path: Path) -> Twice:
    """The story up to the first loss."""
    place = found_place(request, tmp_path, "sqlite")
    story = Twice(place.line, str(place.founded["organisation_id"]), {}, {})
    with opened(story.line) as world:
        _settle(world, story)
    story.back_up("A", story.line)
    with opened(story.line) as world:
        _settle(world, story)
        story.people["lee"] = world.person("carer", signed_in=False)
        story.rosa = _provider(world).admit()
    story.back_up("B", story.line)
    with opened(story.line) as world:
        _settle(world, story)
        people = story.people
        asked = world.answer(AskErasure(story.rosa, "retention_ended", "long ago"), ASK, people["officer"])
        world.pass_time(seconds=1)
        world.answer(ApproveErasure(asked.payload["id"]), APPROVE, people["manager"])
        for name in ("lee", "bea"):
            leave(world, story, name, people["manager"])
    return story


def _settle(world: World, story: Twice) -> None:
    world.org = story.org
    if not story.home:
        story.home = world.open_home(world.org, "Rosewood House")
        world.home = story.home
        story.people["bea"] = world.person("carer", signed_in=False)
        for name, role in (("manager", "registered_manager"), ("officer", "privacy_officer")):
            story.people[name] = world.person(role, None)
    world.home = story.home


def _provider(world: World) -> Provider:
    provider = Provider.__new__(Provider)
    provider.world = world
    return provider


def leave(world: World, story: Twice, name: str, by: Person | System) -> None:
    """Have somebody deactivated."""
    work = DeactivateAccount(story.people[name].id, "left us")
    world.answer(work, "POST /v1/users/{user_id}/deactivate", by)


def let_back_in(line: Line, story: Twice, name: str) -> None:
    """Have a manager reactivate somebody."""
    with opened(line) as world:
        world.org = story.org
        world.pass_time(minutes=2)
        manager = story.people["manager"]
        manager.last_step = 0
        world.sign_in(manager)
        work = ReactivateAccount(story.people[name].id, "a mistake")
        world.answer(work, "POST /v1/users/{user_id}/reactivate", manager)


def active(line: Line, story: Twice, name: str) -> bool:
    """Say whether somebody's account is active."""
    return bool(row(line, "account", story.people[name].id)["active"])


def went_on_from_a(story: Twice, to: Path) -> Line:
    """Restore A, record the loss, and let Bea back in."""
    line = story.restored("A", to)
    ended, _ = recovered(line)
    assert (0, [story.people["bea"].id]) == (ended["erased"], ended["deactivated"])
    let_back_in(line, story, "bea")
    return line


def on_a_copy(story: Twice, tmp_path: Path) -> Line:
    """Go on from A, then lose what came after Bea's return."""
    line = went_on_from_a(story, tmp_path / "first")
    shutil.copytree(line.data_dir, tmp_path / "copied")
    assert 0 == line.run("audit", "checkpoint").code
    line = story.line_on(shutil.copytree(tmp_path / "copied", tmp_path / "second"))
    assert active(line, story, "bea")
    return line


@pytest.mark.parametrize("lost", ["nothing", "the guard's asides", "the copy's asides", "all asides"])
def test_who_was_erased_does_not_come_back_with_a_newer_backup(
    twice: Twice, tmp_path: Path, lost: str
) -> None:
    """B after A: Rosa is erased again from the ledger that was laid aside; without any she would be back."""
    went_on_from_a(twice, tmp_path / "first")
    for folder, named in ((twice.guard, "the guard's asides"), (twice.copy, "the copy's asides")):
        [aside] = folder.glob(f"{twice.org}.aside-*")
        if lost in (named, "all asides"):
            shutil.rmtree(aside)
    line = twice.restored("B", tmp_path / "second")
    assert row(line, "resident", twice.rosa)["wrapped_key"], "the backup still has the key"
    ended, said = recovered(line)

    read = lost != "all asides"
    assert (int(read), True) == (ended["erased"], ended["complete"])
    assert read is (b"" == bytes(row(line, "resident", twice.rosa)["wrapped_key"]))
    assert read is not active(line, twice, "lee"), "who came after A and left after B"
    assert active(line, twice, "bea"), "she was let back in after A was restored"
    assert read is ("an earlier ledger" in said)
    assert [] == findings(line)


def test_asides_that_are_not_read_are_found_out(
    twice: Twice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recovery that does not read what was laid aside brings Rosa back, and the drill's check says so."""
    went_on_from_a(twice, tmp_path / "first")
    line = twice.restored("B", tmp_path / "second")
    with opened(line, recovering=True) as world:
        settings = world.service.settings
        sizes = {one.org: {"size": one.size} for one in _found(world.service)}
        lost = lost_lines(world.service.guards.ended, sizes)
    kinds = {(one["kind"], one["id"]) for one in lost[twice.org]}
    ids = {name: person.id for name, person in twice.people.items()}
    assert {("erased", twice.rosa), ("ended", ids["lee"])} <= kinds
    assert ("ended", ids["bea"]) not in kinds, "she was let back in"
    with monkeypatch.context() as patched:
        patched.setattr(EndedFiles, "asides", lambda _self, _org: [])
        told, _ = recovered(line)
    with pytest.raises(StartRefusedError, match=r"is back \(erased\)"):
        check_ended(settings, lost, [told])


def test_a_drill_looks_at_the_ledgers_laid_aside(twice: Twice, tmp_path: Path) -> None:
    """The drill of a backup from before the first loss has Rosa erased again in its copy."""
    line = went_on_from_a(twice, tmp_path / "first")
    told = line.run("backup", "drill", twice.backups["B"], "--json")
    assert 0 == told.code, told.err
    assert 1 == told.json["ended"]["erased"]


@pytest.mark.parametrize("present", ["there", "lost"])
def test_who_was_let_back_in_stays_in(twice: Twice, tmp_path: Path, present: str) -> None:
    """A return that is in the restored database is later than the end in the older history: it stands."""
    line = on_a_copy(twice, tmp_path)
    if present == "lost":
        for path in (*twice.guard.glob(f"{twice.org}.jsonl"), *twice.copy.glob(f"{twice.org}.jsonl")):
            path.unlink()
            path.with_suffix(".note").unlink()
    ended, _ = recovered(line, *(["--without-ledger"] if present == "lost" else []))

    assert (0, [], True) == (ended["erased"], ended["deactivated"], active(line, twice, "bea"))


def test_who_left_again_is_gone(twice: Twice, tmp_path: Path) -> None:
    """The present ledger has the last word: whoever left after the return is deactivated again."""
    line = on_a_copy(twice, tmp_path)
    recovered(line)
    with opened(line) as world:
        leave(world, twice, "bea", System("cli", twice.org))
    line = twice.line_on(shutil.copytree(tmp_path / "copied", tmp_path / "third"))
    ended, _ = recovered(line)

    assert ([twice.people["bea"].id], False) == (ended["deactivated"], active(line, twice, "bea"))


def test_where_only_the_guard_is_lost_nobodys_account_is_touched(twice: Twice, tmp_path: Path) -> None:
    """What was laid aside is no loss of this database: no account ends by it."""
    line = went_on_from_a(twice, tmp_path / "first")
    (line_guard := twice.guard.parent / f"{twice.org}.json").unlink()
    ended, said = recovered(line)

    assert "nothing is lost but the guard" in said
    assert (True, True, [], []) == (
        line_guard.exists(),
        active(line, twice, "bea"),
        ended["deactivated"],
        ended["to_be_let_back_in"],
    )


def test_a_damaged_ledger_that_was_laid_aside_is_said(twice: Twice, tmp_path: Path) -> None:
    """One that is not what was signed takes nothing from anybody, and holds nothing up."""
    went_on_from_a(twice, tmp_path / "first")
    shutil.rmtree(next(twice.copy.glob(f"{twice.org}.aside-*")))
    body = next(twice.guard.glob(f"{twice.org}.aside-1/*.jsonl"))
    lines = [json.loads(one) for one in body.read_bytes().splitlines()]
    body.write_bytes(b"".join(json.dumps(one | {"id": "x"}).encode() + b"\n" for one in lines))
    ended, said = recovered(twice.restored("B", tmp_path / "second"))

    assert f"an earlier ledger beside the guard ({body.parent}) is damaged: its lines are not those" in said
    assert (0, True) == (ended["erased"], ended["complete"])
