"""On SQLite whoever reads on in a stream keeps nobody from writing, and can still say why it was refused."""

import logging
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from app.access.opened import Opened
from app.access.visit import System, Visit
from app.access.work import Answer
from app.core.errors import CaretrailError
from app.exchange.subject_works import EXPORT, ReadRecords
from app.storage.guard import UnauditedStatementError
from tests.door.conftest import Ward, outcomes


@dataclass
class Beside(ReadRecords):
    """Read records, and see what another process could do at the same time."""

    path: str = ""
    refused: bool = False

    def perform(self, opened: Opened) -> Answer:
        read = super().perform(opened)
        with closing(sqlite3.connect(self.path, timeout=0)) as other, other:
            other.execute("UPDATE organisation SET id = id")
        if self.refused:
            raise CaretrailError(why="as-tried")
        return read


@dataclass
class Writing(ReadRecords):
    """Try to write where only reading was announced."""

    def perform(self, opened: Opened) -> Answer:
        opened.execute(text("UPDATE organisation SET id = id"))
        return Answer()


def reading(ward: Ward, work: Any) -> Visit:
    """Return a visit of the command line that reads records of the resident."""
    return Visit(System("cli", ward.org), EXPORT, work(ward.resident, "daily_note", None, 3))


def beside(ward: Ward, *, refused: bool) -> Visit:
    """Return one beside which another process writes."""
    visit = reading(ward, Beside)
    visit.work.path, visit.work.refused = ward.url.removeprefix("sqlite:///"), refused
    return visit


def test_another_process_writes_while_records_are_read(sqlite_ward: Ward) -> None:
    """A page of an export holds no lock, so that a service beside it takes its turns."""
    before = len(sqlite_ward.entries())
    visit = beside(sqlite_ward, refused=False)

    sqlite_ward.turn.serve([visit])

    assert ["ok"] == outcomes([visit])
    assert before == len(sqlite_ward.entries())


@pytest.mark.parametrize("moved", [False, True])
def test_a_refusal_met_while_reading_is_recorded(sqlite_ward: Ward, moved: bool) -> None:
    """What has to be written after all is written, and all who share the turn are answered."""
    before = len(sqlite_ward.entries())
    visits = [beside(sqlite_ward, refused=True), reading(sqlite_ward, ReadRecords)]
    if moved:
        sqlite_ward.note("one more, by a process of its own")

    sqlite_ward.turn.serve(visits)

    assert ["internal-error", "ok"] == outcomes(visits)
    assert ["fail"] == [entry["out"] for entry in sqlite_ward.entries()[before + moved :]]
    assert [] == sqlite_ward.sound().problems


def test_a_lock_of_another_process_keeps_nobody_from_reading_on(sqlite_ward: Ward) -> None:
    """While another writes pages are read; a refusal that cannot be recorded is no answer."""
    read, refused = reading(sqlite_ward, ReadRecords), reading(sqlite_ward, ReadRecords)
    refused.work.resident_id = "01900000-0000-7000-8000-000000000000"
    with closing(sqlite3.connect(sqlite_ward.url.removeprefix("sqlite:///"))) as other:
        other.execute("BEGIN IMMEDIATE")
        sqlite_ward.turn.serve([read])
        sqlite_ward.turn.serve([refused])
    assert ["ok", "audit-unavailable"] == outcomes([read, refused])
    sqlite_ward.note("and when it is over, all is as before")


def test_who_announced_reading_does_not_write(sqlite_ward: Ward, caplog: pytest.LogCaptureFixture) -> None:
    """A write there is refused as on PostgreSQL, and the connection serves the next as if nothing was."""
    visit = reading(sqlite_ward, Writing)

    sqlite_ward.turn.serve([visit])

    assert ["internal-error"] == outcomes([visit])
    assert UnauditedStatementError in {one.exc_info[0] for one in caplog.records if one.exc_info}
    sqlite_ward.note("what is written is written")


def test_the_log_names_what_the_database_calls_a_failure(
    sqlite_ward: Ward, caplog: pytest.LogCaptureFixture
) -> None:
    """A turn that failed for another's lock is told as that, without a word of the statement."""
    with closing(sqlite3.connect(sqlite_ward.url.removeprefix("sqlite:///"))) as other:
        other.execute("BEGIN IMMEDIATE")
        with caplog.at_level(logging.ERROR):
            sqlite_ward.turn.serve([visit := sqlite_ward.reading(0)])
    assert ["audit-unavailable"] == outcomes([visit])
    [told] = [one.__dict__ for one in caplog.records if one.getMessage() == "turn-failed"]
    assert ("OperationalError", "SQLITE_BUSY") == (told["cause"], told["why"])
