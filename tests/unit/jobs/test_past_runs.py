"""Rows of runs go 400 days after their end; whoever reads them finds what is newest, and the trail agrees."""

from dataclasses import dataclass

import pytest
from sqlalchemy import insert, text

from app.access.operation import Operation
from app.access.visit import System
from app.access.work import Answer, Work
from app.audit.checkpoint import Notary
from app.core.errors import CaretrailError
from app.core.identifiers import SYSTEM
from app.jobs.past_runs import FORGET_RUNS, MOST_FORGOTTEN, ForgetRuns
from app.jobs.table import job_run
from app.jobs.works import KEEPING, NEVER, UNTOLD, ClaimNow, EndRun, Planned
from app.operations import database_facts
from app.operations.vitals import VITALS, ReadVitals
from app.trail.self_check import Means, Round
from app.trail.state_kinds import RUNS
from app.vault.keyring import Keyring
from tests.support.served import Database, Deployment
from tests.unit.operations.test_last_run import viewing
from tests.unit.trail.state_scene import compare

JOBS = System("jobs", SYSTEM)
ENDED = Operation("*", "*", "system", "self", "backup.create", 200)


def run(world, job="backup", outcome="ok"):
    """Run a job and return the id of the run."""
    claimed = world.answer(ClaimNow(Planned(job, "0 2 * * *"), "here"), KEEPING, JOBS).payload
    ended = world.do(EndRun(claimed.run_id, outcome, {"why": "disk"}), ENDED, JOBS)
    assert (outcome != "ok") is isinstance(ended, CaretrailError)
    return claimed.run_id


def forget(world):
    return world.answer(ForgetRuns(), FORGET_RUNS, JOBS).payload


def there(world):
    return {row["id"] for row in world.rows(job_run)}


def told(world):
    return [entry for entry in world.entries(SYSTEM) if entry["act"] == "jobs.forget"]


def findings(world):
    """Return what `audit verify --state` finds."""
    return [str(finding) for chain in compare(world).chains for finding in chain.findings]


def tamper(world, statement, **named):
    world.looking(lambda connection: connection.execute(text(statement), named))


@pytest.fixture
def world(each_world):
    """A world on each database."""
    return each_world


@pytest.fixture
def past(world):
    """A job's runs of 401 days ago - two good ones, and two that failed - and one of today; their ids."""
    runs = [run(world, outcome=outcome) for outcome in ("ok", "ok", "fail", "fail")]
    world.pass_time(days=401)
    return [*runs, run(world)]


def test_what_ended_long_ago_goes_and_the_entry_names_it(world, past):
    """One entry for all of them, and none where none went."""
    assert (4, 0) == (forget(world), forget(world))
    assert {past[-1]} == there(world)
    [entry] = told(world)
    assert (4, "ok", "system:jobs") == (entry["n"], entry["out"], entry["actor"]["id"])
    assert set(past[:4]) == {row["id"] for row in entry["rows"]}


def test_a_run_is_kept_400_days_after_its_end(world):
    """By the whole day, and by when it ended, not when it began."""
    claimed = world.answer(ClaimNow(Planned("drill", "0 2 * * *"), "here"), KEEPING, JOBS).payload
    world.pass_time(hours=20)
    world.answer(EndRun(claimed.run_id, "ok", {}), ENDED, JOBS)
    world.pass_time(days=400)
    run(world, "drill")
    early = forget(world)
    world.pass_time(hours=19)

    assert (0, 1) == (early, forget(world))


def test_of_each_job_the_newest_and_the_newest_good_one_stay(world):
    """What a job was last seen to do is known however long ago that is, to the doctor and to metrics."""
    good = [run(world, "backup") for _ in range(2)]
    failed = [run(world, "backup", "fail") for _ in range(2)]
    never_good = [run(world, "drill", "fail") for _ in range(2)]
    world.pass_time(days=500)
    before = world.answer(ReadVitals(), VITALS, JOBS).payload.jobs

    assert 3 == forget(world)
    assert {good[1], failed[1], never_good[1]} == there(world)
    assert before == world.answer(ReadVitals(), VITALS, JOBS).payload.jobs
    with viewing(world) as rows:
        asked = (SYSTEM, "backup", NEVER)
        assert 1 == len(rows(database_facts._LAST_RUN.format(" AND outcome = 'ok'"), *asked))
    assert [] == findings(world)


def test_a_run_of_a_clock_that_was_ahead_is_not_the_newest(world):
    """The readers pass it over until its hour comes; it takes nobody's place meanwhile."""
    kept = run(world)
    world.pass_time(days=2000)
    ahead = run(world)
    world.pass_time(days=-1500)

    assert (0, {kept, ahead}) == (forget(world.beside()), there(world))


def test_one_under_way_has_no_end_and_stays(world, past):
    """However long ago it began: it is ended, as lost, by whoever claims its job next."""
    tamper(world, "UPDATE job_run SET ended_at = NULL, outcome = NULL WHERE id = :id", id=past[0])

    assert (3, {past[0], past[-1]}) == (forget(world), there(world))


