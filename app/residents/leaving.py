"""A resident leaves: discharged, died, or entered in error."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.access.agent import Agent
from app.access.opened import FieldChange, Opened
from app.access.operation import Operation
from app.access.policy import Question
from app.access.work import Answer, Facts, Work
from app.core.errors import ConflictError, InvalidRequestError, VersionConflictError
from app.residents.admission import require_past
from app.residents.amending import amend
from app.residents.boxes import key_of, unseal_personal
from app.residents.looking_again import resident_again
from app.residents.register import about_resident
from app.residents.rows import ResidentRow
from app.residents.showing import UNREAD, show_one

_LEFT = (
    "This resident was discharged already. Read the resident again. A wrong discharge is taken back first"
    " (PATCH with `status`: `resident`)."
)


@dataclass
class RemoveResident(Work):
    """Mark a resident as entered in error. The history stays."""

    resident_id: str
    was: int
    changes = True
    alone = True  # where they live decides what others in the turn may do

    def asked(self) -> tuple[str, str | None]:
        """Return the resident as asked."""
        return "resident", self.resident_id

    def question(self, operation: Operation, _agent: Agent, facts: Facts, at: datetime) -> Question:
        """Want `identity:delete`."""
        return about_resident(operation, facts, at, "identity:delete")

    def perform(self, opened: Opened) -> Answer:
        """Mark the resident."""
        row: ResidentRow = opened.facts.resident
        if row.version != self.was:
            raise VersionConflictError
        key = key_of(opened, row)
        personal = unseal_personal(key, row)
        amend(opened, key, row, row._replace(deleted=True), personal, personal)
        opened.note.changes = [FieldChange("deleted", before=False, after=True)]
        return Answer(None)


@dataclass
class DischargeResident(Work):
    """Record that a resident left, or died."""

    resident_id: str
    discharged_on: str
    reason: str
    changes = True
    alone = True  # where they live decides what others in the turn may do

    def asked(self) -> tuple[str, str | None]:
        """Return the resident as asked."""
        return "resident", self.resident_id

    def question(self, operation: Operation, _agent: Agent, facts: Facts, at: datetime) -> Question:
        """Want `residents:discharge`."""
        return about_resident(operation, facts, at, "residents:discharge")

    def perform(self, opened: Opened) -> Answer:
        """Write the discharge and return the resident."""
        row: ResidentRow = opened.facts.resident
        if row.status != "resident":
            raise ConflictError(_LEFT)
        require_past("/discharged_on", self.discharged_on, opened.at)
        if self.discharged_on < row.admitted_on:
            raise InvalidRequestError(("/discharged_on", "Must not lie before the admission."))
        key = key_of(opened, row)
        personal = unseal_personal(key, row)
        status = "died" if self.reason == "died" else "discharged"
        wanted = row._replace(status=status, discharged_on=self.discharged_on)
        changed = amend(opened, key, row, wanted, personal, personal)
        opened.note.changes = [
            *opened.note.changes,
            FieldChange("discharge_reason", before=None, after=self.reason),
        ]
        return Answer(_discharged(opened, changed), version=changed.version)

    def look_again(self, opened: Opened, told: dict[str, Any]) -> dict[str, Any]:
        """Return what the caller may be shown of the resident now."""
        return resident_again(opened, told)


def _discharged(opened: Opened, row: ResidentRow) -> dict[str, Any]:
    """Return the resident as the caller may see them; who may discharge may not always read."""
    if not opened.allows("identity:read", row.place(opened.at)):
        return {name: getattr(row, name) for name in UNREAD}
    return show_one(opened, row)
