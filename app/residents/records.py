"""Reading records: one, a list, their versions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, false, or_, select

from app.access import cursors
from app.access.agent import Agent
from app.access.categories import CATEGORIES, OWN_AMENDMENT_CATEGORIES, OWN_AMENDMENT_HOURS
from app.access.opened import Opened
from app.access.operation import Operation
from app.access.policy import Alternatives, Question, need
from app.access.work import Answer, Facts, Work
from app.core.clock import parse
from app.core.errors import NotFoundError
from app.residents.boxes import key_of, record_place, refuse_altered_record, unseal_body, unseal_version
from app.residents.pages import page_of, weighed
from app.residents.rows import RecordRow, ResidentRow
from app.residents.showing import RECORD_COLUMNS
from app.residents.table import record, record_version
from app.residents.vouching import VERSION_FIELDS, past_of, refuse_altered_version
from app.vault.sealing import DataKey

IN_ERROR = "entered-in-error"
MOST_VERSIONS = 25
"""Versions of a page: each but the newest is looked up in the trail, some milliseconds of a turn."""


def wanted(action: str, category: str, about: str | None) -> Alternatives:
    """Return what an action on a category takes; a document also takes it on what it is about."""
    if about is None:
        return need(f"{category}:{action}")
    return need(f"{category}:{action}", f"{about}:{action}")


def is_own(agent: Agent, row: RecordRow, at: datetime) -> bool:
    """Say whether the author may still amend their own entry."""
    return (
        row.author == agent.id
        and row.category in OWN_AMENDMENT_CATEGORIES
        and at - parse(row.first_recorded_at) <= timedelta(hours=OWN_AMENDMENT_HOURS)
    )


def about_record(
    operation: Operation, facts: Facts, at: datetime, action: str, *, with_deleted: bool = False
) -> Question:
    """Return the question of an operation on one record."""
    resident: ResidentRow | None = facts.resident
    row: RecordRow | None = facts.record
    if resident is None or row is None:
        return Question(anywhere=operation.anywhere, missing=True)
    missing = bool(resident.deleted) or (bool(row.deleted) and not with_deleted)
    here = wanted(action, row.category, row.about)
    if row.deleted:
        here = tuple(a | {f"{row.category}:delete"} for a in here)
    seen = wanted("read", row.category, row.about) if not row.deleted else ()
    return Question(operation.anywhere, here, seen, resident.place(at), missing)


def show_record(row: RecordRow, body: dict[str, Any]) -> dict[str, Any]:
    """Return a record as the contract shows it."""
    return {
        "id": row.id,
        "resident_id": row.resident_id,
        "category": row.category,
        "version": row.version,
        "occurred_at": row.occurred_at,
        "occurred_at_estimated": bool(row.occurred_at_estimated),
        "recorded_at": row.recorded_at,
        "recorded_by": row.recorded_by,
        "late": bool(row.late),
        "deleted": bool(row.deleted),
        "body": body,
    }


@dataclass
class OneRecord(Work):
    """Something about one record: the facts hold its resident and its row."""

    resident_id: str
    record_id: str

    def asked(self) -> tuple[str, str | None]:
        """Return the record as asked."""
        return "record", self.record_id

    def note(self, opened: Opened, row: RecordRow) -> None:
        """Note what was disclosed."""
        opened.note.version = row.version
        opened.note.category = row.category
        opened.note.count = 1


@dataclass
class ReadRecord(OneRecord):
    """Read the present version of a record."""

    with_deleted: bool = False

    def question(self, operation: Operation, _agent: Agent, facts: Facts, at: datetime) -> Question:
        """Want read on the category; delete as well for one entered in error."""
        return about_record(operation, facts, at, "read", with_deleted=self.with_deleted)

    def perform(self, opened: Opened) -> Answer:
        """Return the record."""
        row: RecordRow = opened.facts.record
        body = unseal_body(key_of(opened, opened.facts.resident), row)
        self.note(opened, row)
        return Answer(show_record(row, body), version=row.version)


@dataclass
class ListRecords(Work):
    """List the records of a resident in the categories the caller may read, newest first."""

    resident_id: str
    category: str | None
    since: str | None
    until: str | None
    limit: int
    cursor: str | None
    with_deleted: bool = False

    def asked(self) -> tuple[str, str | None]:
        """Return the resident as asked."""
        return "resident", self.resident_id

    def question(self, operation: Operation, _agent: Agent, facts: Facts, at: datetime) -> Question:
        """Want read on the category, or on any."""
        readable = need(f"{self.category}:read") if self.category else operation.anywhere
        resident: ResidentRow | None = facts.resident
        missing = resident is None or bool(resident.deleted)
        place = resident.place(at) if resident is not None else None
        return Question(anywhere=readable, here=readable, place=place, missing=missing)

    def perform(self, opened: Opened) -> Answer:
        """Return a page of records."""
        resident: ResidentRow = opened.facts.resident
        query = [self.resident_id, self.category, self.since, self.until, self.limit, self.with_deleted]
        after = cursors.read(opened, query, self.cursor)
        page, more = page_of(opened.execute(self._select(opened, resident, after)).all(), self.limit)
        key, rows = key_of(opened, resident), map(RecordRow._make, page)
        items = [show_record(row, unseal_body(key, row)) for row in rows]
        last = [page[-1].occurred_at, page[-1].id] if more else None
        opened.note.category = self.category
        opened.discloses(resident.id, count=len(items))
        return Answer({"items": items, "next_cursor": cursors.make(opened, query, last) if last else None})

    def _select(self, opened: Opened, resident: ResidentRow, after: list[Any] | None) -> Any:
        c = record.c
        conditions: list[Any] = [c.org == opened.org, c.resident_id == resident.id]
        conditions.append(self._readable(opened, resident))
        if self.since is not None:
            conditions.append(c.occurred_at >= self.since)
        if self.until is not None:
            conditions.append(c.occurred_at < self.until)
        if after is not None:
            conditions.append(cursors.older(c.occurred_at, c.id, after))
        listed = select(*RECORD_COLUMNS).where(*conditions).order_by(c.occurred_at.desc(), c.id.desc())
        return weighed(listed.limit(self.limit + 1), "occurred_at", "id")

    def _readable(self, opened: Opened, resident: ResidentRow) -> Any:
        """Return the condition that lets through nothing the caller may not read."""
        c, place = record.c, resident.place(opened.at)
        asked = [self.category] if self.category else list(CATEGORIES)
        readable = {x for x in CATEGORIES if opened.allows(f"{x}:read", place)}
        plain = [x for x in asked if x in readable and x != "document"]
        kinds: list[Any] = [c.category.in_(plain)]
        if "document" in asked and "document" in readable:
            kinds.append(and_(c.category == "document", c.about.in_(sorted(readable))))
        live: Any = c.deleted.is_(False)
        if self.with_deleted:
            deletable = [x for x in asked if opened.allows(f"{x}:delete", place)]
            live = or_(live, c.category.in_(deletable) if deletable else false())
        return and_(or_(*kinds), live)


@dataclass
class ListVersions(OneRecord):
    """List every version of a record, or read one."""

    version: int | None = None
    with_deleted: bool = False
    cursor: str | None = None

    def question(self, operation: Operation, _agent: Agent, facts: Facts, at: datetime) -> Question:
        """Want read on the category; delete as well for one entered in error."""
        return about_record(operation, facts, at, "read", with_deleted=self.with_deleted)

    def perform(self, opened: Opened) -> Answer:
        """Return the versions, newest first, or the one asked for.

        Raises:
            NotFoundError: There is no such version.
            SealBrokenError: The record, or a version, is not what the trail says of it.
        """
        row: RecordRow = opened.facts.record
        key = key_of(opened, opened.facts.resident)
        refuse_altered_record(key, row)
        if self.version is None:
            found, goes_on = self._page(opened, row)
        else:
            found, goes_on = list(versions_of(opened, row, [self.version]).values()), None
        items = [show_vouched(opened, key, row, one) for one in found]
        self.note(opened, row)
        opened.note.count = len(items)
        if self.version is None:
            return Answer({"items": items, "next_cursor": goes_on})
        if not items:
            raise NotFoundError(why="version-not-found")
        opened.note.version = self.version
        return Answer(items[0], version=self.version)

    def _page(self, opened: Opened, row: RecordRow) -> tuple[Sequence[Any], str | None]:
        """Return the versions of a page, and the cursor after it; None where there are no more."""
        query = [row.resident_id, row.id, self.with_deleted]
        after = cursors.read(opened, query, self.cursor)
        older = [] if after is None else [record_version.c.version < after[0]]
        newest_first = _versions(opened, row).where(*older).order_by(record_version.c.version.desc())
        listed = weighed(newest_first.limit(MOST_VERSIONS + 1), "version")
        page, more = page_of(opened.execute(listed).all(), MOST_VERSIONS)
        return page, cursors.make(opened, query, [page[-1].version]) if more else None


def versions_of(opened: Opened, row: RecordRow, wanted: Sequence[int] | None = None) -> dict[int, Any]:
    """Return the stored versions of a record by their numbers, newest first: all, or those wanted."""
    some = [] if wanted is None else [record_version.c.version.in_(wanted)]
    statement = _versions(opened, row).where(*some).order_by(record_version.c.version.desc())
    return {found.version: found for found in opened.execute(statement).all()}


def _versions(opened: Opened, row: RecordRow) -> Select[Any]:
    v = record_version.c
    return select(*(v[name] for name in VERSION_FIELDS), v.reason).where(
        v.org == opened.org, v.resident_id == row.resident_id, v.record_id == row.id
    )


def show_vouched(opened: Opened, key: DataKey, row: RecordRow, found: Any) -> dict[str, Any]:
    """Return a stored version as `show_version` does, if it is the one the trail knows."""
    refuse_altered_version(opened, key, row, past_of(row, found))
    return show_version(key, row, found)


def show_version(key: DataKey, row: RecordRow, found: Any) -> dict[str, Any]:
    """Return a stored version of a record as the contract shows it, with the reason it was made for."""
    past = past_of(row, found)
    shown = show_record(past, unseal_version(key, past))
    if found.reason is not None:
        place = record_place(row.org, row.resident_id, row.id, "reason", past.version)
        shown["amendment_reason"] = key.unseal(found.reason, place).decode()
    return shown
