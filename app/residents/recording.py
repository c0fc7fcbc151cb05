"""Writing records: record, amend, remove. Every version is kept as it was."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from app.access.agent import Agent
from app.access.opened import FieldChange, Opened
from app.access.operations import Operation
from app.access.policy import Question, need
from app.access.work import Answer, Facts, Work
from app.core.clock import parse, spell
from app.core.errors import ConflictError, InvalidRequestError, VersionConflictError
from app.core.identifiers import new_id
from app.residents.bodies import dump, parse_body
from app.residents.boxes import key_of, record_place, record_state, unseal_body
from app.residents.records import OneRecord, about_record, is_own, show_record, wanted
from app.residents.rows import RecordRow, ResidentRow
from app.residents.table import record, record_version
from app.vault.sealing import DataKey

LATE_AFTER = timedelta(minutes=60)
FUTURE_ALLOWED = timedelta(minutes=5)

_INSERT = insert(record)
_INSERT_VERSION = insert(record_version)
_WRITTEN = (
    "about",
    "occurred_at",
    "occurred_at_estimated",
    "recorded_at",
    "recorded_by",
    "late",
    "body",
    "deleted",
    "version",
    "state",
)
_UPDATE = (
    update(record)
    .where(
        record.c.org == bindparam("of"),
        record.c.resident_id == bindparam("whose"),
        record.c.id == bindparam("which"),
        record.c.version == bindparam("was"),
    )
    .values({name: bindparam(name) for name in _WRITTEN})
)


@dataclass
class MakeRecord(Work):
    """Record something about a resident."""

    resident_id: str
    category: str
    occurred_at: str
    body: dict[str, Any]

    @property
    def changes(self) -> bool:  # type: ignore[override]
        """Say that it changes something."""
        return True

    @property
    def alone(self) -> bool:  # type: ignore[override]
        """Documents are large and take a turn of their own; so does what names another record."""
        return self.category in ("document", "medication_administration")

    def asked(self) -> tuple[str, str | None]:
        """Return a record that has no id yet."""
        return "record", None

    def question(self, _operation: Operation, _agent: Agent, facts: Facts, at: datetime) -> Question:
        """Want create on the category, and on what a document is about."""
        resident: ResidentRow | None = facts.resident
        create = wanted("create", self.category, self.body.get("about"))
        read = wanted("read", self.category, self.body.get("about"))
        missing = resident is None or bool(resident.deleted)
        place = resident.place(at) if resident is not None else None
        return Question(anywhere=create, here=create, seen=read, place=place, missing=missing)

    def perform(self, opened: Opened) -> Answer:
        """Write the record and return it."""
        resident: ResidentRow = opened.facts.resident
        occurred = _occurred(self.occurred_at, opened.at)
        if self.category == "medication_administration":
            _require_medication(opened, resident, self.body["medication_id"])
        now = spell(opened.at)
        late = opened.at - occurred > LATE_AFTER
        row = RecordRow(
            id=new_id(),
            org=resident.org,
            resident_id=resident.id,
            category=self.category,
            about=self.body.get("about"),
            occurred_at=spell(occurred),
            occurred_at_estimated=False,
            recorded_at=now,
            recorded_by=opened.agent.id,
            first_recorded_at=now,
            author=opened.agent.id,
            late=late,
            body=b"",
            medication_id=self.body.get("medication_id"),
            deleted=False,
            version=1,
            state=b"",
        )
        row = make(opened, key_of(opened, resident), row, self.body)
        opened.note.homes = (resident.home_id,)
        return Answer(show_record(row, self.body), version=1)


def make(
    opened: Opened,
    key: DataKey,
    row: RecordRow,
    body: dict[str, Any],
    source: dict[str, Any] | None = None,
) -> RecordRow:
    """Have a new record written, and noted for the entry."""
    place = record_place(row.org, row.resident_id, row.id, "body", 1)
    row = row._replace(body=key.seal_json(body, place))
    row = row._replace(state=record_state(key, row))
    kept = source or {"source_index": None, "source_digest": None, "source": None}
    opened.change(_INSERT, row._asdict() | kept)
    _keep_version(opened, row, None)
    changes = [FieldChange(f, None, v) for f, v in _fields(row, body).items()]
    opened.changed("record", row.id, 1, row.state, changes, (row.resident_id, key))
    opened.note.category = row.category
    opened.discloses(row.resident_id)
    return row


def _keep_version(opened: Opened, row: RecordRow, reason: bytes | None) -> None:
    opened.change(
        _INSERT_VERSION,
        {
            "org": row.org,
            "resident_id": row.resident_id,
            "record_id": row.id,
            "version": row.version,
            "occurred_at": row.occurred_at,
            "occurred_at_estimated": bool(row.occurred_at_estimated),
            "recorded_at": row.recorded_at,
            "recorded_by": row.recorded_by,
            "late": bool(row.late),
            "deleted": bool(row.deleted),
            "body": row.body,
            "reason": reason,
        },
    )


def _fields(row: RecordRow, body: dict[str, Any]) -> dict[str, Any]:
    return {"occurred_at": row.occurred_at} | body


def _occurred(spelled: str, at: datetime) -> datetime:
    occurred = parse(spelled)
    if occurred > at + FUTURE_ALLOWED:
        raise InvalidRequestError(("/occurred_at", "Must not lie more than 5 minutes in the future."))
    return occurred


def _require_medication(opened: Opened, resident: ResidentRow, medication_id: str) -> None:
    c = record.c
    there = (
        select(c.id)
        .where(c.org == resident.org, c.resident_id == resident.id, c.id == medication_id)
        .where(c.category == "medication", c.deleted.is_(False))
    )
    if opened.execute(there).first() is None:
        raise InvalidRequestError(("/body/medication_id", "Name a medication of this resident."))


@dataclass
class AmendRecord(OneRecord):
    """Write the next version of a record."""

    was: int
    occurred_at: str
    body: dict[str, Any]
    reason: str
    changes = True

    @property
    def alone(self) -> bool:  # type: ignore[override]
        """Documents are large and take a turn of their own."""
        return "content_base64" in self.body

    def touches(self) -> str:
        """Return the record: one change in a turn."""
        return self.record_id

    def question(self, operation: Operation, agent: Agent, facts: Facts, at: datetime) -> Question:
        """Want update on the category, or that it is the author's own within its 24 hours."""
        question = about_record(operation, facts, at, "update")
        row: RecordRow | None = facts.record
        if question.missing or row is None or not is_own(agent, row, at):
            return question
        here = (*question.here, *need(f"{row.category}:create"))
        return Question(question.anywhere, here, question.seen, question.place)

    def perform(self, opened: Opened) -> Answer:
        """Write the version and return it."""
        row: RecordRow = opened.facts.record
        if row.version != self.was:
            raise VersionConflictError
        body = dump(parse_body(row.category, self.body))
        occurred = _occurred(self.occurred_at, opened.at)
        if body.get("medication_id") != row.medication_id:
            raise InvalidRequestError(("/body/medication_id", "An administration keeps its medication."))
        if body.get("about") != row.about:
            raise InvalidRequestError(("/body/about", "A document stays about what it is about."))
        key = key_of(opened, opened.facts.resident)
        estimated = bool(row.occurred_at_estimated) and spell(occurred) == row.occurred_at
        next_row = row._replace(
            occurred_at=spell(occurred),
            occurred_at_estimated=estimated,
            late=parse(row.first_recorded_at) - occurred > LATE_AFTER,
        )
        opened.note.reason = self.reason
        changed = _next_version(opened, key, row, next_row, body, self.reason)
        return Answer(show_record(changed, body), version=changed.version)


