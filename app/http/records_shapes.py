"""The shapes of records, their versions, and what differs between two."""

from typing import Annotated, Any

from pydantic import Field

from app.http.shapes import Answered, Moment, Tagged, Uuid
from app.residents.bodies import AnyBody
from app.residents.texts import Body, Instant, LongText

_BODY = (
    "As `body` of the New... schema of its category; of a document that was imported without its bytes"
    " `content_base64` is null."
)


class RecordOut(Tagged):
    """One version of a record."""

    id: Uuid
    resident_id: Uuid
    category: str
    version: int
    occurred_at: Moment
    occurred_at_estimated: bool
    recorded_at: Moment
    recorded_by: str
    late: bool
    deleted: bool
    body: Annotated[AnyBody, Field(description=_BODY)]


class Difference(Answered):
    """A field that two versions differ by. Null: not there. `added` and `removed` are told of lists."""

    field: Annotated[str, Field(description="Its path in the record's body; `occurred_at`, `deleted`.")]
    before: Any
    after: Any
    added: list[Any] | None = None
    removed: list[Any] | None = None


class VersionEntry(Answered):
    """The entry of the trail that made a version; what is shown agrees with it."""

    version: int
    seq: int
    leaf: str


class VersionOut(RecordOut):
    """One version of a record, and what changed from another to it, where that was asked for."""

    amendment_reason: str | None = None
    compared_with: int | None = None
    changed: list[Difference] | None = None
    entries: list[VersionEntry] | None = None


class RecordPage(Answered):
    """A page of records."""

    items: list[RecordOut]
    next_cursor: str | None


class VersionPage(Answered):
    """A page of versions of a record."""

    items: list[VersionOut]
    next_cursor: str | None


class AmendmentIn(Body):
    """The next version of a record. The body is that of the record's category."""

    occurred_at: Instant
    body: dict[str, Any]
    amendment_reason: LongText
