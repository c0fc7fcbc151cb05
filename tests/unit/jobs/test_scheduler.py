"""Jobs that come due, run once, and leave evidence."""

import asyncio
import threading

import orjson
import pytest

from app.access.operation import Operation
from app.access.visit import System
from app.core.errors import StartRefusedError
from app.core.identifiers import SYSTEM
from app.jobs import scheduler as scheduling
from app.jobs.scheduler import Job, JobFailedError, Scheduler
from app.jobs.table import job, job_run
from app.jobs.works import KEEPING, LOST, ClaimDue, Prolong

TRY = Operation("*", "*", "system", "self", "backup.create", 200)
HOURLY = "0 * * * *"


class Body:
    """A job's body that counts its runs and does as it is told."""

    def __init__(self, does=lambda running: {"size": 7}):
        self.runs, self.does = 0, does

    def __call__(self, running):
        self.runs += 1
        return self.does(running)


def schedule(serving, world, body, cron=HOURLY, name="backup") -> Scheduler:
    return Scheduler(serving(world), (Job(name, cron, TRY, body),))


def look(scheduler: Scheduler) -> bool:
    return asyncio.run(scheduler.look())


def ends(world):
    return [entry for entry in world.entries(SYSTEM) if entry["act"] == TRY.act]


def test_a_job_runs_when_it_is_due_and_not_before(world, serving):
    """A job is first run when its time-table says so, and then once for each time."""
    body = Body()
    jobs = schedule(serving, world, body)
    assert [look(jobs), body.runs] == [False, 0]
    world.pass_time(minutes=61)
    assert [look(jobs), look(jobs), body.runs] == [True, False, 1]
    world.pass_time(minutes=60)
    assert [look(jobs), look(jobs), body.runs] == [True, False, 2]


def test_each_run_is_a_row_and_an_entry_with_its_digest(world, serving):
    """The end of a run is an entry of the system's chain that names the run and binds its row."""
    jobs = schedule(serving, world, Body())
    look(jobs)
    world.pass_time(minutes=61)
    look(jobs)
    (run,) = world.rows(job_run)
    assert (run["job"], run["outcome"], orjson.loads(run["result"])) == ("backup", "ok", {"size": 7})
    (entry,) = ends(world)
    assert entry["out"] == "ok"
    assert entry["obj"] == {"t": "job_run", "id": run["id"], "ver": 1}
    assert entry["state"] == run["state"].hex()


def test_runs_that_were_missed_are_caught_up_by_one(world, serving):
    """A job that was due five times while nobody ran is run once, and the run says what was left out."""
    body = Body()
    jobs = schedule(serving, world, body)
    look(jobs)
    world.pass_time(hours=5, minutes=1)
    assert [look(jobs), look(jobs), body.runs] == [True, False, 1]
    assert world.rows(job_run)[0]["missed"] == 4


def test_a_failed_run_is_evidence_too_and_is_tried_again(world, serving):
    """A failure is a row and a failed entry; the job is due again half an hour later."""

    def fails(_running):
        raise JobFailedError("disk-full", free=0)

    body = Body(fails)
    jobs = schedule(serving, world, body, cron="0 3 * * *")
    look(jobs)
    world.pass_time(hours=24)
    look(jobs)
    (run,) = world.rows(job_run)
    assert (run["outcome"], orjson.loads(run["result"])) == ("fail", {"why": "disk-full", "free": 0})
    assert [(entry["out"], entry["why"]) for entry in ends(world)] == [("fail", "disk-full")]
    world.pass_time(minutes=29)
    assert look(jobs) is False
    world.pass_time(minutes=1)
    assert [look(jobs), body.runs] == [True, 2]


@pytest.mark.parametrize("error", [StartRefusedError("no such folder"), ZeroDivisionError()])
def test_no_error_of_a_job_ends_the_scheduler(world, serving, error):
    """Whatever a job raises is the end of its run, and other runs follow."""

    def breaks(_running):
        raise error

    body = Body(breaks)
    jobs = schedule(serving, world, body)
    look(jobs)
    for _ in range(2):
        world.pass_time(minutes=61)
        assert look(jobs) is True
    assert [run["outcome"] for run in world.rows(job_run)] == ["fail", "fail"]