def test_a_backlog_goes_piece_by_piece(world):
    """Over both jobs, so many in a turn; of each the newest and the newest good one are left."""
    for job in ("backup", "drill"):
        run(world, job)
    rows = world.rows(job_run)
    unbound = {"outcome": "lost", "result": UNTOLD, "state": None}
    more = [row | unbound | {"id": f"{row['job']} {n}"} for row in rows for n in range(MOST_FORGOTTEN)]
    world.looking(lambda connection: connection.execute(insert(job_run), more))
    world.pass_time(days=402)

    assert [MOST_FORGOTTEN, MOST_FORGOTTEN - 2, 0] == [forget(world) for _ in range(3)]
    assert {row["id"] for row in rows} < there(world)
    assert 4 == len(there(world))


# --- the rows against the trail ----------------------------------------------------------------------


def test_the_trail_agrees_that_they_went(world, past):
    """`audit verify --state` misses none of them and counts those that are there."""
    forget(world)
    [chain] = [one for one in compare(world).chains if one.organisation == SYSTEM]

    assert [] == chain.findings
    assert any("1 of job_run" in line for line in chain.checked)


def test_one_lost_before_such_runs_had_an_entry_goes_unnamed(world, past):
    """No entry made it, so none is to say that it went."""
    row = next(one for one in world.rows(job_run) if one["id"] == past[0])
    older = row | {"id": "older", "outcome": "lost", "result": UNTOLD, "state": None}
    world.looking(lambda connection: connection.execute(insert(job_run), [older]))

    assert 5 == forget(world)
    assert "older" not in {one["id"] for one in told(world)[0]["rows"]}
    assert [] == findings(world)


def test_a_run_that_was_taken_away_by_somebody_else_is_missed(world, past):
    """Before others were removed and afterwards; nothing but the entry excuses a row that is not there."""
    tamper(world, "DELETE FROM job_run WHERE id = :id", id=past[0])
    before = findings(world)
    forget(world)

    assert 1 == len(before)
    assert before == findings(world)
    assert f"job_run {past[0]}: row missing, no entry deletes it" in before[0]


def test_a_run_that_was_put_back_is_found(world, past):
    """Row and digest are what they once were; the trail knows that it went."""
    row = next(one for one in world.rows(job_run) if one["id"] == past[0])
    forget(world)
    world.looking(lambda connection: connection.execute(insert(job_run), [row]))

    [finding] = findings(world)
    assert f"job_run {past[0]}: row was set back to version 1, the chain says 2" in finding


def test_one_that_was_altered_is_left_where_it_is(world, past):
    """It is told of as before; to remove it would hide who altered it."""
    tamper(world, "UPDATE job_run SET result = '{}' WHERE id = :id", id=past[1])
    before = findings(world)

    assert (3, before) == (forget(world), findings(world))
    assert 1 == len(before)
    assert {past[1], past[-1]} == there(world)


@dataclass
class Claim(Work):
    """Says of a row that it was removed, without the key that makes the digest."""

    run_id: str
    state: bytes

    def perform(self, opened):
        row = {"t": "job_run", "id": self.run_id, "ver": 2, "state": self.state.hex()}
        opened.note.members["rows"] = [row]
        return Answer()


def test_a_line_that_somebody_made_up_excuses_nothing(world, past):
    """Whoever can write lines and rows, and has no keys, cannot have a run forgotten."""
    for state in (bytes(32), world.rows(job_run)[0]["state"]):
        world.answer(Claim(past[0], state), FORGET_RUNS, JOBS)
        tamper(world, "DELETE FROM job_run WHERE id = :id", id=past[0])

        assert any("row missing" in finding for finding in findings(world))


@pytest.mark.parametrize("most", [1, 3, 500])
def test_the_self_check_accuses_nobody_while_they_go(world, past, most):
    """Whenever in a round the rows are removed: between any two of its pieces."""
    keyring, notary = Keyring(world._root, world.entropy), Notary("care.example", bytes(range(32)))
    means = Means(world.engine, keyring, notary, [RUNS], lambda: world.now, world.entropy)
    pieces = sum(1 for _ in Round(means, 0, most).walk())
    walked = Round(means, 0, most)
    steps = walked.walk()
    for n in range(pieces // 2):
        next(steps)
        if n == pieces // 2 - 2:
            assert 4 == forget(world)
    for _ in steps:
        pass

    assert [] == walked.found
    assert {past[-1]} == there(world)


def test_the_service_may_remove_them(each_database: Database, tmp_path):
    """On PostgreSQL with the rights of its own role."""
    with Deployment.on(each_database, tmp_path) as world:
        run(world)
        world.pass_time(days=401)
        run(world)

        assert (1, 1) == (forget(world), len(there(world)))
