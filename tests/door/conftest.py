"""A world for tests that break things: on both databases, with a resident and eight notes."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, make_url, text

from app.access.door import Door
from app.access.operations import OPERATIONS
from app.access.visit import System, Visit, Visited, VisitRefusedError
from app.core.errors import CaretrailError
from app.residents.admission import AdmitResident
from app.residents.correcting import AmendRecord
from app.residents.recording import MakeRecord
from app.residents.records import ReadRecord
from tests.support.check_log import Findings, check_database
from tests.support.world import Person, World

NOTES = "POST /v1/residents/{resident_id}/records"
RECORD = "/v1/residents/{resident_id}/records/{record_id}"


class Ward(World):
    """A world with a nurse, a resident and eight notes of theirs."""

    nurse: Person
    resident: str
    notes: list[str]

    def furnish(self) -> None:
        """Enter everything."""
        self.nurse = self.person("nurse")
        identity = {"given_name": "Ada", "family_name": "Marlow"}
        admitted = AdmitResident(
            self.home, None, None, identity, {"date_of_birth": "1940-01-01"}, "2026-01-01"
        )
        self.resident = self.answer(admitted, "POST /v1/residents", System("cli", self.org)).payload["id"]
        self.notes = [self.note(f"note {n}").payload["id"] for n in range(8)]

    def new_note(self, text: str) -> MakeRecord:
        """Return the work of writing a note."""
        return MakeRecord(self.resident, "daily_note", self.later(minutes=-5), {"text": text})

    def note(self, text: str, **visit: Any) -> Any:
        """Write a note."""
        return self.answer(self.new_note(text), NOTES, self.nurse, **visit)

    def reading(self, n: int) -> Visit:
        """Return a visit of the nurse who reads the n-th note."""
        return self.visit_of(ReadRecord(self.resident, self.notes[n]), f"GET {RECORD}")

    def amending(self, n: int, was: int, text: str) -> Visit:
        """Return a visit of the nurse who amends the n-th note."""
        work = AmendRecord(
            self.resident, self.notes[n], was, self.later(minutes=-5), {"text": text}, "it was wrong"
        )
        return self.visit_of(work, f"PUT {RECORD}")

    def visit_of(self, work: Any, operation: str) -> Visit:
        """Return a visit of the nurse."""
        assert self.nurse.session is not None
        return Visit(self.nurse.session, OPERATIONS[operation], work)

    def sound(self) -> Findings:
        """Return what an independent check of the whole database finds."""
        return check_database(self.url)

    def run(self, statement: str) -> None:
        """Run a statement past the door."""

        def act(connection: Connection) -> None:
            connection.execute(text(statement))

        self.looking(act)


def outcomes(visits: list[Visit]) -> list[str]:
    """Return what each visit came to: `ok`, or the slug of the problem."""
    return [
        visit.outcome.slug if isinstance(visit.outcome, CaretrailError) else "ok"
        for visit in visits
        if visit.outcome is not None
    ]


async def _served(ward: Ward, visits: list[Visit], deadline_s: float) -> tuple[list[str], float]:
    """Present visits at a real door; return what came of them and how long it took."""
    door = Door(ward.turn, deadline_s=deadline_s)
    door.open()
    began = time.monotonic()
    found = await asyncio.gather(*(door.visit(visit) for visit in visits), return_exceptions=True)
    took = time.monotonic() - began
    await door.close()
    assert door._thread is not None
    door._thread.join(10)  # a turn that was given up may take longer than closing waits
    return [_slug(one) for one in found], took


def _slug(found: Any) -> str:
    if isinstance(found, VisitRefusedError):
        return found.error.slug
    assert isinstance(found, Visited), found
    return "ok"


def at_the_door(ward: Ward, visits: list[Visit], deadline_s: float = 5.0) -> tuple[list[str], float]:
    """As `_served`, from where there is no event loop."""
    if ward.turn._connection is not None:
        ward.turn._connection.close()
        ward.turn._connection = None
    return asyncio.run(_served(ward, visits, deadline_s))


@pytest.fixture
def sqlite_ward(tmp_path: Path) -> Iterator[Ward]:
    with Ward.at(tmp_path) as ward:
        ward.furnish()
        yield ward


@pytest.fixture(scope="session")
def failing_database(postgresql_url: str) -> str:
    """The URL of a PostgreSQL database of this test process alone."""
    name = f"failures_{os.getpid()}"
    engine = create_engine(postgresql_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return make_url(postgresql_url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def postgresql_ward(failing_database: str) -> Iterator[Ward]:
    with Ward(failing_database) as ward:
        ward.furnish()
        yield ward


@pytest.fixture(params=["sqlite", "postgresql"])
def ward(request) -> Ward:
    return request.getfixturevalue(f"{request.param}_ward")
