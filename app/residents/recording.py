"""Something is recorded about a resident."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from app.access.agent import Agent
from app.access.opened import FieldChange, Opened
from app.access.operation import Operation
from app.access.policy import Question
from app.access.work import Answer, Facts, Work
from app.core.clock import parse, spell
from app.core.errors import InvalidRequestError
from app.core.identifiers import new_id
from app.residents.boxes import key_of, record_place, record_state
from app.residents.looking_again import recorded_again
from app.residents.records import show_record, wanted
from app.residents.rows import RecordRow, ResidentRow
from app.residents.table import record, record_version
from app.vault.sealing import DataKey

LATE_AFTER = timedelta(minutes=60)
FUTURE_ALLOWED = timedelta(minutes=5)

_INSERT = insert(record)
_INSERT_VERSION = insert(record_version)


@dataclass
class MakeRecord(Work):
    """Record something about a resident."""

    resident_id: str
    category: str
    occurred_at: str
    body: dict[str, Any]
    changes = True

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
        key = key_of(opened, resident)
        occurred = read_occurred(self.occurred_at, opened.at)
        if self.category == "medication_administration":
            refuse_early_dose(self.body, opened.at)
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
        row = make(opened, key, row, self.body)
        opened.note.homes = (resident.home_id,)
        return Answer(show_record(row, self.body), version=1)

    def look_again(self, opened: Opened, told: dict[str, Any]) -> dict[str, Any]:
        """Return the record, if it was not entered in error since."""
        return recorded_again(opened, told)


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
    keep_version(opened, row, None)
    changes = [FieldChange(f, None, v) for f, v in record_fields(row, body).items()]
    opened.changed("record", row.id, 1, row.state, changes, (row.resident_id, key))
    opened.note.category = row.category
    opened.discloses(row.resident_id)
    return row


def keep_version(opened: Opened, row: RecordRow, reason: bytes | None) -> None:
    """Have a version kept as it is, for ever."""
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


def record_fields(row: RecordRow, body: dict[str, Any]) -> dict[str, Any]:
    """Return what the trail compares before and after: each field by its name."""
    return {"occurred_at": row.occurred_at} | body


def read_occurred(spelled: str, at: datetime) -> datetime:
    """Return when something occurred; nothing occurs more than five minutes from now."""
    return _not_to_come(spelled, at, "/occurred_at")


def refuse_early_dose(body: dict[str, Any], at: datetime) -> None:
    """Refuse the body of a dose that lies more than five minutes from now: nobody gave or refused it yet."""
    _not_to_come(body["given_at"], at, "/body/given_at")


def _not_to_come(spelled: str, at: datetime, pointer: str) -> datetime:
    instant = parse(spelled)
    if instant > at + FUTURE_ALLOWED:
        raise InvalidRequestError((pointer, "Must not lie more than 5 minutes in the future."))
    return instant


def _require_medication(opened: Opened, resident: ResidentRow, medication_id: str) -> None:
    """Refuse a dose of a medicine that is not there, and keep it from being removed until the turn ends."""
    c = record.c
    there = (
        select(c.id)
        .where(c.org == resident.org, c.resident_id == resident.id, c.id == medication_id)
        .where(c.category == "medication", c.deleted.is_(False))
        .with_for_update(read=True)  # whoever removes it in another process waits, or was before
    )
    if opened.execute(there).first() is None:
        raise InvalidRequestError(("/body/medication_id", "Name a medication of this resident."))
