"""The clock of a request for access: one month, and two more where it is complex, said within the first.

The month ends on the day of the next month with the same number, or on its last day. A day that is no
working day is not moved: nobody is late by answering early.

Source: UK GDPR article 12(3).
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.core.clock import parse, spell
from app.core.errors import ConflictError, InvalidRequestError, NotFoundError
from app.core.identifiers import new_id
from app.core.local_time import day_of
from app.residents.about_resident import AboutResident
from app.residents.retention import WHATEVER_THE_DATE, LegalBasis
from app.residents.retention_rows import RequestRow, amend, box_place, enter, found
from app.residents.rows import ResidentRow
from app.residents.table import access_request

OPEN = Operation("*", "*", "system", "self", "resident.access_request", 201)
EXTEND = Operation("*", "*", "system", "self", "resident.access_extend", 200)
ANSWER = Operation("*", "*", "system", "self", "resident.access_answer", 200)
LIST = Operation("*", "*", "system", "self", "resident.access_list", 200)
MONTHS, EXTENDED_MONTHS = 1, 3
EARLIEST = date(2018, 5, 25)
"""Since then there is a month to answer in."""
_TOO_LATE = "The month is over: an extension has to be told within it. Answer now."
_TOO_EARLY = (
    f"Must lie neither before {EARLIEST.isoformat()} nor before the admission; correct that if it is wrong."
)
_TWICE = "A request that came on this day is open for this person already: see `access-request list`."
_AWAITED = (
    "Somebody asked for a copy of this record and has not got it yet: hand it over first, and note that the"
    " request is answered."
)
_DECIDED = "This request is answered, or was extended already."


def due_on(received: date, months: int) -> date:
    """Return the day by which a request received on a day has to be answered."""
    years, month = divmod(received.month - 1 + months, 12)
    year, month = received.year + years, month + 1
    return date(year, month, min(received.day, monthrange(year, month)[1]))


@dataclass
class OpenRequest(AboutResident):
    """Note that a resident, or somebody for them, asked for a copy of what is held."""

    received_on: date

    def perform(self, opened: Opened) -> Answer:
        """Write it and return it with its deadline."""
        resident: ResidentRow = opened.facts.resident
        if self.received_on > day_of(opened.at):
            raise InvalidRequestError(("/received", "Must not lie in the future."))
        if self.received_on < max(EARLIEST, _known_since(resident)):
            raise InvalidRequestError(("/received", _TOO_EARLY))
        if any(one.received_on == self.received_on.isoformat() for one in _waiting_of(opened, resident.id)):
            raise ConflictError(_TWICE, why="request-open")
        row = RequestRow(
            id=new_id(),
            org=opened.org,
            resident_id=resident.id,
            received_on=self.received_on.isoformat(),
            due_on=due_on(self.received_on, MONTHS).isoformat(),
            status="open",
            opened_at=spell(opened.at),
            answered_at=None,
            reason=None,
            version=1,
            state=b"",
        )
        told = {"received_on": row.received_on, "due_on": row.due_on, "status": row.status}
        opened.note.homes = (resident.home_id,)
        return Answer(shown(enter(opened, row, told), opened.at))


def _known_since(resident: ResidentRow) -> date:
    """Return the first day somebody was known here: who came back was, before the admission of today."""
    return min(date.fromisoformat(resident.admitted_on), day_of(parse(resident.created_at)))


@dataclass
class ExtendRequest(Work):
    """Take two months more, for a reason that is told to whoever asked, within the first month."""

    request_id: str
    reason: str
    changes = True
    alone = True

    def asked(self) -> tuple[str, str | None]:
        """Return the request as asked."""
        return "access_request", self.request_id

    def perform(self, opened: Opened) -> Answer:
        """Write it and return it with its deadline."""
        was = _find(opened, self.request_id)
        if was.status != "open":
            raise ConflictError(_DECIDED, why="request-decided")
        if day_of(opened.at).isoformat() > was.due_on:
            raise ConflictError(_TOO_LATE, why="request-overdue")
        due = due_on(date.fromisoformat(was.received_on), EXTENDED_MONTHS).isoformat()
        place = box_place(was.org, was.id, "reason")
        reason = opened.organisation_key().seal(self.reason.encode(), place)
        row = amend(opened, was, status="extended", due_on=due, reason=reason)
        return Answer(shown(row, opened.at))


@dataclass
class AnswerRequest(Work):
    """Note that the copy was handed over."""

    request_id: str
    changes = True
    alone = True

    def asked(self) -> tuple[str, str | None]:
        """Return the request as asked."""
        return "access_request", self.request_id

    def perform(self, opened: Opened) -> Answer:
        """Write it and return it."""
        was = _find(opened, self.request_id)
        if was.status == "answered":
            raise ConflictError(_DECIDED, why="request-decided")
        return Answer(shown(amend(opened, was, status="answered", answered_at=spell(opened.at)), opened.at))


@dataclass
class ListRequests(Work):
    """List the requests that wait for an answer, the most urgent first; or all of them."""

    also_answered: bool = False

    def perform(self, opened: Opened) -> Answer:
        """Return them, and note whose they are."""
        rows = found(opened, RequestRow) if self.also_answered else waiting_in(opened)
        rows = sorted(rows, key=lambda row: (row.due_on, row.id))
        opened.discloses(*(row.resident_id for row in rows), count=len(rows))
        return Answer([shown(row, opened.at) for row in rows])


def waiting_in(opened: Opened) -> list[RequestRow]:
    """Return the requests that wait for an answer."""
    return found(opened, RequestRow, access_request.c.status != "answered")


def refuse_awaited(opened: Opened, resident_id: str, basis: LegalBasis) -> None:
    """Refuse to erase what somebody is waiting for a copy of.

    Raises:
        ConflictError: A request for access is not answered, and the legal basis can wait for it.
    """
    if basis not in WHATEVER_THE_DATE and _waiting_of(opened, resident_id):
        raise ConflictError(_AWAITED, why="access-request-open")


def _waiting_of(opened: Opened, resident_id: str) -> list[RequestRow]:
    c = access_request.c
    return found(opened, RequestRow, c.resident_id == resident_id, c.status != "answered")


def shown(row: RequestRow, at: datetime) -> dict[str, Any]:
    """Return a request with the days that are left; below zero it is late."""
    days = None if row.status == "answered" else (date.fromisoformat(row.due_on) - day_of(at)).days
    return {
        "id": row.id,
        "resident_id": row.resident_id,
        "status": row.status,
        "received_on": row.received_on,
        "due_on": row.due_on,
        "days_left": days,
        "answered_at": row.answered_at,
    }


def _find(opened: Opened, request_id: str) -> RequestRow:
    rows = found(opened, RequestRow, access_request.c.id == request_id)
    if not rows:
        raise NotFoundError(why="request-not-found")
    return rows[0]