def test_two_processes_run_a_due_job_once(world, serving):
    """Of several processes that find the same job due, one runs it: here while the other still does."""
    other = world.beside()
    seen = []

    def meets_the_other(_running):
        seen.append(look(schedule(serving, other, Body())))
        return {}

    jobs = schedule(serving, world, Body(meets_the_other))
    look(jobs)
    world.pass_time(minutes=61)
    assert look(jobs) is True
    assert seen == [False]
    assert len(world.rows(job_run)) == 1


def test_many_that_claim_at_once_get_one_run(world):
    """Eight processes claim the same due job at the same time: one of them gets it, ten times over."""
    asyncio.run(schedule(_planning, world, Body()).look())
    others = [world.beside() for _ in range(8)]
    for round_ in range(10):
        world.pass_time(hours=2)
        got: list[object] = []

        def claim(process, got=got):
            names = frozenset({"backup"})
            got.append(process.answer(ClaimDue(names, "x"), KEEPING, System("jobs", SYSTEM)).payload)

        threads = [threading.Thread(target=claim, args=(process,)) for process in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [len(got), len([one for one in got if one is not None])] == [8, 1]
        assert len(world.rows(job_run)) == round_ + 1


def _planning(world):
    async def visit(visit):
        world.turn.serve([visit])
        return visit.outcome

    return visit


def test_a_run_whose_process_died_is_lost_and_its_job_run_again(world, serving):
    """A lease that nobody prolongs ends: the next to look tells the run as lost and runs the job."""
    jobs = schedule(serving, world, Body())
    look(jobs)
    world.pass_time(hours=2)
    died = world.answer(ClaimDue(frozenset({"backup"}), "died"), KEEPING, System("jobs", SYSTEM)).payload
    world.pass_time(seconds=59)
    assert look(jobs) is False, "its lease still holds"
    world.pass_time(seconds=2)
    assert look(jobs) is True
    outcomes = {run["id"]: run["outcome"] for run in world.rows(job_run)}
    assert outcomes.pop(died.run_id) == "lost"
    assert list(outcomes.values()) == ["ok"]
    [told] = [entry for entry in world.entries(SYSTEM) if entry["act"] == LOST]
    assert (told["out"], told["why"], told["obj"]["id"]) == ("fail", "lost", died.run_id)


def test_a_run_that_was_taken_away_ends_without_a_trace_on_the_new_one(world, serving):
    """Who comes back after its lease ended can neither prolong nor end the run that others have now."""

    def sleeps(_running):
        world.pass_time(minutes=2)
        taken = world.answer(ClaimDue(frozenset({"backup"}), "b"), KEEPING, System("jobs", SYSTEM)).payload
        assert taken is not None
        return {}

    jobs = schedule(serving, world, Body(sleeps))
    look(jobs)
    world.pass_time(minutes=61)
    look(jobs)
    assert sorted(str(run["outcome"]) for run in world.rows(job_run)) == ["None", "lost"]
    first = min(world.rows(job_run), key=lambda run: run["id"])
    assert world.answer(Prolong(first["id"]), KEEPING, System("jobs", SYSTEM)).payload is False
    assert [(entry["out"], entry["why"]) for entry in ends(world)] == [("fail", "run-taken-away")]


def test_a_job_is_asked_to_stop_and_is_due_again(world, serving, monkeypatch):
    """When the process stops, the job under way stops at its next piece and is due again at once."""
    monkeypatch.setattr(scheduling, "LOOK_EVERY_S", 0.01)
    under_way = threading.Event()

    def works(running):
        under_way.set()
        assert running.stopping.wait(10)
        running.go_on()

    jobs = schedule(serving, world, Body(works))
    look(jobs)
    world.pass_time(minutes=61)

    async def serve():
        jobs.start()
        await asyncio.to_thread(under_way.wait, 10)
        await jobs.stop()

    asyncio.run(serve())
    assert [run["outcome"] for run in world.rows(job_run)] == ["stopped"]
    assert look(schedule(serving, world, Body())) is True


def test_a_new_time_table_moves_what_is_due(world, serving):
    """Another time-table takes effect with the next start; an unchanged one does not postpone anything."""
    look(schedule(serving, world, Body()))
    before = world.rows(job)[0]["due_at"]
    world.pass_time(minutes=30)
    look(schedule(serving, world, Body()))
    assert world.rows(job)[0]["due_at"] == before
    look(schedule(serving, world, Body(), cron="45 * * * *"))
    assert world.rows(job)[0]["due_at"] == world.later(minutes=15)
