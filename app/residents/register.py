"""The register of residents: look up, read, list."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select

from app.access import cursors
from app.access.agent import Agent
from app.access.opened import Opened
from app.access.operation import Operation
from app.access.policy import Question, at_home, need
from app.access.work import Answer, Facts, Work
from app.identity.homes import require_home
from app.residents.boxes import family_birth_index, family_index, nhs_index
from app.residents.identity import fold_name
from app.residents.rows import ResidentRow
from app.residents.showing import RESIDENT_COLUMNS, allergy_statuses, show, show_all
from app.residents.table import resident

MOST_FOUND = 200


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
        readable = opened.allows("allergy:read", row.place(opened.at))
        allergies = allergy_statuses(opened, [row]) if readable else {}
        opened.note.version = row.version
        opened.discloses(row.id, count=1)
        return Answer(show(opened, row, opened.at, allergies), version=row.version)


@dataclass
class ListResidents(Work):
    """List the residents the caller may see, newest first."""

    home_id: str | None
    status: str | None
    limit: int
    cursor: str | None

    def asked(self) -> tuple[str, str | None]:
        """Return the home as asked."""
        return "home", self.home_id

    def question(self, _operation: Operation, agent: Agent, _facts: Facts, _at: datetime) -> Question:
        """Want `identity:read`, at the home if one is named."""
        return at_home(agent, "identity:read", self.home_id)

    def perform(self, opened: Opened) -> Answer:
        """Return a page of residents."""
        if self.home_id is not None:
            require_home(opened, self.home_id)
        query = [self.home_id, self.status, self.limit]
        after = cursors.read(opened, query, self.cursor)
        rows: list[ResidentRow] = []
        while len(rows) <= self.limit:
            batch = self._batch(opened, after)
            rows += [r for r in batch if opened.allows("identity:read", r.place(opened.at))]
            if len(batch) <= self.limit:
                break
            after = [batch[-1].created_at, batch[-1].id]
        page = rows[: self.limit]
        more = len(rows) > self.limit
        last = [page[-1].created_at, page[-1].id] if more else None
        items = show_all(opened, page, opened.at)
        return Answer({"items": items, "next_cursor": cursors.make(opened, query, last) if last else None})

    def _batch(self, opened: Opened, after: list[Any] | None) -> list[ResidentRow]:
        c = resident.c
        wanted = [c.org == opened.org, c.deleted.is_(False)]
        homes = {g.home_id for g in opened.agent.grants}
        if self.home_id is not None:
            wanted.append(c.home_id == self.home_id)
        elif None not in homes:
            wanted.append(c.home_id.in_(sorted(h for h in homes if h is not None)))
        if self.status is not None:
            wanted.append(c.status == self.status)
        if after is not None:
            wanted.append(or_(c.created_at < after[0], and_(c.created_at == after[0], c.id < after[1])))
        statement = (
            select(*RESIDENT_COLUMNS)
            .where(*wanted)
            .order_by(c.created_at.desc(), c.id.desc())
            .limit(self.limit + 1)
        )
        return [ResidentRow._make(row) for row in opened.execute(statement).all()]


@dataclass
class SearchResidents(Work):
    """Find residents by NHS number, or by family name with or without date of birth."""

    nhs_number: str | None = None
    family_name: str | None = None
    date_of_birth: str | None = None

    def question(self, _operation: Operation, _agent: Agent, _facts: Facts, _at: datetime) -> Question:
        """Want `identity:read` and `identifiers:read`."""
        return Question(anywhere=need("identity:read", "identifiers:read"))

    def perform(self, opened: Opened) -> Answer:
        """Return who was found where the caller may look."""
        rows = [
            row
            for row in found(opened, self.nhs_number, self.family_name, self.date_of_birth)
            if opened.allows("identity:read", row.place(opened.at))
            and opened.allows("identifiers:read", row.place(opened.at))
        ]
        return Answer({"items": show_all(opened, rows, opened.at)})


def found(
    opened: Opened, nhs_number: str | None, family_name: str | None, born: str | None
) -> list[ResidentRow]:
    """Return the residents a blind index leads to, wherever they live."""
    c = resident.c
    if nhs_number is not None:
        wanted = c.nhs_index == nhs_index(opened, nhs_number)
    elif born is not None:
        wanted = c.family_birth_index == family_birth_index(opened, fold_name(family_name or ""), born)
    else:
        wanted = c.family_index == family_index(opened, fold_name(family_name or ""))
    statement = (
        select(*RESIDENT_COLUMNS)
        .where(c.org == opened.org, c.deleted.is_(False), wanted)
        .order_by(c.created_at.desc(), c.id.desc())
        .limit(MOST_FOUND)
    )
    return [ResidentRow._make(row) for row in opened.execute(statement).all()]
