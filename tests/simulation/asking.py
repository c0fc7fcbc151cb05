"""What somebody presents at the door."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from app.access.work import Work
from app.core.clock import spell
from app.residents.correcting import AmendRecord, RemoveRecord
from app.residents.recording import MakeRecord
from app.residents.records import ListRecords, ReadRecord
from app.residents.register import ListResidents, ReadResident
from app.trail.events import ListEvents
from tests.simulation.house import RECORDS, House, Kept, Resident
from tests.support.cast import body_of

RESIDENT = "/v1/residents/{resident_id}"
RECORD = RECORDS + "/{record_id}"


@dataclass(frozen=True)
class Asked:
    """A work, the operation it is presented for, and what is said with it.

    `makes` and `changes` tell what the house has to be told of when it succeeded.
    """

    work: Work
    operation: str
    purpose: str = "care"
    reason: str | None = None
    makes: tuple[Resident, str] | None = None
    changes: Kept | None = None

    def for_(self, purpose: str) -> "Asked":
        """Return the same for another purpose."""
        return replace(self, purpose=purpose)


def look(resident: Resident) -> Asked:
    """Open a resident's own page."""
    return Asked(ReadResident(resident.id), f"GET {RESIDENT}")


def everybody(house: House) -> Asked:
    """List who lives at the home."""
    return Asked(ListResidents(house.world.home, "resident", 100, None), "GET /v1/residents")


def records(resident: Resident, category: str | None, limit: int = 4) -> Asked:
    """List the newest records of a category."""
    return Asked(ListRecords(resident.id, category, None, None, limit, None), f"GET {RECORDS}")


def opened(house: House, resident: Resident, category: str) -> Asked:
    """Open the newest record of a category; where there is none, the list."""
    kept = house.newest(resident, category)
    if kept is None:
        return records(resident, category)
    return Asked(ReadRecord(resident.id, kept.id), f"GET {RECORD}")


def reopened(kept: Kept) -> Asked:
    """Open a record that was named before."""
    return Asked(ReadRecord(kept.resident.id, kept.id), f"GET {RECORD}")


def written(house: House, resident: Resident, category: str, ago: float = 5) -> Asked:
    """Record something that happened some minutes ago."""
    occurred = spell(house.world.now - timedelta(minutes=ago))
    work = MakeRecord(resident.id, category, occurred, body_of(category, "As usual."))
    return Asked(work, f"POST {RECORDS}", makes=(resident, category))


def given(house: House, resident: Resident) -> Asked:
    """Record that a medicine was given."""
    medicine = house.newest(resident, "medication")
    now = spell(house.world.now)
    body = {"medication_id": medicine.id if medicine else "", "outcome": "given", "given_at": now}
    work = MakeRecord(resident.id, "medication_administration", now, body)
    return Asked(work, f"POST {RECORDS}", makes=(resident, "medication_administration"))


def amended(house: House, kept: Kept, reason: str = "more exact") -> Asked:
    """Write the next version of a record."""
    occurred, body = spell(house.world.now - timedelta(minutes=5)), body_of(kept.category, "As amended.")
    work = AmendRecord(kept.resident.id, kept.id, kept.version, occurred, body, reason)
    return Asked(work, f"PUT {RECORD}", changes=kept)


def removed(kept: Kept) -> Asked:
    """Mark a record as entered in error."""
    kept.gone = True
    return Asked(
        RemoveRecord(kept.resident.id, kept.id, kept.version), f"DELETE {RECORD}", reason="entered in error"
    )


def trail(**wanted: Any) -> Asked:
    """Read the trail: `trail(resident=...)`, `trail(agent=...)`."""
    work = ListEvents(agent_id=wanted.get("agent"), about_resident=wanted.get("resident"))
    return Asked(work, "GET /v1/audit/events", purpose="audit")
