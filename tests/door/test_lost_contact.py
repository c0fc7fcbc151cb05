"""Contact lost before, in and after a commit: 503 each time, the truth on repeating, and never a hang."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.access.opened import Opened
from app.access.transaction import _surely_not_done
from app.access.visit import Visit, Visited
from app.access.work import Answer, Repeat, Work
from app.residents.recording import MakeRecord
from app.residents.table import record
from tests.door.conftest import NOTES, Ward, at_the_door, outcomes
from tests.support.faulty_line import FaultyLine


@pytest.fixture
def line(failing_database: str) -> Iterator[FaultyLine]:
    with FaultyLine(failing_database) as line:
        yield line


@pytest.fixture
def distant_ward(line: FaultyLine) -> Iterator[Ward]:
    """A world whose database is at the end of a line that can fail."""
    with Ward(line.url) as ward:
        ward.furnish()
        yield ward


def keyed(ward: Ward, work: MakeRecord) -> Visit:
    """Return a visit that writes a note under an idempotency key, the same each time."""
    assert ward.nurse.session is not None
    visit = ward.visit_of(work, NOTES)
    visit.repeat = Repeat("key", repr(work))
    return visit


def notes_in(ward: Ward) -> int:
    return len(ward.rows(record))


# --- the backend goes ---------------------------------------------------------------------------------


def kill_backend(ward: Ward, pid: int) -> None:
    ward.run(f"SELECT pg_terminate_backend({pid})")


def backend_of(ward: Ward) -> int:
    connection = ward.turn._connected().connection.driver_connection
    return int(connection.info.backend_pid)


def test_a_backend_killed_between_turns_costs_one_turn_at_most(postgresql_ward):
    """After the connection was killed one turn is refused, the next is served over a new one."""
    ward = postgresql_ward
    kill_backend(ward, backend_of(ward))
    visits = [ward.reading(0), ward.reading(1)]
    ward.turn.serve(visits)
    again = [ward.reading(0), ward.reading(1)]
    ward.turn.serve(again)

    assert ["audit-unavailable"] * 2 == outcomes(visits)
    assert ["ok"] * 2 == outcomes(again)
    assert [] == ward.sound().problems


@dataclass
class Killed(Work):
    """A work during which the connection's backend is killed."""

    ward: Ward
    pid: int
    changes = True

    def perform(self, opened: Opened) -> Answer:
        kill_backend(self.ward, self.pid)
        opened.execute(text("SELECT 1"))
        return Answer("went on")


def test_a_backend_killed_in_a_turn_leaves_nothing_of_it(postgresql_ward):
    """The whole turn is refused, nothing is written, and the next turn is served."""
    ward = postgresql_ward
    before, notes = len(ward.entries()), notes_in(ward)
    visits = [ward.visit_of(ward.new_note("lost"), NOTES), ward.reading(0)]
    visits.append(ward.visit_of(Killed(ward, backend_of(ward)), "GET /v1/users/me"))
    ward.turn.serve(visits)

    assert ["audit-unavailable"] * 3 == outcomes(visits)
    assert (before, notes) == (len(ward.entries()), notes_in(ward))
    ward.turn.serve(visits[:2])
    assert ["ok"] * 2 == outcomes(visits[:2])


# --- the commit nobody heard of -------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "done"), [("commit lost", 0), ("answer to commit lost", 1)])
def test_a_commit_nobody_heard_of_is_unknown_and_its_key_tells(distant_ward, line, fault, done):
    """Whether the commit or its answer got lost: `outcome-unknown`; repeated with its key, one effect."""
    ward, work = distant_ward, distant_ward.new_note("written once")
    notes = notes_in(ward)
    line.fault = fault
    visits = [keyed(ward, work), ward.visit_of(ward.new_note("without a key"), NOTES), ward.reading(0)]
    ward.turn.serve(visits)
    assert ["outcome-unknown"] * 3 == outcomes(visits)
    assert [None] * 3 == [visit.stamp for visit in visits]
    assert line.struck.is_set()
    assert notes + 2 * done == notes_in(ward)  # done once or not at all, and never tried again unasked

    again = keyed(ward, work)
    ward.turn.serve([again])
    assert ["ok"] == outcomes([again])
    assert notes + 1 + done == notes_in(ward)
    assert [] == ward.sound().problems


