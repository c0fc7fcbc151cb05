"""Checkpoints dropped for somebody else to take."""

import asyncio
import logging
import shutil

import pytest

from app.access.visit import VisitRefusedError
from app.core.errors import AuditUnavailableError
from app.core.identifiers import SYSTEM
from app.trail import anchors
from app.trail.anchors import Anchor, AnchorDiffersError, drop
from app.trail.housekeeping import Housekeeping
from tests.support.at_once import at_once
from tests.unit.trail.stories import admit

ORG = "0190a000-0000-7000-8000-00000000000a"


def anchor(notary, size=4, root=b"r" * 32) -> Anchor:
    """Return an anchor of a chain."""
    note = notary.sign_checkpoint(ORG, size, root)
    return Anchor(ORG, size, root, "2026-03-02T09:00:00.000000Z", note)


def files(folder) -> list[str]:
    """Return what lies below a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# --- one file -----------------------------------------------------------------------------------


def test_the_note_lies_there_as_it_is(tmp_path, notary):
    """A dropped file is the signed note to the byte, named by its size, and others can read it."""
    one = anchor(notary)
    path = drop(tmp_path, one)

    assert [f"{ORG}/4.note"] == files(tmp_path)
    assert one.note == path.read_text(encoding="utf-8")
    assert 0o644 == path.stat().st_mode & 0o777


def test_a_full_stick_is_left_as_it_was(tmp_path, notary, monkeypatch):
    """What could not be written whole is not left lying there."""

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(anchors.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        drop(tmp_path, anchor(notary))
    assert [] == files(tmp_path)


def test_dropping_again_changes_nothing(tmp_path, notary):
    """The same checkpoint, by whichever keys it is signed, is dropped once."""
    path = drop(tmp_path, anchor(notary))
    before = path.read_bytes()
    notary.take_up([b"n" * 32, bytes(range(32))])

    assert path == drop(tmp_path, anchor(notary))
    assert before == path.read_bytes()


@pytest.mark.parametrize("there", [None, b"", b"something else", b"\xff"])
def test_a_different_one_is_never_overwritten(tmp_path, notary, there):
    """Where another checkpoint of the size lies, or anything else, it stays and that is said."""
    path = drop(tmp_path, anchor(notary, root=b"s" * 32))
    if there is not None:
        path.write_bytes(there)
    before = path.read_bytes()

    with pytest.raises(AnchorDiffersError, match="anchor-differs") as refused:
        drop(tmp_path, anchor(notary))
    assert "keep both" in refused.value.detail
    assert (before, [f"{ORG}/4.note"]) == (path.read_bytes(), files(tmp_path))


def test_a_stick_that_is_not_plugged_in_is_not_made_up(tmp_path, notary):
    """A folder that is not there is an error: a directory in its place would look like an anchor."""
    with pytest.raises(OSError):
        drop(tmp_path / "stick", anchor(notary))
    assert [] == list(tmp_path.iterdir())


# --- while serving ------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "share").mkdir()
    return tmp_path / "share"


@pytest.fixture
def keep(any_world, notary, guards, time, folder) -> Housekeeping:
    """A housekeeping that drops anchors, its visits served at once."""
    return Housekeeping(at_once(any_world), notary, guards, anchors=folder, now=time)


def look(keep, **how):
    asyncio.run(keep.look(**how))


def own(world, folder) -> list[str]:
    """Return the sizes dropped of the world's own chain."""
    return sorted(path.stem for path in (folder / world.org).glob("*.note"))


def test_every_chain_is_dropped_at_the_start(any_world, keep, folder):
    """The first look leaves the newest checkpoint of every chain, the system's too."""
    look(keep)

    assert f"{any_world.org}/{len(any_world.entries())}.note" in files(folder)
    assert f"{SYSTEM}/{len(any_world.entries(SYSTEM))}.note" in files(folder)
    assert len(files(folder)) == len({name.split("/")[0] for name in files(folder)})


def test_one_is_dropped_an_hour_and_at_the_end(any_world, keep, folder, time):
    """While a chain moves there is one file an hour, and a last one when the service stops."""
    look(keep)
    expected = own(any_world, folder)
    for seconds, last, dropped in [
        (3590, False, False),
        (20, False, True),
        (20, False, False),
        (1, True, True),
    ]:
        admit(any_world, any_world.home)
        time.seconds += seconds
        look(keep, last=last)
        if dropped:
            expected.append(str(len(any_world.entries())))
        assert sorted(expected) == own(any_world, folder)


def test_a_chain_that_stands_still_leaves_one_file(any_world, keep, folder, time):
    """Without new entries there is nothing new to drop, however much time passes."""
    look(keep)
    before = files(folder)
    for _ in range(3):
        time.seconds += 4000
        look(keep)

    assert before == files(folder)


def test_a_folder_that_is_away_is_tried_again(any_world, keep, folder, time, caplog):
    """An unplugged stick is logged, harms nothing else, and is written once it is back."""
    shutil.rmtree(folder)
    with caplog.at_level(logging.ERROR):
        look(keep)
    assert {"anchor-not-dropped"} == {record.message for record in caplog.records}
    assert keep.healthy
    folder.mkdir()
    time.seconds += anchors.RETRY_EVERY_S + 1
    look(keep)

    assert [str(len(any_world.entries()))] == own(any_world, folder)


def test_a_fork_on_the_share_is_logged(any_world, keep, folder, caplog):
    """A different checkpoint of the same size on the share stays there and is told of."""
    there = folder / any_world.org / f"{len(any_world.entries())}.note"
    there.parent.mkdir()
    there.write_text("another")
    with caplog.at_level(logging.ERROR):
        look(keep)

    assert "another" == there.read_text()
    assert "keep both" in caplog.records[0].why


def test_a_database_that_does_not_answer_is_no_crash(any_world, keep, folder, notary, guards, time):
    """Where the newest checkpoints cannot be read nothing is dropped, and the housekeeping goes on."""

    async def refused(_visit):
        raise VisitRefusedError(AuditUnavailableError(), None)

    look(Housekeeping(refused, notary, guards, anchors=folder, now=time))

    assert [] == files(folder)
