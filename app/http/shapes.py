"""The shapes of requests and answers, as `openapi.yaml` shows them.

Requests are validated by these models; answers are built by the works and documented by them.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.residents.identity import Identifiers, Identity, Sex
from app.residents.retention import LegalBasis
from app.residents.texts import Body, Day, Instant, Line, LongText, Maybe, ShortText

Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
HomeId = Annotated[str, Field(max_length=64)]

_DIGITS = re.compile(r"0|[1-9][0-9]{0,17}")


def _in_digits(given: object) -> object:
    # a reader of numbers also takes `1_0`, `+1`, ` 1` and `1.0`: several addresses of one thing
    if isinstance(given, str) and not _DIGITS.fullmatch(given):
        raise ValueError("Must be a whole number in plain digits.")
    return given


IN_DIGITS = BeforeValidator(_in_digits)
"""Marks a number in a query or path: it has one spelling."""


class Answered(BaseModel):
    """An answer. Clients must be ready for fields they do not know."""

    model_config = ConfigDict(extra="allow")


class ProblemPlace(BaseModel):
    """One thing that is wrong in the request."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """What went wrong (RFC 9457). It never repeats input."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[ProblemPlace] | None = None


class FieldChanged(Answered):
    """A field of a resident's own row, before and after. Null: not there."""

    field: str
    before: Any
    after: Any


class ResidentChange(Answered):
    """What made a version of a resident's own row; the entry of the trail agrees with it."""

    version: int
    changed_at: Moment
    changed_by: str
    seq: int
    leaf: str
    changed: list[FieldChanged]


class ResidentOut(Answered):
    """A resident, as far as the caller may see."""

    id: Uuid
    home_id: Uuid
    room: str | None
    unit: str | None
    status: Literal["resident", "discharged", "died"]
    admitted_on: str
    discharged_on: str | None
    identity: dict[str, Any]
    identifiers: dict[str, Any] | None = None
    allergy_status: Literal["recorded", "none_known", "not_recorded"] | None = None
    version: int
    changes: list[ResidentChange] | None = None


class ErasureOut(Answered):
    """An erasure: asked for by one person, approved by another before `expires_at`."""

    id: Uuid
    resident_id: Uuid
    legal_basis: LegalBasis
    status: Literal["pending", "approved", "superseded"]
    asked_by: Uuid
    asked_at: Moment
    expires_at: Moment
    approved_by: Uuid | None
    approved_at: Moment | None
    records: int | None


class ResidentPage(Answered):
    """A page of residents."""

    items: list[ResidentOut]
    next_cursor: str | None


class ResidentsFound(Answered):
    """The residents a search found."""

    items: list[ResidentOut]


class AdmissionIn(Body):
    """A resident to be admitted."""

    home_id: HomeId
    room: ShortText | None = None
    unit: ShortText | None = None
    identity: Identity
    identifiers: Identifiers
    admitted_on: Day


class IdentityPatch(Body):
    """Changes of a name: null removes what may be absent."""

    given_name: Maybe[Line] = None
    family_name: Maybe[Line] = None
    preferred_name: Line | None = None
    sex: Sex | None = None


class IdentifiersPatch(Body):
    """Changes of date of birth and NHS number: null removes the number."""

    date_of_birth: Maybe[Day] = None
    nhs_number: str | None = None


class ResidentPatch(Body):
    """A merge patch of a resident (RFC 7396)."""

    home_id: Maybe[HomeId] = None
    room: ShortText | None = None
    unit: ShortText | None = None
    admitted_on: Maybe[Day] = None
    identity: Maybe[IdentityPatch] = None
    identifiers: Maybe[IdentifiersPatch] = None


class DischargeIn(Body):
    """When and why a resident left."""

    discharged_on: Day
    reason: Literal["moved", "home", "hospital", "died", "other"]


class ErasureIn(Body):
    """On what basis a resident is to be erased, and why."""

    legal_basis: LegalBasis
    reason: LongText


class SearchIn(Body):
    """A look-up: by NHS number, or by family name with or without date of birth."""

    nhs_number: Maybe[str] = None
    family_name: Maybe[Line] = None
    date_of_birth: Maybe[Day] = None


class RecordOut(Answered):
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
    body: Annotated[dict[str, Any], Field(description="As `body` of the New... schema of its category.")]


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


class AmendmentIn(Body):
    """The next version of a record. The body is that of the record's category."""

    occurred_at: Instant
    body: dict[str, Any]
    amendment_reason: LongText


class HomeIn(Body):
    """A home to be entered."""

    name: ShortText
    ods_code: Maybe[Annotated[str, Field(pattern=r"^[A-Z0-9]{1,10}$")]] = None
    cqc_location_id: Maybe[Annotated[str, Field(pattern=r"^[0-9A-Z-]{1,20}$")]] = None


class HomeOut(Answered):
    """A home."""

    id: str
    name: str
    ods_code: str | None
    cqc_location_id: str | None


class HomePage(Answered):
    """The homes the caller acts at."""

    items: list[HomeOut]
    next_cursor: str | None
