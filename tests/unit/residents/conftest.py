"""A provider with two people who may erase, and a resident whose record need not be kept."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import text

from app.access.visit import System, Visited
from app.audit.verify import Report
from app.core.errors import CaretrailError
from app.residents.admission import AdmitResident
from app.residents.erasing import ApproveErasure, AskErasure
from app.residents.leaving import DischargeResident
from app.residents.recording import MakeRecord
from tests.support.world import Person, World
from tests.unit.trail.state_scene import compare

ASK = "POST /v1/residents/{resident_id}/erasure"
APPROVE = "POST /v1/erasures/{erasure_id}/approve"
NUMBER = "9990000018"


@dataclass
class Provider:
    """A world with the people of an erasure."""

    world: World
    manager: Person = field(init=False)
    officer: Person = field(init=False)

    def __post_init__(self) -> None:
        """Employ the two people who may erase."""
        self.manager = self.world.person("registered_manager", None)
        self.officer = self.world.person("privacy_officer", None)

    def admit(self, *, left_on: str | None = "2017-05-01", number: str | None = NUMBER) -> str:
        """Let somebody have lived here, with a note about them."""
        cli = System("cli", self.world.org)
        identity = {"given_name": "Ada", "family_name": "Example"}
        identifiers = {"date_of_birth": "1938-04-05"} | ({"nhs_number": number} if number else {})
        work = AdmitResident(self.world.home, None, "7", identity, identifiers, "2012-01-05")
        resident = str(self.world.answer(work, "POST /v1/residents", cli).payload["id"])
        note = MakeRecord(resident, "daily_note", self.world.later(minutes=-5), {"text": "slept well"})
        self.world.answer(note, "POST /v1/residents/{resident_id}/records", cli)
        if left_on is not None:
            left = DischargeResident(resident, left_on, "moved")
            self.world.answer(left, "POST /v1/residents/{resident_id}/discharge", cli)
        return resident

    def ask(self, resident: str, basis: Any = "retention_ended", who: Person | None = None) -> Any:
        """Ask for an erasure and return the answer."""
        work = AskErasure(resident, basis, "nobody needs it")
        return self.world.answer(work, ASK, who or self.officer).payload

    def approve(self, erasure: str, who: Person | None = None) -> Visited | CaretrailError:
        """Approve an erasure and return the outcome."""
        return self.world.do(ApproveErasure(erasure), APPROVE, who or self.manager)

    def erase(self, resident: str, basis: Any = "retention_ended") -> Any:
        """Have a resident erased and return the answer."""
        outcome = self.approve(self.ask(resident, basis)["id"])
        assert isinstance(outcome, Visited), outcome
        return outcome.answer.payload

    def chain(self) -> Report:
        """Return what `audit verify --state` says of the provider's chain and rows."""
        return next(c for c in compare(self.world).chains if c.organisation == self.world.org)

    def findings(self) -> list[str]:
        """Return what it finds."""
        return [str(found) for found in self.chain().findings]

    def row(self, table: str, **where: str) -> dict[str, Any]:
        """Return a row of a table by its id."""
        [(name, value)] = where.items()
        query = text(f"SELECT * FROM {table} WHERE {name} = :value")
        found = self.world.looking(lambda c: c.execute(query, {"value": value}).one())
        return dict(found._mapping)


@pytest.fixture
def provider(each_world):
    """A provider on each database."""
    return Provider(each_world)
