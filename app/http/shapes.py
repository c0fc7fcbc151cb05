"""The shapes of requests and answers, as `openapi.yaml` shows them.

Requests are validated by these models; answers are built by the works and documented by them.
"""

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from app.core.errors import InvalidRequestError
from app.core.identifiers import canonical
from app.residents import identity
from app.residents.identity import Identity, Sex
from app.residents.refusals import FaultError
from app.residents.retention import LegalBasis
from app.residents.texts import Body, Day, Line, LongText, Maybe, ShortText, without_null

Uuid = Annotated[str, Field(description="In lower case.", json_schema_extra={"format": "uuid"})]
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
GivenId = Annotated[str, Field(max_length=64), AfterValidator(canonical)]
"""An id in a query or a body, in whatever case. What is none names nothing that exists."""
_Number = Annotated[str, Field(max_length=identity.LONGEST_NUMBER)]
NHS_NUMBER = "Ten digits, the last of them the check digit (modulus 11)."
NHS_NUMBER_TAKEN = f"{NHS_NUMBER} Spaces and hyphens do not count."
COMES_BACK = (
    "Takes a discharge back; wants `residents:discharge`, too. With `admitted_on` somebody came back then;"
    " without, the discharge was a mistake."
)

_DIGITS = re.compile(r"0|[1-9][0-9]*", re.ASCII)
_MOST_DIGITS = 18


def _in_digits(given: object) -> object:
    # a reader of numbers also takes `1_0`, `+1`, ` 1` and `1.0`: several addresses of one thing
    if isinstance(given, str) and not _DIGITS.fullmatch(given):
        raise FaultError("Must be a whole number in plain digits.")
    if isinstance(given, str) and len(given) > _MOST_DIGITS:  # turning them into a number takes long
        raise FaultError("Is too large a number.")
    return given


IN_DIGITS = BeforeValidator(_in_digits)
"""Marks a number in a query or path: it has one spelling."""


T = TypeVar("T")


def _null_too(schema: dict[str, Any]) -> None:
    del schema["default"]  # by it `without_null` knows a field that may only be left out


Clearable = Annotated[T | None, Field(json_schema_extra=_null_too)]
"""A field of a merge patch: null takes away what is there."""


class Answered(BaseModel):
    """An answer. Clients must be ready for fields they do not know."""

    model_config = ConfigDict(extra="allow")


class WithETag:
    """Marks an answer that comes with an `ETag`."""


class Tagged(WithETag, Answered):
    """An answer of which that is all there is to say."""


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


class IdentityOut(Answered):
    """What a resident is called. What nobody gave is left out."""

    given_name: str
    family_name: str
    preferred_name: str | None = None
    sex: Sex | None = None


class IdentifiersOut(Answered):
    """What tells a resident apart. A number nobody gave is left out."""

    date_of_birth: str
    nhs_number: Annotated[str | None, Field(description=NHS_NUMBER)] = None


class ResidentOut(Tagged):
    """A resident, as far as the caller may see."""

    id: Uuid
    home_id: Uuid
    room: str | None
    unit: str | None
    status: Literal["resident", "discharged", "died"]
    admitted_on: str
    discharged_on: str | None
    identity: IdentityOut
    identifiers: IdentifiersOut | None = None
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


def _describe_number(schema: dict[str, Any]) -> None:
    without_null(schema)
    schema["properties"]["nhs_number"]["description"] = NHS_NUMBER_TAKEN


class Identifiers(identity.Identifiers):
    """What tells a resident apart from everybody else: not for the kitchen."""

    model_config = ConfigDict(json_schema_extra=_describe_number)


class AdmissionIn(Body):
    """A resident to be admitted."""

    home_id: GivenId
    room: ShortText | None = None
    unit: ShortText | None = None
    identity: Identity
    identifiers: Identifiers
    admitted_on: Day


class IdentityPatch(Body):
    """Changes of a name: null removes what may be absent."""

    given_name: Maybe[Line] = None
    family_name: Maybe[Line] = None
    preferred_name: Clearable[Line] = None
    sex: Clearable[Sex] = None


class IdentifiersPatch(Body):
    """Changes of date of birth and NHS number: null removes the number."""

    date_of_birth: Maybe[Day] = None
    nhs_number: Annotated[Clearable[_Number], Field(description=NHS_NUMBER_TAKEN)] = None


def at_least_one(schema: dict[str, Any]) -> None:
    """Say of a patch that it names something."""
    without_null(schema)
    schema["minProperties"] = 1


def fields_named(patch: Body, *, beside: str = "") -> dict[str, Any]:
    """Return the fields a merge patch names, or refuse one that names none; `beside` them stands no field."""
    named: dict[str, Any] = patch.model_dump(mode="json", exclude_unset=True, exclude={beside})
    if not named:
        raise InvalidRequestError(("", "Name at least one field to change."))
    return named


class ResidentPatch(Body):
    """A merge patch of a resident (RFC 7396)."""

    model_config = ConfigDict(json_schema_extra=at_least_one)

    home_id: Maybe[GivenId] = None
    room: Clearable[ShortText] = None
    unit: Clearable[ShortText] = None
    admitted_on: Maybe[Day] = None
    status: Annotated[Maybe[Literal["resident"]], Field(description=COMES_BACK)] = None
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


def _describe_search(schema: dict[str, Any]) -> None:
    # not as `oneOf`, of which generators of clients make no type
    at_least_one(schema)
    schema["properties"]["nhs_number"]["description"] = f"{NHS_NUMBER_TAKEN} Stands alone."
    schema["properties"]["date_of_birth"]["description"] = "Goes with family_name only."
    schema["dependentRequired"] = {"date_of_birth": ["family_name"]}
    schema["not"] = {"required": ["nhs_number", "family_name"]}


class SearchIn(Body):
    """A look-up: by NHS number, or by family name with or without date of birth."""

    model_config = ConfigDict(json_schema_extra=_describe_search)

    nhs_number: Maybe[_Number] = None
    family_name: Maybe[Line] = None
    date_of_birth: Maybe[Day] = None


class HomeIn(Body):
    """A home to be entered."""

    name: ShortText
    ods_code: Maybe[Annotated[str, Field(pattern=r"^[A-Z0-9]{1,10}$")]] = None
    cqc_location_id: Maybe[Annotated[str, Field(pattern=r"^[0-9A-Z-]{1,20}$")]] = None


class HomeOut(Answered):
    """A home."""

    id: Uuid
    name: str
    ods_code: str | None
    cqc_location_id: str | None


class HomePage(Answered):
    """The homes the caller acts at."""

    items: list[HomeOut]
    next_cursor: str | None
