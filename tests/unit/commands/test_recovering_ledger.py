"""What `audit recover` asks for where the ledger of what ended is short, and what it leaves alone."""

import shutil

import pytest
from sqlalchemy import text

from app.audit.ended_file import FOLDER
from app.commands.auditing import CHECKPOINT
from app.commands.calling import present
from app.commands.opening import open_service
from app.core.settings import Settings
from app.trail.checkpoints import NewestCheckpoint
from tests.unit.commands.conftest import Line
from tests.unit.commands.ended_scene import Story, findings, lived, restored, row
from tests.unit.commands.places import found_place, looking
from tests.unit.commands.test_recovering import sizes

RECOVER = ("audit", "recover", "--reason", "the disk broke", "--yes", "--json")


@pytest.fixture
def story(request: pytest.FixtureRequest, tmp_path) -> Story:
    """A backup, after which somebody was erased."""
    return lived(found_place(request, tmp_path, "sqlite"))


def test_a_ledger_that_is_missing_is_asked_for_first(story: Story, tmp_path) -> None:
    """Without it --yes records nothing and says where it was looked for; put back, it is applied."""
    line = restored(story, tmp_path / "restored")
    beside, copy = (line.data_dir / folder / FOLDER for folder in ("guard", "backups"))
    beside.rename(tmp_path / "found")
    shutil.rmtree(copy)
    before = sizes(line)
    told = line.run(*RECOVER)

    assert (1, True) == (told.code, "nothing was recorded" in told.err), told.err
    assert ("--without-ledger" in told.err, str(beside) in told.err, str(copy) in told.err) == (True,) * 3
    assert before == sizes(line)
    assert row(line, "resident", story.resident)["wrapped_key"]
    (tmp_path / "found").rename(beside)
    told = line.run(*RECOVER)
    assert (0, 1, True) == (told.code, told.json["ended"][0]["erased"], told.json["ended"][0]["complete"])


@pytest.fixture
def own(line: Line) -> tuple[Line, str]:
    """A new deployment without any backup, and whose first user never signed in."""
    told = line.run("init", "--organisation", "Sample Care", "--admin", "a.sample", "--json")
    return line, told.json["organisation_id"]


def lose(line: Line, org: str) -> None:
    """Lose a guard file, not the ledger."""
    (line.data_dir / "guard" / f"{org}.json").unlink()
    assert "no guard file" in line.run("keys", "status").err


@pytest.mark.parametrize("unsigned", [False, True])
def test_a_lost_guard_alone_costs_nobody_an_account(own: tuple[Line, str], unsigned: bool) -> None:
    """Where the ledger covers all that was signed nothing is lost, and the first user is let in."""
    line, org = own
    if unsigned:  # the service was killed before it signed its last entry
        with open_service(Settings(data_dir=line.data_dir)) as service:
            present(service, org, CHECKPOINT, NewestCheckpoint(service.notary, service.guards), "x")
    lose(line, org)
    told = line.run(*RECOVER)

    assert 0 == told.code, told.err
    [ended] = told.json["ended"]
    assert (True, [], []) == (ended["complete"], ended["to_be_let_back_in"], ended["deactivated"])
    assert "nothing is lost but the guard" in told.err
    with looking(line) as connection:
        assert [True] == [bool(row.active) for row in connection.execute(text("SELECT active FROM account"))]
    assert [] == findings(line)


def test_a_ledger_that_ends_before_the_last_signed_line_proves_nothing(own: tuple[Line, str]) -> None:
    """An old copy of the ledger is no proof that nothing is lost: it is asked for, accounts are closed."""
    line, org = own
    ledger = line.data_dir / "guard" / FOLDER
    shutil.copytree(ledger, line.data_dir.parent / "earlier")
    assert 0 == line.run("audit", "checkpoint").code
    shutil.rmtree(ledger)
    shutil.copytree(line.data_dir.parent / "earlier", ledger)
    lose(line, org)
    assert 1 == line.run(*RECOVER).code
    told = line.run(*RECOVER, "--without-ledger")

    [ended] = told.json["ended"]
    assert (False, 1) == (ended["complete"], len(ended["to_be_let_back_in"]))
