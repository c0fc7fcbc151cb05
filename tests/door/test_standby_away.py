"""Commits that wait for a standby which is away: what PostgreSQL does, and what the service says then.

Two traps first, as they are: no time-out of the server ends such a commit, and one that is cancelled reports
success although a fail-over loses it. The service answers 503 within its deadline, and never believes it.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from app.access.visit import Visit
from app.access.work import Repeat
from app.residents.recording import MakeRecord
from app.residents.table import record
from app.storage import engine
from tests.door.conftest import NOTES, Ward, at_the_door, outcomes
from tests.support.replication import Pair, wait_until

WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with Pair() as pair:
        yield pair


@pytest.fixture(scope="module")
def url(pair: Pair) -> str:
    """The URL of the primary alone, as a superuser."""
    return pair.at(pair.primary, pair.make_database("waiting").superuser)


@pytest.fixture
def ward(pair: Pair, url: str) -> Iterator[Ward]:
    with Ward(url) as ward:
        ward.furnish()
        pair.standby.stop()
        yield ward
        if not pair.standby.runs:
            pair.standby.start()
        pair.wait_for_standby()


# --- what PostgreSQL does -----------------------------------------------------------------------------


class Waiting(threading.Thread):
    """A client that inserts a row, in a transaction of that one statement, and notes what it is told."""

    def __init__(self, pair: Pair, row: str) -> None:
        super().__init__()
        self._statement = f"INSERT INTO trap VALUES ('{row}')"
        self.line = psycopg.connect(
            pair.primary.conninfo, options="-c statement_timeout=300", autocommit=True
        )
        self.notices: list[Any] = []
        self.line.add_notice_handler(lambda notice: self.notices.append(notice.sqlstate))
        self.told: Any = None
        self.start()

    def run(self) -> None:
        """Insert."""
        try:
            self.told = self.line.execute(self._statement).statusmessage
        except psycopg.Error as error:
            self.told = type(error)


def test_no_time_out_ends_the_wait_and_a_cancelled_one_reports_success():
    """Past its time-out a commit waits on; cancelled it says `INSERT 0 1`, and a fail-over loses it."""
    with Pair() as pair, ExitStack() as lines:
        with psycopg.connect(pair.primary.conninfo, autocommit=True) as line:
            line.execute("CREATE TABLE trap (row text)")  # the standby has it: `ask` would not wait
        pair.standby.stop()
        cancelled, terminated = Waiting(pair, "cancelled"), Waiting(pair, "terminated")
        for client in (cancelled, terminated):
            lines.callback(client.line.close)
        with (
            psycopg.connect(pair.primary.conninfo, options="-c statement_timeout=300") as line,
            pytest.raises(psycopg.errors.QueryCanceled),  # it is in force, only not for a commit
        ):
            line.execute("SELECT pg_sleep(9)")
        time.sleep(1)
        assert cancelled.is_alive()
        assert 2 == len(pair.primary.ask(WAITING))

        pair.primary.ask(f"SELECT pg_cancel_backend({cancelled.line.info.backend_pid})")
        pair.primary.ask(f"SELECT pg_terminate_backend({terminated.line.info.backend_pid})")
        cancelled.join(5)
        terminated.join(5)
        assert ("INSERT 0 1", ["01000"]) == (cancelled.told, cancelled.notices)
        assert issubclass(terminated.told, psycopg.OperationalError)
        assert [("cancelled",), ("terminated",)] == pair.primary.ask("SELECT row FROM trap ORDER BY row")

        pair.primary.kill()
        pair.standby.start()
        pair.standby.promote()
        assert [] == pair.standby.ask("SELECT row FROM trap")


# --- what the service says -------------------------------------------------------------------------------


def keyed(ward: Ward, work: MakeRecord) -> Visit:
    """Return a visit that writes a note under an idempotency key, the same each time."""
    visit = ward.visit_of(work, NOTES)
    visit.repeat = Repeat("key", repr(work))
    return visit


def test_who_waits_for_a_lost_standby_is_answered_unknown_at_the_deadline(ward, pair):
    """503 `outcome-unknown` within the deadline, for a change and for a read; back again, the key tells."""
    work, notes = ward.new_note("written once"), len(ward.rows(record))
    found, took = at_the_door(ward, [keyed(ward, work), ward.reading(0)], deadline_s=1)
    read, read_took = at_the_door(ward, [ward.reading(1)], deadline_s=1)
    assert ["outcome-unknown"] * 2 == found
    assert set(read) <= {"outcome-unknown", "audit-unavailable"}
    assert max(took, read_took) < 2.5

    pair.standby.start()
    pair.wait_for_standby()
    wait_until(lambda: pair.primary.ask(WAITING) == [])
    again, _ = at_the_door(ward, [keyed(ward, work), ward.reading(0)])
    assert ["ok", "ok"] == again
    assert notes + 1 == len(ward.rows(record))
    assert [] == ward.sound().problems


def cancelled_meanwhile(pair: Pair, ward: Ward) -> list[str]:
    """Return what a visit is told whose commit is cancelled on the server while it waits."""

    def cancel() -> None:
        wait_until(lambda: pair.primary.ask(WAITING) != [])
        pair.primary.ask(f"SELECT pg_cancel_backend(pid) FROM ({WAITING}) AS waiting")

    other = threading.Thread(target=cancel)
    other.start()
    found, _ = at_the_door(ward, [ward.visit_of(ward.new_note("cancelled"), NOTES)])
    other.join()
    return found


def test_a_cancelled_wait_is_not_believed(ward, pair):
    """A commit that was cancelled on the server says success and a warning: that is `outcome-unknown`."""
    assert ["outcome-unknown"] == cancelled_meanwhile(pair, ward)


def test_without_the_warning_a_cancelled_wait_would_pass_for_success(pair, url, monkeypatch):
    """An engine that does not listen for the warning acknowledges what no standby has."""
    monkeypatch.setattr(engine, "_watch_for_unreplicated", lambda _engine: None)
    with Ward(url) as ward:
        ward.furnish()
        pair.standby.stop()
        told = cancelled_meanwhile(pair, ward)
        pair.standby.start()
        pair.wait_for_standby()

    assert ["ok"] == told


def test_a_terminated_wait_is_unknown(ward, pair):
    """A commit whose backend was terminated while it waited: `outcome-unknown`."""

    def end() -> None:
        wait_until(lambda: pair.primary.ask(WAITING) != [])
        pair.primary.ask(f"SELECT pg_terminate_backend(pid) FROM ({WAITING}) AS waiting")

    other = threading.Thread(target=end)
    other.start()
    visits = [ward.visit_of(ward.new_note("terminated"), NOTES)]
    ward.turn.serve(visits)
    other.join()
    assert ["outcome-unknown"] == outcomes(visits)
