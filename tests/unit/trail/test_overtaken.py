"""A running service whose signing key was replaced elsewhere signs no more until it has the present one."""

import logging

import pytest

from app.audit import note
from app.audit.checkpoint import Notary
from app.audit.table import checkpoint
from tests.unit.trail.stories import admit
from tests.unit.trail.test_housekeeping import keeper, look, sizes

OLD, NEW = bytes(range(32)), bytes(range(1, 33))


@pytest.fixture
def rotated(any_world, guards, time):
    """A world in which another machine went on with a new key; both sign."""
    ahead = keeper(any_world, Notary("care.example", NEW, OLD), guards, time)
    look(ahead)
    admit(any_world, any_world.home)
    return any_world


def test_it_signs_nothing_beside_the_new_key(rotated, notary, guards, time, caplog):
    """With the old key alone no checkpoint is made, the service is not healthy, and says so once."""
    keep, before = keeper(rotated, notary, guards, time), sizes(rotated)
    look(keep)
    assert (before, True) == (sizes(rotated), keep.healthy), "at first it looks for other keys"
    for _ in range(3):
        time.seconds += 1
        look(keep)

    assert (before, False) == (sizes(rotated), keep.healthy)
    told = [record.chain for record in caplog.records if record.message == "signing-key-replaced"]
    assert [rotated.org] == told
    assert [] == [record for record in caplog.records if record.levelno == logging.ERROR]


def test_it_goes_on_with_the_new_key(rotated, notary, guards, time, caplog):
    """As soon as the files hold the present key the service signs with it, and is healthy again."""
    keep, before = keeper(rotated, notary, guards, time), sizes(rotated)
    for _ in range(3):
        look(keep)
        time.seconds += 1
    notary.take_up([NEW, OLD])
    look(keep)

    assert (len(before) + 1, True) == (len(sizes(rotated)), keep.healthy)
    mine = [row for row in rotated.rows(checkpoint) if row["org"] == rotated.org]
    newest = max(mine, key=lambda row: row["size"])
    assert 2 == len(note.signed_by(newest["note"], notary.keys(rotated.org)))


def test_a_key_that_is_in_the_files_already_is_taken_up_in_silence(rotated, notary, guards, time, caplog):
    """Between the rotation and the next look at the files nothing is logged and nothing is amiss."""
    keep = keeper(rotated, notary, guards, time)
    keep._refresh = lambda: notary.take_up([NEW, OLD])
    before = sizes(rotated)
    with caplog.at_level(logging.INFO):
        look(keep)
        look(keep)

    assert (len(before) + 1, True) == (len(sizes(rotated)), keep.healthy)
    assert [] == [record.message for record in caplog.records if record.name.startswith("app.")]