@pytest.mark.parametrize(("fault", "done"), [("commit lost", 0), ("answer to commit lost", 1)])
def test_an_append_nobody_heard_of_shows_nothing(distant_ward, line, fault, done):
    """Where all only read, the append is the commit: if it is lost, nobody is answered."""
    ward = distant_ward
    before = len(ward.entries())
    line.commits, line.fault = b'"act":"record.read"', fault
    visits = [ward.reading(0), ward.reading(1)]
    ward.turn.serve(visits)
    assert line.struck.is_set()
    assert ["outcome-unknown"] * 2 == outcomes(visits)
    line.fault = "none"

    again = [ward.reading(0)]
    ward.turn.serve(again)
    assert ["ok"] == outcomes(again)
    assert before + 2 * done + 1 == len(ward.entries())
    assert [] == ward.sound().problems


def test_an_append_in_which_the_server_stopped_is_unknown(postgresql_ward):
    """A server that says it stops has not said what became of the one statement: `outcome-unknown`."""
    ward = postgresql_ward
    ward.run(
        "CREATE FUNCTION stops() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
    )
    ward.run("CREATE TRIGGER stopping AFTER INSERT ON audit_event EXECUTE FUNCTION stops()")
    before, visits = len(ward.entries()), [ward.reading(0), ward.reading(1)]
    ward.turn.serve(visits)
    ward.run("DROP TRIGGER stopping ON audit_event")
    ward.run("DROP FUNCTION stops")

    assert (["outcome-unknown"] * 2, before) == (outcomes(visits), len(ward.entries()))
    again = [ward.reading(0)]
    ward.turn.serve(again)
    assert ["ok"] == outcomes(again)


@pytest.mark.parametrize(
    ("state", "surely"),
    [("40001", True), ("23505", True), ("57014", True), ("57P01", False), ("08006", False), (None, False)],
)
def test_only_a_refusal_by_the_server_is_surely_not_done(state, surely):
    """A connection that broke, a server that stops and an error without a state say nothing of a commit."""
    said = psycopg.Error()
    said.sqlstate = state

    assert surely is _surely_not_done(DBAPIError("INSERT", {}, said))


def test_the_warning_that_a_standby_may_lack_the_commit_counts_as_unknown(postgresql_ward):
    """Warning 01000 at commit is no success, although the commit stands here; its key tells."""
    ward, work = postgresql_ward, postgresql_ward.new_note("written once")
    ward.run(
        "CREATE FUNCTION doubt() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING USING"
        " ERRCODE = '01000', MESSAGE = 'might not have been replicated'; RETURN NULL; END $$"
    )
    ward.run(
        "CREATE CONSTRAINT TRIGGER doubtful AFTER INSERT ON audit_event"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION doubt()"
    )
    notes = notes_in(ward)
    visits, reading = [keyed(ward, work), ward.reading(0)], [ward.reading(1)]
    ward.turn.serve(visits)
    ward.turn.serve(reading)
    ward.run("DROP TRIGGER doubtful ON audit_event")
    ward.run("DROP FUNCTION doubt")

    assert ["outcome-unknown"] * 3 == outcomes(visits + reading)
    assert notes + 1 == notes_in(ward)
    again = [keyed(ward, work), ward.reading(0)]
    ward.turn.serve(again)
    assert ["ok"] * 2 == outcomes(again)
    assert notes + 1 == notes_in(ward)
    assert [] == ward.sound().problems


# --- the turn that takes too long -----------------------------------------------------------------------


def test_a_database_that_hangs_is_answered_at_the_deadline(distant_ward, line):
    """A line that swallows everything: 503 at the deadline, and served again over a new connection."""
    ward = distant_ward
    ward.turn.serve([ward.reading(0)])
    line.fault = "hangs"
    release = threading.Timer(2.0, setattr, (line, "fault", "none"))
    release.start()
    began = time.monotonic()
    found, took = at_the_door(ward, [ward.reading(i) for i in range(8)], deadline_s=0.5)
    release.join()

    assert ["audit-unavailable"] * 8 == found
    assert took < 1.5
    assert time.monotonic() - began < 10
    assert (["ok"] * 8) == at_the_door(ward, [ward.reading(i) for i in range(8)])[0]


