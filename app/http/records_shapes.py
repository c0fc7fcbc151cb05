"""The shapes of records, their versions, and what differs between two.

A record is told apart by its category, in answers as in `new_records.py`: one class for each. Without them a
generated client reads a body as the first that happens to fit, and loses what that one does not have.
"""

import operator
from functools import reduce
from typing import Annotated, Any, Literal

from pydantic import Field, RootModel, create_model

from app.http.describing import DescribedAs
from app.http.shapes import Answered, Moment, Uuid, WithETag
from app.residents.bodies import BODY_OF, AnyBody
from app.residents.clinical_bodies import ImportedDocument
from app.residents.texts import Body, Instant, LongText


class _Record(Answered):
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
    body: Any


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


class _Version(_Record):
    amendment_reason: str | None = None
    compared_with: int | None = None
    changed: list[Difference] | None = None
    entries: list[VersionEntry] | None = None


def _by_category(base: type[_Record], ending: str) -> DescribedAs:
    """Return one class for each category, named after its body, all told apart by `category`."""
    kinds: list[Any] = []
    for category, body in BODY_OF.items():
        answered = ImportedDocument if category == "document" else body  # its bytes may lack in an answer
        fields: dict[str, Any] = {"category": (Literal[category], ...), "body": (answered, ...)}
        kinds.append(create_model(f"{body.__name__}{ending}", __base__=base, __doc__=body.__doc__, **fields))
    return DescribedAs(Annotated[reduce(operator.or_, kinds), Field(discriminator="category")])


class RecordOut(WithETag, RootModel[Annotated[dict[str, Any], _by_category(_Record, "Record")]]):
    """One version of a record, told apart by its `category`."""


class VersionOut(WithETag, RootModel[Annotated[dict[str, Any], _by_category(_Version, "Version")]]):
    """One version of a record, and what changed from another to it, where that was asked for."""


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
    body: Annotated[dict[str, Any], DescribedAs(AnyBody)]
    amendment_reason: LongText
