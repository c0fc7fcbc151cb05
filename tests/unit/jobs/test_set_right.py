"""The clock ran ahead, jobs were run meanwhile, and the service is started anew with the right time."""

from typing import Any

import pytest

from app.access.operation import Operation
from app.access.visit import System
from app.core.clock import parse
from app.core.identifiers import SYSTEM
from app.jobs.table import job, job_run
from app.jobs.works import KEEPING, NEVER, ClaimDue, Claimed, ClaimNow, EndRun, Outcome, PlanJobs, Planned
from tests.support.world import World

TRY = Operation("*", "*", "system", "self", "backup.create", 200)
NIGHTLY = Planned("backup", "15 2 * * *")
JOBS = System("jobs", SYSTEM)
NAMES = frozenset({"backup"})


def plan(process: World, *jobs: Planned) -> None:
    process.answer(PlanJobs(jobs), KEEPING, JOBS)


def claim(process: World) -> Claimed | None:
    claimed: Claimed | None = process.answer(ClaimDue(NAMES, "here"), KEEPING, JOBS).payload
    return claimed


def end(process: World, outcome: Outcome) -> None:
    claimed = claim(process)
    assert claimed is not None
    process.do(EndRun(claimed.run_id, outcome, {}), TRY, JOBS)


def due(world: World) -> str:
    [row] = world.rows(job)
    return str(row["due_at"])


def run_ahead(world: World, days: float) -> World:
    """Run the job once while the clock is ahead, put that right and return a process that starts then."""
    world.pass_time(days=days)
    plan(world, NIGHTLY)
    world.pass_time(days=1)
    end(world, "ok")
    world.pass_time(days=-1 - days)
    return world.beside()


@pytest.mark.parametrize("days", [2, 365])
def test_a_job_does_not_wait_for_an_hour_of_a_wrong_clock(world: World, days: int) -> None:
    """Nightly is again by the night after the clock was set right."""
    anew = run_ahead(world, days)
    plan(anew, NIGHTLY)
    world.pass_time(hours=17)
    before = claim(anew)
    world.pass_time(minutes=15)
    after = claim(anew)

    assert (None, "backup") == (before, after.job if after is not None else None)


@pytest.mark.parametrize(("outcome", "minutes"), [("ok", 24 * 60), ("fail", 30), ("stopped", 0)])
def test_what_is_planned_rightly_is_not_moved(world: World, outcome: Outcome, minutes: int) -> None:
    """Another start, also by a clock up to a minute behind, leaves a job due when its last run said."""
    plan(world, NIGHTLY)
    world.pass_time(hours=17, minutes=15)
    ended = world.now
    end(world, outcome)
    said = due(world)
    anew = world.beside()
    for back in (0, 60):
        world.pass_time(seconds=-back)
        plan(anew, NIGHTLY)

    assert said == due(world)
    assert minutes == (parse(said) - ended).total_seconds() / 60


def test_a_job_nobody_runs_stays_due_never(world: World) -> None:
    """Never is far ahead by intent: only who runs the job plans it again."""
    plan(world, NIGHTLY)
    plan(world)
    plan(world.beside())
    never = due(world)
    plan(world, NIGHTLY)

    assert (NEVER, True) == (never, due(world) < NEVER)


def test_a_run_that_died_while_the_clock_was_ahead_is_lost(world: World) -> None:
    """Its lease, too, ends at an hour that is not to be waited for; nobody is kept from asking, either."""
    plan(world, NIGHTLY)
    world.pass_time(days=3)
    assert claim(world) is not None
    world.pass_time(days=-2)
    anew = world.beside()
    asked: Any = anew.answer(ClaimNow(NIGHTLY, "by hand"), KEEPING, JOBS).payload
    outcomes = {row["id"]: row["outcome"] for row in world.rows(job_run)}

    assert outcomes.pop(asked.run_id) is None
    assert ["lost"] == list(outcomes.values())