@dataclass
class Slow(Work):
    """A change that takes its time."""

    make: MakeRecord
    seconds: float
    changes = True

    def looks_at(self) -> tuple[str | None, str | None]:
        return self.make.looks_at()

    def perform(self, opened: Opened) -> Answer:
        made = self.make.perform(opened)
        time.sleep(self.seconds)
        return made


def test_what_was_answered_503_is_not_done_after_all(ward):
    """A turn that overran and was answered `audit-unavailable` rolls back, change, entry and all."""
    before, notes = len(ward.entries()), notes_in(ward)
    slow = ward.visit_of(Slow(ward.new_note("late"), 1.2), NOTES)
    found, took = at_the_door(ward, [slow, ward.reading(0)], deadline_s=0.4)

    assert ["audit-unavailable"] * 2 == found
    assert took < 1.0
    assert (before, notes) == (len(ward.entries()), notes_in(ward))
    assert ["ok"] * 8 == at_the_door(ward, [ward.reading(i) for i in range(8)])[0]
    assert [] == ward.sound().problems


def test_who_was_answered_while_a_turn_fell_apart_is_not_served_after_all(sqlite_ward, monkeypatch):
    """Attempts tried alone after their turn failed are left alone once everyone was told 503."""
    ward = sqlite_ward
    notes = notes_in(ward)
    visits = [ward.visit_of(Slow(ward.new_note(f"late {n}"), 0.3), NOTES) for n in range(4)]
    visits += [ward.amending(0, 1, "one"), ward.amending(0, 1, "two")]
    monkeypatch.setattr(Visit, "keys", frozenset())  # lets both into one turn, which then falls apart
    found, took = at_the_door(ward, visits, deadline_s=1.6)

    assert "audit-unavailable" in found[:4]
    assert notes + found[:4].count("ok") == notes_in(ward)
    assert took < 3
    assert [] == ward.sound().problems


@dataclass
class Counted(Work):
    """Counts how often it is performed."""

    times: list[int]

    def perform(self, opened: Opened) -> Answer:
        self.times.append(1)
        return Answer(len(self.times))


def test_a_deadlock_is_tried_again_and_its_entry_stands_once(postgresql_ward):
    """A serialisation failure of the database is tried again at once; nobody notices."""
    ward = postgresql_ward
    ward.run("CREATE SEQUENCE tried")
    ward.run(
        "CREATE FUNCTION clash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF nextval('tried') < 3 THEN RAISE EXCEPTION 'clash' USING ERRCODE = '40P01'; END IF;"
        " RETURN NULL; END $$"
    )
    ward.run("CREATE TRIGGER clashing BEFORE INSERT ON audit_event EXECUTE FUNCTION clash()")
    before, work = len(ward.entries()), Counted([])
    visits = [ward.visit_of(work, "GET /v1/users/me"), ward.reading(0)]
    ward.turn.serve(visits)
    ward.run("DROP TRIGGER clashing ON audit_event")
    ward.run("DROP FUNCTION clash")
    ward.run("DROP SEQUENCE tried")

    assert ["ok", "ok"] == outcomes(visits)
    assert isinstance(visits[0].outcome, Visited)
    assert visits[0].outcome.answer.payload == 3
    assert before + 2 == len(ward.entries())


def test_a_lock_met_by_an_attempt_tried_alone_is_no_fault_of_the_attempt(postgresql_ward):
    """Where a turn fell apart and the database then has no lock to give: 503, not a failure on record."""
    ward = postgresql_ward
    ward.run("CREATE SEQUENCE tried")
    ward.run(
        "CREATE FUNCTION busy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF nextval('tried') < 2 THEN RAISE EXCEPTION 'busy' USING ERRCODE = '55P03'; END IF;"
        " RETURN NULL; END $$"
    )
    ward.run("CREATE TRIGGER busy BEFORE INSERT ON audit_event EXECUTE FUNCTION busy()")
    before = len(ward.entries())
    visits = [ward.reading(0), ward.amending(1, 1, "one"), ward.amending(1, 1, "two")]
    ward.turn.serve(visits)
    ward.run("DROP TRIGGER busy ON audit_event")
    ward.run("DROP FUNCTION busy")
    ward.run("DROP SEQUENCE tried")

    assert ["audit-unavailable", "ok", "version-conflict"] == outcomes(visits)
    assert before + 2 == len(ward.entries())
