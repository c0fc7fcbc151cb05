"""The ledger of what ended goes with the copies elsewhere: what is brought back from there stays ended.

The storage is the one of `test_sending_away`.
"""

import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from app.audit.ended_file import FOLDER, EndedFiles
from app.commands.bringing_back import notary_of
from app.core.settings import load
from tests.unit.commands.ended_scene import lived, opened, restored, row
from tests.unit.commands.places import found_place
from tests.unit.commands.test_sending_away import Storage, made, storage

__all__ = ["storage"]

RECOVERED = ("audit", "recover", "--reason", "the machine burned", "--yes", "--json")


@pytest.fixture
def place(request, tmp_path):
    """A deployment on SQLite: where copies go does not depend on the database."""
    return found_place(request, tmp_path, "sqlite")


def sent(line):
    """Send what is missing; return what was told."""
    told = line.run("backup", "offsite", "--json")
    assert 0 == told.code, told.err
    return told.json


def fetched(line):
    """Fetch the newest copy; return what was told."""
    told = line.run("backup", "fetch", "--json")
    assert 0 == told.code, told.err
    return told.json


def ledgers(storage: Storage) -> list[str]:
    """Return the names of the ledgers in the storage."""
    found = storage.client().list_objects_v2(Bucket=storage.bucket, Prefix="alder/ended/")
    return [one["Key"].removeprefix("alder/") for one in found.get("Contents", ())]


def files_of(line, folder: Path) -> EndedFiles:
    with line._as_a_process():
        return EndedFiles(folder, notary_of(load()))


def lines(line, folder: Path, org: str) -> list[tuple[int, str]]:
    ledger = files_of(line, folder).read(org)
    assert ledger is not None
    return [(one["seq"], one["kind"]) for one in ledger.lines]


def test_what_ended_stays_ended_when_only_the_keys_and_the_copies_are_left(place, storage, tmp_path):
    """An empty machine, the kept keys, a fetched copy: who was erased or left is erased and out again."""
    story = lived(place)
    told = sent(place.line)
    assert ([story.backup.name], True) == (told["sent"], told["ledger"] in ledgers(storage))
    for lost in ("backups", "guard"):
        shutil.rmtree(place.line.data_dir / lost)
    told = fetched(place.line)
    assert told["ledger"] == ledgers(storage)[-1]

    line = restored(story, tmp_path / "restored")
    recovered = line.run(*RECOVERED)

    assert 0 == recovered.code, recovered.err
    (ended,) = recovered.json["ended"]
    assert (1, [story.people["left"].id]) == (ended["erased"], ended["deactivated"])
    assert b"" == bytes(row(line, "resident", story.resident)["wrapped_key"])
    assert not row(line, "account", story.people["left"].id)["active"]


def test_a_ledger_is_sent_when_it_changed_and_none_is_ever_replaced(place, storage):
    """Each state is an object of its own; the same state is not sent twice; nothing is deleted."""
    made(place)
    first = sent(place.line)["ledger"]
    shelf = place.line.data_dir / "backups" / FOLDER
    data = {path.name: path.read_bytes() for path in shelf.glob("*.note")}
    there = storage.client().get_object(Bucket=storage.bucket, Key=f"alder/{first}")["Body"].read()
    with opened(place.line) as world:
        world.org = place.founded["organisation_id"]
        world.home = world.open_home(world.org, "Rosewood House")

    second = sent(place.line)["ledger"]

    assert data != {path.name: path.read_bytes() for path in shelf.glob("*.note")}
    assert [first, second] == ledgers(storage)
    assert there == storage.client().get_object(Bucket=storage.bucket, Key=f"alder/{first}")["Body"].read()
    assert "DELETE" not in storage.asked


