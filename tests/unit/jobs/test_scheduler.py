"""Jobs that come due, run once, and leave evidence."""

import asyncio
import contextlib
import threading

import orjson
import pytest
from sqlalchemy import update

from app.access.operation import Operation
from app.access.transaction import Transaction
from app.access.visit import System, Visit, VisitRefusedError
from app.core.errors import AuditUnavailableError, OutcomeUnknownError, StartRefusedError
from app.core.identifiers import SYSTEM
from app.jobs import scheduler as scheduling
from app.jobs.scheduler import Job, JobFailedError, Scheduler, run_now
from app.jobs.table import job, job_run
from app.jobs.works import KEEPING, LOST, NEVER, ClaimDue, EndRun, Prolong

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


def test_a_job_this_machine_does_not_plan_is_run_when_asked(world, serving):
    """Also after a process that does not know it forgot it: then it is due never, and still one may ask."""
    drill, door = Job("drill", "45 3 * * 0", TRY, Body()), serving(world)

    async def do(operation, work):
        return await door(Visit(System("jobs", SYSTEM), operation, work))

    asyncio.run(run_now(do, drill))
    look(schedule(serving, world, Body()))
    assert NEVER in [row["due_at"] for row in world.rows(job)]

    assert {"size": 7} == asyncio.run(run_now(do, drill))
    assert [("ok", 0)] * 2 == [(run["outcome"], run["missed"]) for run in world.rows(job_run)]


def in_doubt(serving, world, body, error, *, happened):
    """Return a scheduler that does not learn at once whether the end of its run was recorded."""
    door, doubtful = serving(world), [True]

    async def visit(one):
        if not isinstance(one.work, EndRun) or not doubtful:
            return await door(one)
        doubtful.clear()
        with contextlib.suppress(VisitRefusedError):  # a failed run's end is refused when it is recorded
            if happened:
                await door(one)
        raise VisitRefusedError(error, None)

    return Scheduler(visit, (Job("backup", HOURLY, TRY, body),))


@pytest.mark.parametrize("happened", [False, True])
@pytest.mark.parametrize("error", [AuditUnavailableError(), OutcomeUnknownError()])
@pytest.mark.parametrize("outcome", ["ok", "fail"])
def test_an_end_nobody_knows_of_is_told_once(world, serving, monkeypatch, outcome, error, happened):
    """Contact lost amid the end of a run: it ends once, with one entry, and is neither lost nor run again."""
    monkeypatch.setattr(scheduling, "ENDING_EVERY_S", 0)

    def does(_running):
        if outcome == "fail":
            raise JobFailedError("disk-full")
        return {"size": 7}

    body = Body(does)
    jobs = in_doubt(serving, world, body, error, happened=happened)
    look(jobs)
    world.pass_time(minutes=61)
    look(jobs)
    world.pass_time(seconds=61)

    assert [look(jobs), body.runs] == [False, 1]
    assert [outcome] == [run["outcome"] for run in world.rows(job_run)]
    assert [outcome] == [entry["out"] for entry in ends(world)]
    assert [] == [entry for entry in world.entries(SYSTEM) if entry["act"] == LOST]


def test_an_end_that_is_committed_at_this_moment_is_waited_for(world, serving, monkeypatch):
    """Whoever asks for it again while the first time is under way finds that done, and makes no entry."""
    look(schedule(serving, world, Body()))
    world.pass_time(minutes=61)
    system, began, go_on = System("jobs", SYSTEM), threading.Event(), threading.Event()
    run = world.answer(ClaimDue(frozenset({"backup"}), "here"), KEEPING, system).payload.run_id
    commit = Transaction.commit

    def later(transaction):
        if not began.is_set():
            began.set()
            assert go_on.wait(10)
        commit(transaction)

    monkeypatch.setattr(Transaction, "commit", later)
    other, answers = world.beside(), []
    ends_in = [
        threading.Thread(
            target=lambda one=one: answers.append(one.answer(EndRun(run, "ok", {}), TRY, system))
        )
        for one in (other, world)
    ]
    ends_in[0].start()
    assert began.wait(10)
    ends_in[1].start()
    ends_in[1].join(0.5)
    go_on.set()
    for thread in ends_in:
        thread.join(20)

    assert [{}, {}] == [answer.payload for answer in answers]
    assert ["ok"] == [entry["out"] for entry in ends(world)]


def test_a_run_that_ended_otherwise_is_not_taken_for_ours(world, serving):
    """Only the same end is answered in silence: another one, or one somebody wrote there, is told of."""
    jobs = schedule(serving, world, Body())
    look(jobs)
    world.pass_time(minutes=61)
    look(jobs)
    [run], system = world.rows(job_run), System("jobs", SYSTEM)
    again = EndRun(run["id"], "ok", {"size": 7})
    assert world.answer(again, TRY, system).payload == {"size": 7}
    others = [EndRun(run["id"], "fail", {"size": 7}), EndRun(run["id"], "ok", {"size": 8})]
    assert ["run-taken-away"] * 2 == [world.refusal(other, TRY, system).why for other in others]
    world.looking(lambda c: c.execute(update(job_run).values(runner="x")))

    assert world.refusal(again, TRY, system).why == "run-taken-away"
    assert ["ok", "fail", "fail", "fail"] == [entry["out"] for entry in ends(world)]


def test_a_job_whose_run_was_taken_away_is_asked_to_stop(world, serving, monkeypatch):
    """Who cannot prolong its lease has lost the run: its body stops at its next piece, for another has it."""
    monkeypatch.setattr(scheduling, "HOLD_EVERY_S", 0.01)
    other, door, went_on = world.beside(), serving(world), []
    taken_away = threading.Event()

    def works(running):
        world.pass_time(minutes=2)
        taken = other.answer(ClaimDue(frozenset({"backup"}), "b"), KEEPING, System("jobs", SYSTEM)).payload
        assert taken is not None
        taken_away.set()
        went_on.append(not running.stopping.wait(10))
        running.go_on()

    async def visit(one):
        if isinstance(one.work, Prolong):  # which comes too late
            await asyncio.to_thread(taken_away.wait, 10)
        return await door(one)

    jobs = Scheduler(visit, (Job("backup", HOURLY, TRY, Body(works)),))
    look(jobs)
    world.pass_time(minutes=61)
    look(jobs)

    assert went_on == [False]


def test_a_new_time_table_moves_what_is_due(world, serving):
    """Another time-table takes effect with the next start; an unchanged one does not postpone anything."""
    look(schedule(serving, world, Body()))
    before = world.rows(job)[0]["due_at"]
    world.pass_time(minutes=30)
    look(schedule(serving, world, Body()))
    assert world.rows(job)[0]["due_at"] == before
    look(schedule(serving, world, Body(), cron="45 * * * *"))
    assert world.rows(job)[0]["due_at"] == world.later(minutes=15)
