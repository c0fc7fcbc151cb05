"""What keeps failing in the background fills no trail: it is left alone for longer and longer."""

import asyncio

import pytest

from app.access.pauses import LONGEST_S
from app.audit import indexing
from app.audit.table import checkpoint
from app.core.identifiers import SYSTEM
from app.trail import housekeeping
from app.trail.checkpoints import IndexLines, SignHead, SurveyChains
from app.trail.housekeeping import LOOK_EVERY_S
from tests.unit.trail.stories import admit
from tests.unit.trail.test_housekeeping import keeper

AN_HOUR_S = 3600
MOST_IN_AN_HOUR = AN_HOUR_S // LONGEST_S + 8
"""Once a minute, and the first few."""
EVERY_S = 20 * LOOK_EVERY_S
"""The looks between change nothing, and take time."""


@pytest.fixture
def keep(world, notary, guards, time):
    """A housekeeping that has looked once."""
    keep = keeper(world, notary, guards, time)
    asyncio.run(keep.look())
    return keep


@pytest.fixture
def broken():
    """Return what has a work fail with an entry, as a fault of ours or of the schema does, until `undo`."""
    with pytest.MonkeyPatch.context() as patched:

        def begin(work):
            def perform(_self, _opened):
                raise RuntimeError

            patched.setattr(work, "perform", perform)
            return patched

        yield begin


def looks(keep, time, seconds, every=EVERY_S):
    """Look as often as it takes until so many seconds are over."""

    async def run():
        for _ in range(int(seconds / every)):
            time.seconds += every
            await keep.look()

    asyncio.run(run())


def failures(world) -> int:
    entries = [*world.entries(), *world.entries(SYSTEM)]
    return sum((e["act"], e["out"]) == ("audit.housekeeping", "fail") for e in entries)


def newest(world) -> int:
    return max(row["size"] for row in world.rows(checkpoint) if row["org"] == world.org)


@pytest.mark.parametrize("work", [SurveyChains, SignHead])
def test_an_hour_of_failures_leaves_an_entry_a_minute(world, keep, time, broken, work):
    """However often it is looked; and within a minute of the cause's end everything is signed again."""
    admit(world, world.home)
    fault = broken(work)
    looks(keep, time, 4, LOOK_EVERY_S)
    early = failures(world)
    looks(keep, time, AN_HOUR_S)
    chains = 1 if work is SurveyChains else 2  # each is tried
    found = failures(world)
    fault.undo()
    looks(keep, time, LONGEST_S)

    assert 2 <= early <= 4 * chains
    assert early < found <= MOST_IN_AN_HOUR * chains
    assert newest(world) == len(world.entries())


def test_what_is_left_alone_holds_up_nothing_else(world, keep, time, broken, monkeypatch):
    """While the index fails the chain is signed once a second, as ever."""
    monkeypatch.setattr(housekeeping, "INDEX_AT_ONCE", 1)
    admit(world, world.home)
    fault = broken(IndexLines)
    looks(keep, time, 2 * LONGEST_S)
    for _ in range(3):
        admit(world, world.home)
        looks(keep, time, 2, 1)
        assert newest(world) == len(world.entries())
    behind = world.looking(lambda c: indexing.behind(c, world.org))
    fault.undo()
    looks(keep, time, LONGEST_S)

    assert behind
    assert not world.looking(lambda c: indexing.behind(c, world.org))


def test_the_last_look_tries_all_the_same(world, keep, time, broken):
    """Who stops signs what moved, however short ago that failed."""
    admit(world, world.home)
    fault = broken(SignHead)
    looks(keep, time, LONGEST_S)
    fault.undo()
    asyncio.run(keep.look(last=True))

    assert newest(world) == len(world.entries())