def _next_version(
    opened: Opened, key: DataKey, row: RecordRow, wanted_row: RecordRow, body: dict[str, Any], reason: str
) -> RecordRow:
    version = row.version + 1

    def place(field: str) -> Any:
        return record_place(row.org, row.resident_id, row.id, field, version)

    changed = wanted_row._replace(
        version=version,
        recorded_at=spell(opened.at),
        recorded_by=opened.agent.id,
        body=key.seal_json(body, place("body")),
    )
    changed = changed._replace(state=record_state(key, changed))
    values = changed._asdict()
    where = {"of": row.org, "whose": row.resident_id, "which": row.id, "was": row.version}
    opened.change(_UPDATE, {name: values[name] for name in _WRITTEN} | where)
    _keep_version(opened, changed, key.seal(reason.encode(), place("reason")))
    before, after = _fields(row, unseal_body(key, row)), _fields(changed, body)
    changes = [FieldChange(f, before.get(f), after.get(f)) for f in before | after]
    opened.changed(
        "record",
        row.id,
        version,
        changed.state,
        [c for c in changes if c.before != c.after],
        (row.resident_id, key),
    )
    opened.note.category = row.category
    return changed


@dataclass
class RemoveRecord(OneRecord):
    """Mark a record as entered in error. Every version stays."""

    was: int
    changes = True
    alone = True  # it looks for administrations, which another attempt of the turn might be adding

    def touches(self) -> str:
        """Return the record: one change in a turn."""
        return self.record_id

    def question(self, operation: Operation, _agent: Agent, facts: Facts, at: datetime) -> Question:
        """Want delete on the category."""
        return about_record(operation, facts, at, "delete")

    def perform(self, opened: Opened) -> Answer:
        """Mark the record."""
        row: RecordRow = opened.facts.record
        if row.version != self.was:
            raise VersionConflictError
        if row.category == "medication":
            _refuse_administered(opened, row)
        key = key_of(opened, opened.facts.resident)
        body = unseal_body(key, row)
        _next_version(opened, key, row, row._replace(deleted=True), body, opened.note.reason or "")
        opened.note.changes = [FieldChange("deleted", before=False, after=True)]
        return Answer(None)


def _refuse_administered(opened: Opened, row: RecordRow) -> None:
    c = record.c
    given = (
        select(c.id)
        .where(c.org == row.org, c.resident_id == row.resident_id, c.medication_id == row.id)
        .where(c.category == "medication_administration", c.deleted.is_(False))
        .limit(1)
    )
    if opened.execute(given).first() is not None:
        raise ConflictError("Doses of this medicine are recorded. Stop it instead of deleting it.")
