"""Months of the trail are closed by an entry that says whose entries they hold."""

import asyncio
from collections import Counter

import pytest

from app.access.visit import System
from app.audit import indexing, segments
from app.audit.segments import Subject, Subjects
from app.trail import closing
from app.trail.checkpoints import HOUSEKEEPING
from app.trail.closing import CloseSegment, DueSegment, close_due
from tests.unit.trail.stories import admit, list_residents, look_at
from tests.unit.trail.test_housekeeping import grow, keeper, look


def doing(world):
    """Return what runs the works of the housekeeping."""

    async def do(org, work):
        return world.answer(work, HOUSEKEEPING, System("checkpoints", org)).payload

    return do


def close(world, org=None):
    return asyncio.run(close_due(doing(world), org or world.org))


def closings(world):
    return [(seq, e) for seq, e in enumerate(world.entries()) if e["act"] == "segment.close"]


def counted_by_hand(events, first, end):
    """Return the residents of some lines as a look at each line counts them."""
    lasts = {r: seq for seq, e in enumerate(events[:end]) if seq >= first for r in e.get("subs", ())}
    counts = Counter(r for e in events[first:end] for r in e.get("subs", ()))
    return [Subject(r, counts[r], lasts[r]) for r in counts]


@pytest.fixture
def two_months(any_world):
    """March with three residents, April with one more; nobody is in May yet."""
    world = any_world
    manager = world.person("registered_manager")
    residents = [admit(world, world.home, name) for name in ("Ash", "Birch", "Cedar")]
    for resident in residents[:2]:
        look_at(world, resident, manager)
    list_residents(world, manager)
    world.march = len(world.entries())
    world.pass_time(days=31)
    world.residents = [*residents, admit(world, world.home, "Dogwood")]
    world.april = len(world.entries())
    return world


def test_a_month_that_is_over_is_closed_once(two_months):
    """March is closed in April, by the system, with its range, its root and its residents; April is not."""
    world = two_months
    expected = counted_by_hand(world.entries(), 0, world.march)

    assert close(world) == ("2026-03", 0, world.march)
    assert close(world) is None
    [(_, event)] = closings(world)
    assert event["actor"] == {"id": "system:segments", "kind": "system"}
    assert event["obj"] == {"t": "segment", "id": "2026-03"}
    assert (len(expected), event["seg"]["leaves"], "residents" in event["seg"]) == (3, 1024, False)
    assert event["seg"]["subjects"] == Subjects(world.org, "2026-03", expected).root.hex()


def test_the_next_month_goes_on_where_the_last_ended(two_months):
    """April holds its own entries only, the closing of March among them."""
    world = two_months
    close(world)
    april = len(world.entries())
    world.pass_time(days=31)

    assert close(world) == ("2026-04", world.march, april)
    assert close(world) is None
    expected = counted_by_hand(world.entries(), world.march, april)
    assert [subject.resident for subject in expected] == world.residents[3:]
    assert closings(world)[1][1]["seg"]["subjects"] == Subjects(world.org, "2026-04", expected).root.hex()


def test_residents_are_counted_in_steps(two_months, monkeypatch):
    """However few residents are counted at a time, the root is the same."""
    world = two_months
    monkeypatch.setattr(closing, "RESIDENTS_AT_ONCE", 1)
    close(world)
    expected = counted_by_hand(world.entries(), 0, world.march)

    assert closings(world)[0][1]["seg"]["subjects"] == Subjects(world.org, "2026-03", expected).root.hex()


def test_a_month_closed_meanwhile_is_not_closed_again(two_months):
    """Whoever comes second, with what was found before, writes nothing."""
    world = two_months
    segment = asyncio.run(doing(world)(world.org, DueSegment()))
    close(world)
    again = CloseSegment(segment, Subjects(world.org, segment.month, []))

    assert asyncio.run(doing(world)(world.org, again)) is False
    assert len(closings(world)) == 1


def test_what_another_process_appends_meanwhile_puts_no_closing_off(
    two_months, notary, guards, time, monkeypatch
):
    """One try a look: checkpoints do not wait until other processes pause, and the closing not an hour."""
    world, tried, whole = two_months, [], indexing.LONGEST_PIECE

    def meanwhile(visit):
        if isinstance(visit.work, CloseSegment) and visit.credential.org == world.org:
            tried.append(visit)
            monkeypatch.setattr(indexing, "LONGEST_PIECE", 1 if len(tried) == 1 else whole)
            grow(world, 2)
        return False

    keep = keeper(world, notary, guards, time, meanwhile)
    look(keep)
    assert (1, 0) == (len(tried), len(closings(world)))
    look(keep)

    assert (2, 1) == (len(tried), len(closings(world)))


def test_the_present_month_stays_open(any_world):
    """Nothing is closed before its month is over, and an empty chain has nothing to close."""
    admit(any_world, any_world.home)

    assert close(any_world) is None
    assert close(any_world, "system") is None or closings(any_world) == []


def test_the_root_of_the_lines_is_that_of_the_tree(two_months):
    """The closing names the root over all lines up to its end."""
    world = two_months
    close(world)
    lines = world.looking(lambda c: closing.stored.lines(c, world.org, 0, world.march))
    root = segments.merkle.root_of([segments.merkle.leaf_hash(line) for line in lines])

    assert closings(world)[0][1]["seg"]["root"] == root.hex()
