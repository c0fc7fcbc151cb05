"""A clock that is set back."""

import asyncio
from datetime import timedelta

from app.access.visit import VisitRefusedError
from app.audit.table import head
from app.core.clock import parse
from app.core.errors import AuditUnavailableError, CaretrailError
from app.core.identifiers import SYSTEM
from app.trail.clock_watch import ClockWatch


def watch(world, fails=lambda: False) -> ClockWatch:
    async def visit(visit):
        if fails():
            raise VisitRefusedError(AuditUnavailableError(), None)
        world.turn.serve([visit])
        if isinstance(visit.outcome, CaretrailError):
            raise VisitRefusedError(visit.outcome, visit.stamp)
        return visit.outcome

    return ClockWatch(visit, world.clock.now)


def look(one: ClockWatch) -> None:
    asyncio.run(one.look())


def steps(world) -> list[int]:
    own, of_system = (
        [one["clock"]["back_s"] for one in world.entries(org) if one["act"] == "clock.step"]
        for org in (world.org, SYSTEM)
    )
    assert own == of_system, "every chain says the same"
    return own


def test_a_step_back_is_entered_once_with_its_length(any_world):
    """A clock set back by 90 seconds is one entry that says so; going on from there is none."""
    one = watch(any_world)
    look(one)
    any_world.pass_time(seconds=-90)
    for _ in range(3):
        look(one)
        any_world.pass_time(seconds=1)
    assert steps(any_world) == [90]
    any_world.pass_time(seconds=-30)
    look(one)
    assert steps(any_world) == [90, 29], "a second had passed since the look before"


def test_a_clock_that_goes_on_or_is_corrected_a_little_is_no_step(any_world):
    """Time that passes, leaps ahead, or is put right by a second, leaves no entry."""
    one = watch(any_world)
    for seconds in (0, 1, 3600, -1, 86400, -2):
        any_world.pass_time(seconds=seconds)
        look(one)
    assert steps(any_world) == []


def test_a_clock_that_was_set_back_while_nobody_served_is_told_at_the_start(any_world):
    """The newest line is younger than the clock: the first look enters it."""
    before = max(parse(one["ts"]) for one in heads(any_world))
    any_world.pass_time(seconds=-600)
    look(watch(any_world))
    assert steps(any_world) == [round((before - any_world.now).total_seconds())]


def heads(world):
    return world.rows(head)


def test_a_step_that_could_not_be_entered_is_entered_later(any_world):
    """When the trail cannot be written at that moment, the next look enters the step."""
    failing = []
    one = watch(any_world, lambda: bool(failing))
    look(one)
    any_world.pass_time(seconds=-10)
    failing.append(True)
    try:
        look(one)
    except VisitRefusedError:
        failing.clear()
    look(one)
    assert steps(any_world) == [10]


def test_lines_never_run_backwards(any_world):
    """Lines after the step, and its own entry, go on from the newest instant so far, as time does."""
    one = watch(any_world)
    look(one)
    newest = any_world.now
    any_world.pass_time(seconds=-90)
    look(one)
    since = max(parse(row["ts"]) for row in heads(any_world)) - newest
    assert timedelta(0) <= since < timedelta(seconds=30)
