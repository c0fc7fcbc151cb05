"""Runs of jobs are bound to the trail: a run that was rewritten, removed or made up is found."""

import asyncio

import pytest
from sqlalchemy import text

from app.access.operation import Operation
from app.access.visit import System
from app.core.identifiers import SYSTEM
from app.jobs.scheduler import Job, JobFailedError, Scheduler
from app.jobs.table import job_run
from app.jobs.works import KEEPING, UNTOLD, ClaimDue
from tests.unit.trail.state_scene import compare

DRILL = Operation("*", "*", "system", "self", "backup.drill", 200)
RAN = ["ok", "fail", "lost", "ok"]
_COLUMNS = "org, job, due_at, started_at, runner, missed, ended_at, outcome, result, state"
MADE_UP = f"INSERT INTO job_run (id, {_COLUMNS}) SELECT 'made-up', {_COLUMNS} FROM job_run WHERE id = :id"


@pytest.fixture
def ran(world, serving):
    """Four runs: one that went well, one that failed, one whose process died, and one after it; their ids."""
    world.outcomes = iter(["ok", "fail", "ok"])

    def body(_running):
        if next(world.outcomes) == "fail":
            raise JobFailedError("drill-failed")
        return {"minutes_lost": 3}

    jobs = Scheduler(serving(world), (Job("drill", "0 * * * *", DRILL, body),))
    asyncio.run(jobs.look())
    for n in range(3):
        world.pass_time(hours=2)
        if n == 2:
            world.answer(ClaimDue(frozenset({"drill"}), "died"), KEEPING, System("jobs", SYSTEM))
            world.pass_time(minutes=2)
        assert asyncio.run(jobs.look())
    rows = sorted(world.rows(job_run), key=lambda row: row["id"])
    assert RAN == [row["outcome"] for row in rows]
    return [row["id"] for row in rows]


def found(world):
    """Return what `audit verify --state` says of the system's chain."""
    [chain] = [one for one in compare(world).chains if one.organisation == SYSTEM]
    return chain


def test_runs_that_nobody_touched_are_what_their_entries_say(world, ran):
    """Each of the four is compared, the lost one as well, and one under way is not missed."""
    world.pass_time(hours=2)
    world.answer(ClaimDue(frozenset({"drill"}), "here"), KEEPING, System("jobs", SYSTEM))
    told = found(world)

    assert [] == told.findings
    assert any("4 of job_run" in line for line in told.checked)


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE job_run SET outcome = 'stopped' WHERE id = :id",
        "UPDATE job_run SET result = '{}' WHERE id = :id",
        "UPDATE job_run SET started_at = due_at, runner = 'x' WHERE id = :id",
        "UPDATE job_run SET ended_at = NULL WHERE id = :id",
        f"UPDATE job_run SET outcome = 'lost', result = '{UNTOLD}' WHERE id = :id",
        "DELETE FROM job_run WHERE id = :id",
        MADE_UP,
    ],
)
def test_evidence_of_a_run_is_not_rewritten_unseen(world, ran, change, which):
    """Whatever its outcome: another result, a run unmade, taken away or made up is a finding."""
    world.looking(lambda c: c.execute(text(change), {"id": ran[which]}))

    findings = found(world).findings
    assert 1 == len(findings), findings
    assert "job_run" in str(findings[0])


def test_a_run_lost_before_such_runs_had_an_entry_is_not_accused(world, ran):
    """A row of an older version, lost and without an entry, is let be."""
    world.looking(lambda c: c.execute(text(MADE_UP), {"id": ran[2]}))
    older = f"UPDATE job_run SET result = '{UNTOLD}' WHERE id = 'made-up'"
    world.looking(lambda c: c.execute(text(older)))

    assert [] == found(world).findings
