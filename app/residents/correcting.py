"""Records are corrected: amended in a new version, or marked as entered in error. Nothing is overwritten."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update

from app.access.agent import Agent
from app.access.opened import FieldChange, Opened
from app.access.operation import Operation
from app.access.policy import Question, need
from app.access.work import Answer, Facts
from app.core.clock import parse, spell
from app.core.errors import ConflictError, InvalidRequestError, VersionConflictError
from app.residents.bodies import dump, parse_body, parse_imported_body
from app.residents.boxes import key_of, record_place, record_state, unseal_body
from app.residents.looking_again import record_again
from app.residents.recording import (
    LATE_AFTER,
    keep_version,
    read_occurred,
    record_fields,
    refuse_early_dose,
)
from app.residents.records import OneRecord, about_record, is_own, show_record
from app.residents.rows import RecordRow
from app.residents.table import record
from app.vault.sealing import DataKey

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
        key = key_of(opened, opened.facts.resident)
        body = _read_body(key, row, self.body)
        occurred = read_occurred(self.occurred_at, opened.at)
        if row.category == "medication_administration":
            refuse_early_dose(body, opened.at)
        if body.get("medication_id") != row.medication_id:
            raise InvalidRequestError(("/body/medication_id", "An administration keeps its medication."))
        if body.get("about") != row.about:
            raise InvalidRequestError(("/body/about", "A document stays about what it is about."))
        estimated = bool(row.occurred_at_estimated) and spell(occurred) == row.occurred_at
        next_row = row._replace(
            occurred_at=spell(occurred),
            occurred_at_estimated=estimated,
            late=parse(row.first_recorded_at) - occurred > LATE_AFTER,
        )
        opened.note.reason = self.reason
        changed = _next_version(opened, key, row, next_row, body, self.reason)
        return Answer(show_record(changed, body), version=changed.version)

    def look_again(self, opened: Opened, told: dict[str, Any]) -> dict[str, Any]:
        """Return the version, if the record was not entered in error since."""
        return record_again(opened, told)


def _read_body(key: DataKey, row: RecordRow, sent: dict[str, Any]) -> dict[str, Any]:
    """Return the body that was sent. A document may be without bytes only while it never had any."""
    without = row.category == "document" and sent.get("content_base64", "") is None
    if without and unseal_body(key, row)["content_base64"] is None:
        return dump(parse_imported_body(row.category, sent))
    return dump(parse_body(row.category, sent))


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
    keep_version(opened, changed, key.seal(reason.encode(), place("reason")))
    before, after = record_fields(row, unseal_body(key, row)), record_fields(changed, body)
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
    """Refuse to remove a medicine with doses, and let no dose of it be recorded until the turn ends."""
    c = record.c
    itself = select(c.id).where(c.org == row.org, c.resident_id == row.resident_id, c.id == row.id)
    # a dose that another process records now is waited for, and counted
    opened.execute(itself.with_for_update())
    given = (
        select(c.id)
        .where(c.org == row.org, c.resident_id == row.resident_id, c.medication_id == row.id)
        .where(c.category == "medication_administration", c.deleted.is_(False))
        .limit(1)
    )
    if opened.execute(given).first() is not None:
        raise ConflictError("Doses of this medicine are recorded. Stop it instead of deleting it.")
