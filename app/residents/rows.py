"""Rows of residents and records, as they are read: fields in the order of the columns selected."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from app.access.agent import Place
from app.core.local_time import day_of

AFTER_CARE = timedelta(days=30)


class ResidentRow(NamedTuple):
    """A resident. What is personal is sealed."""

    id: str
    org: str
    home_id: str
    unit: str | None
    status: str
    admitted_on: str
    discharged_on: str | None
    wrapped_key: bytes
    identity: bytes
    identifiers: bytes
    room: bytes | None
    created_at: str
    deleted: bool
    version: int
    state: bytes

    @property
    def erased(self) -> bool:
        """Say whether the resident's key was destroyed: what was sealed under it opens for nobody."""
        return not self.wrapped_key

    def place(self, at: datetime) -> Place:
        """Return where questions about this resident are asked."""
        return Place(self.home_id, self.unit, self.id, self._after_care(at))

    def _after_care(self, at: datetime) -> bool:
        if self.discharged_on is None:
            return False
        return date.fromisoformat(self.discharged_on) + AFTER_CARE < day_of(at)


class RecordRow(NamedTuple):
    """The present version of a record."""

    id: str
    org: str
    resident_id: str
    category: str
    about: str | None
    occurred_at: str
    occurred_at_estimated: bool
    recorded_at: str
    recorded_by: str
    first_recorded_at: str
    author: str
    late: bool
    body: bytes
    medication_id: str | None
    deleted: bool
    version: int
    state: bytes
