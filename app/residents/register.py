"""The register of residents: look up, read, list."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement

from app.access import cursors
from app.access.agent import Agent
from app.access.opened import Opened
from app.access.operation import Operation
from app.access.policy import Question, at_home, need
from app.access.sifting import Sieve
from app.access.work import Answer, Facts, Work
from app.core.errors import InvalidRequestError
from app.core.identifiers import id_or_none
from app.identity.homes import require_home
from app.residents.boxes import family_birth_index, family_index, nhs_index
from app.residents.identity import fold_name
from app.residents.reach import residents_within
from app.residents.rows import ResidentRow
from app.residents.showing import show_all, show_one
from app.residents.table import resident

MOST_FOUND = 200
_TOO_MANY = f"More than {MOST_FOUND} people are found. Give the date of birth as well, or the NHS number."
_TO_SEARCH = ("identity:read", "identifiers:read")
MayBeShown = Callable[[ResidentRow], bool]


def about_resident(
    operation: Operation, facts: Facts, at: datetime, *permissions: str, seen: str = "identity:read"
) -> Question:
    """Return the question of an operation on one resident."""
    row: ResidentRow | None = facts.resident
    missing = row is None or bool(row.deleted)
    wanted = need(*permissions) if permissions else operation.anywhere
    place = row.place(at) if row is not None else None
    return Question(anywhere=wanted, here=wanted, seen=need(seen), place=place, missing=missing)


@dataclass
class ReadResident(Work):
    """Read one resident."""

    resident_id: str

    def asked(self) -> tuple[str, str | None]:
        """Return the resident as asked."""
        return "resident", self.resident_id

    def question(self, operation: Operation, _agent: Agent, facts: Facts, at: datetime) -> Question:
        """Want `identity:read` where the resident lives."""
        return about_resident(operation, facts, at, "identity:read")

    def perform(self, opened: Opened) -> Answer:
        """Return the resident as this caller may see them."""
        row: ResidentRow = opened.facts.resident
        opened.note.version = row.version
        opened.discloses(row.id, count=1)
        return Answer(show_one(opened, row), version=row.version)


@dataclass
class ListResidents(Work):
    """List the residents the caller may see, newest first."""

    home_id: str | None
    status: str | None
    limit: int
    cursor: str | None

    def asked(self) -> tuple[str, str | None]:
        """Return the home as asked."""
        return "home", id_or_none(self.home_id)

    def question(self, _operation: Operation, agent: Agent, _facts: Facts, _at: datetime) -> Question:
        """Want `identity:read`, at the home if one is named."""
        return at_home(agent, "identity:read", self.home_id)

    def perform(self, opened: Opened) -> Answer:
        """Return a page of residents."""
        if self.home_id is not None:
            require_home(opened, self.home_id)
            opened.concerns(self.home_id)
        query = [self.home_id, self.status, self.limit]
        after = cursors.read(opened, query, self.cursor)
        page = _sieve(opened, self._wanted(opened), self._may_list(opened)).page(self.limit, after)
        onward = cursors.make(opened, query, page.after) if page.after else None
        return Answer({"items": show_all(opened, page.rows), "next_cursor": onward})

    def _wanted(self, opened: Opened) -> list[ColumnElement[bool]]:
        asked = {"home_id": self.home_id, "status": self.status}
        reached = residents_within(opened.agent, ["identity:read"], opened.at)
        return [reached, *(resident.c[name] == value for name, value in asked.items() if value is not None)]

    def _may_list(self, opened: Opened) -> MayBeShown:
        return lambda row: opened.allows("identity:read", row.place(opened.at))


@dataclass
class SearchResidents(Work):
    """Find residents by NHS number, or by family name with or without date of birth."""

    nhs_number: str | None = None
    family_name: str | None = None
    date_of_birth: str | None = None

    def question(self, _operation: Operation, _agent: Agent, _facts: Facts, _at: datetime) -> Question:
        """Want `identity:read` and `identifiers:read`."""
        return Question(anywhere=need(*_TO_SEARCH))

    def perform(self, opened: Opened) -> Answer:
        """Return who was found where the caller may look."""
        reached = residents_within(opened.agent, _TO_SEARCH, opened.at)
        asked = (self.nhs_number, self.family_name, self.date_of_birth)
        rows = found(opened, reached, self._may_show(opened), *asked)
        return Answer({"items": show_all(opened, rows)})

    def _may_show(self, opened: Opened) -> MayBeShown:
        return lambda row: all(opened.allows(one, row.place(opened.at)) for one in _TO_SEARCH)


def found(
    opened: Opened,
    reached: ColumnElement[bool],
    may: MayBeShown,
    nhs_number: str | None,
    family_name: str | None,
    born: str | None,
) -> list[ResidentRow]:
    """Return the residents a blind index leads to whom the caller reaches and may be shown.

    Raises:
        InvalidRequestError: They are more than `MOST_FOUND`: a list that ends unseen would hide somebody.
    """
    c = resident.c
    if nhs_number is not None:
        wanted = c.nhs_index == nhs_index(opened, nhs_number)
    elif born is not None:
        wanted = c.family_birth_index == family_birth_index(opened, fold_name(family_name or ""), born)
    else:
        wanted = c.family_index == family_index(opened, fold_name(family_name or ""))
    page = _sieve(opened, [wanted, reached], may).page(MOST_FOUND)
    if page.after is not None:
        raise InvalidRequestError(("", _TOO_MANY))
    return page.rows


def _sieve(opened: Opened, wanted: list[ColumnElement[bool]], may: MayBeShown) -> Sieve[ResidentRow]:
    return Sieve(opened, resident, ResidentRow, [resident.c.deleted.is_(False), *wanted], may)
