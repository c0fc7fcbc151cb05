"""The plain application's model: the same record in readable columns, nothing else.

Written as one would write it with SQLAlchemy's ORM and a pydantic response model. The columns have the
types the service uses, the primary key is the record's id, and there is no history, no check of the
caller, no trail: less to do than in any real application of the kind.
"""

from typing import Any

from pydantic import BaseModel
from sqlalchemy import Boolean, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The plain application's tables."""


class PlainRecord(Base):
    """One record, plain."""

    __tablename__ = "plain_record"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    resident_id: Mapped[str] = mapped_column(String(36))
    category: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer)
    occurred_at: Mapped[str] = mapped_column(String(27))
    occurred_at_estimated: Mapped[bool] = mapped_column(Boolean)
    recorded_at: Mapped[str] = mapped_column(String(27))
    recorded_by: Mapped[str] = mapped_column(String(36))
    late: Mapped[bool] = mapped_column(Boolean)
    deleted: Mapped[bool] = mapped_column(Boolean)
    text: Mapped[str] = mapped_column(Text)


class NoteOut(BaseModel):
    """The body of a daily note."""

    text: str


class RecordOut(BaseModel):
    """The answer: field for field what the service answers."""

    id: str
    resident_id: str
    category: str
    version: int
    occurred_at: str
    occurred_at_estimated: bool
    recorded_at: str
    recorded_by: str
    late: bool
    deleted: bool
    body: NoteOut


class NoteIn(BaseModel):
    """The body of a daily note, as sent."""

    text: str


class AmendmentIn(BaseModel):
    """The next version of a record."""

    occurred_at: str
    body: NoteIn
    amendment_reason: str


def out(row: PlainRecord) -> RecordOut:
    """Return the answer for a row."""
    return RecordOut(
        id=row.id,
        resident_id=row.resident_id,
        category=row.category,
        version=row.version,
        occurred_at=row.occurred_at,
        occurred_at_estimated=row.occurred_at_estimated,
        recorded_at=row.recorded_at,
        recorded_by=row.recorded_by,
        late=row.late,
        deleted=row.deleted,
        body=NoteOut(text=row.text),
    )


def amend(row: PlainRecord, amendment: AmendmentIn, now: str) -> None:
    """Change a row to its next version."""
    row.version += 1
    row.occurred_at = amendment.occurred_at
    row.recorded_at = now
    row.text = amendment.body.text


def rows_of(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return plain rows of records as the service shows them."""
    return [
        {name: value for name, value in record.items() if name != "body"} | {"text": record["body"]["text"]}
        for record in records
    ]