def test_what_is_here_and_knows_more_is_not_replaced(place, storage):
    """A ledger that went on here is left; beside one of another history that of the copies is laid."""
    story = lived(place)
    shelf = place.line.data_dir / "backups" / FOLDER
    sent(place.line)
    whole = lines(place.line, shelf, story.org)
    with opened(place.line) as world:
        world.org = story.org
        world.person("carer", None)
    ahead = files_of(place.line, shelf).reached(story.org)
    story.backup.unlink()
    fetched(place.line)
    assert ahead == files_of(place.line, shelf).reached(story.org)

    shutil.rmtree(shelf)
    files_of(place.line, shelf).extend(
        story.org, (files_of(place.line, shelf).reached(story.org) or _start()), 900, "f" * 64, [_other()]
    )
    story.backup.unlink()
    fetched(place.line)

    assert [(899, "ended")] == lines(place.line, shelf, story.org)
    (aside,) = files_of(place.line, shelf).asides(story.org)
    assert whole == lines(place.line, aside.folder, story.org)
    story.backup.unlink()
    fetched(place.line)
    assert 1 == len(files_of(place.line, shelf).asides(story.org))


def test_asides_come_along(place, storage):
    """What was laid aside comes back, for a backup of its history may be restored; damaged ones do not."""
    story = lived(place)
    shelf = place.line.data_dir / "backups" / FOLDER
    files_of(place.line, shelf).begin_anew(story.org)
    before = lines(place.line, shelf / f"{story.org}.aside-1", story.org)
    (shelf / f"{story.org}.aside-2").mkdir()
    (shelf / f"{story.org}.aside-2" / f"{story.org}.jsonl").write_text("damaged\n")
    sent(place.line)
    shutil.rmtree(shelf.parent)

    assert fetched(place.line)["ledger"] in ledgers(storage)

    (aside,) = files_of(place.line, shelf).asides(story.org)
    assert before == lines(place.line, aside.folder, story.org)


@pytest.mark.parametrize("spoil", ["damaged", "cut", "forged", "no tar", "elsewhere"])
def test_a_ledger_that_was_changed_there_is_not_taken(place, storage, spoil, tmp_path):
    """The newest one that is what was signed is taken; what is not is said, and writes nothing anywhere."""
    story = lived(place)
    sent(place.line)
    shelf = place.line.data_dir / "backups" / FOLDER
    whole = lines(place.line, shelf, story.org)
    (good,) = ledgers(storage)
    there = storage.client()
    data = there.get_object(Bucket=storage.bucket, Key=f"alder/{good}")["Body"].read()
    bad = {
        "damaged": data[:700],
        "cut": data[:-512],
        "forged": data.replace(b'"kind":"erased"', b'"kind":"shifts"'),
        "no tar": b"<html>",
        "elsewhere": data.replace(f"{story.org}.note".encode(), b"../../escaped.note".ljust(41, b"x")),
    }[spoil]
    assert bad != data
    digest = sha256(data if spoil == "cut" else bad).hexdigest()[:16]
    name = f"ended/20990101T000000Z-{digest}.caretrail-ended"
    there.put_object(Bucket=storage.bucket, Key=f"alder/{name}", Body=bad)
    shutil.rmtree(shelf.parent)

    told = place.line.run("backup", "fetch", "--json")

    assert (0, good) == (told.code, told.json["ledger"]), told.err
    assert whole == lines(place.line, shelf, story.org)
    assert name in told.err
    assert [] == list(tmp_path.rglob("*escaped*"))


def test_without_a_ledger_there_it_says_so(place, storage):
    """Copies an earlier version sent have no ledger with them: the backup comes, and it is said."""
    made(place)
    sent(place.line)
    there = storage.client()
    for name in ledgers(storage):
        there.delete_object(Bucket=storage.bucket, Key=f"alder/{name}")
    shutil.rmtree(place.line.data_dir / "backups")

    told = place.line.run("backup", "fetch", "--json")

    assert (0, None) == (told.code, told.json["ledger"])
    assert "no ledger of what ended" in told.err


def _start():
    from app.audit.ended_file import START

    return START


def _other() -> bytes:
    return b'{"seq":899,"leaf":"ee","kind":"ended","id":"u1"}\n'
