"""Bodies of the records that describe health: what is measured, given, avoided and decided."""

import binascii
from itertools import combinations
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    StringConstraints,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from app.core.identifiers import canonical
from app.residents.refusals import TAG, FaultError
from app.residents.texts import (
    MOST_ITEMS,
    Body,
    Day,
    DecimalText,
    Instant,
    LongText,
    Maybe,
    Paragraph,
    ShortText,
    without_null,
)

DOCUMENT_BYTES = 5 * 1024 * 1024
_ENCODED = (DOCUMENT_BYTES + 2) // 3 * 4
_TOO_LARGE = "Must be at most 5 MiB when decoded."

AboutCategory = Literal[
    "contacts",
    "about_me",
    "consent",
    "care_plan",
    "risk_assessment",
    "daily_note",
    "observation",
    "medication",
    "medication_administration",
    "allergy",
    "diet",
    "capacity",
    "advance_care_plan",
    "incident_report",
    "safeguarding",
    "professional_visit",
    "finance",
]
"""What a document can be about: every record category but `document` itself."""


class Component(Body):
    """One number of several that belong together, such as the systolic pressure."""

    kind: ShortText
    value: DecimalText
    unit: ShortText


def _describe_observation(schema: dict[str, Any]) -> None:
    # `oneOf` would say it in one word, but generators of clients make no type of an object that has one
    without_null(schema)
    schema["minProperties"] = 2
    schema["dependentRequired"] = {"unit": ["value"]}
    pairs = combinations(("value", "text", "components"), 2)
    schema["not"] = {"anyOf": [{"required": list(pair)} for pair in pairs]}


class Observation(Body):
    """One thing measured or seen: a number, or words, or several numbers together."""

    model_config = ConfigDict(json_schema_extra=_describe_observation)

    kind: ShortText
    value: Maybe[DecimalText] = None
    unit: Maybe[ShortText] = None
    text: Maybe[LongText] = None
    components: Maybe[Annotated[list[Component], Field(min_length=1, max_length=MOST_ITEMS)]] = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if sum(said is not None for said in (self.value, self.text, self.components)) != 1:
            raise FaultError("Send exactly one of value, text and components.")
        if self.unit is not None and self.value is None:
            raise FaultError("A unit goes only with a value.")
        return self


class ImportedMedication(Body):
    """A medicine as an import found it: perhaps with days that contradict each other, which are not lost."""

    name: ShortText
    dose: Paragraph
    route: ShortText
    frequency: Paragraph
    instructions: Maybe[LongText] = None
    status: Literal["active", "on_hold", "stopped"]
    started_on: Maybe[Day] = None
    ended_on: Annotated[Maybe[Day], Field(description="Not before `started_on`.")] = None


class Medication(ImportedMedication):
    """A medicine the resident takes, has taken or is to take."""

    @field_validator("ended_on")
    @classmethod
    def _ends_after_it_starts(cls, ended_on: str | None, others: ValidationInfo) -> str | None:
        started_on = others.data.get("started_on")
        if ended_on is not None and started_on is not None and ended_on < started_on:
            raise FaultError("Must not lie before started_on.")
        return ended_on


RECORD_ID = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"


class MedicationAdministration(Body):
    """One dose that was due: given, or not and why."""

    medication_id: Annotated[str, StringConstraints(pattern=RECORD_ID), AfterValidator(canonical)]
    outcome: Literal["given", "refused", "withheld", "not_available"]
    given_at: Instant
    note: Maybe[Paragraph] = None


class AllergicTo(Body):
    """A substance the resident must not meet."""

    substance: ShortText
    reaction: Maybe[Paragraph] = None
    severity: Literal["mild", "moderate", "severe", "unknown"]
    status: Literal["active", "refuted", "resolved"]


def _only_true(value: Any) -> Any:
    # Literal[True] alone would take the number 1
    if value is not True:
        raise FaultError("Must be true.")
    return value


class NoKnownAllergies(Body):
    """Somebody asked, and there are none: not the same as an empty list."""

    none_known: Annotated[Literal[True], BeforeValidator(_only_true)]


def _shape_of_allergy(raw: Any) -> str:
    names_none = "none_known" in raw if isinstance(raw, dict) else isinstance(raw, NoKnownAllergies)
    return f"{TAG}none" if names_none else f"{TAG}substance"


class Allergy(
    RootModel[
        Annotated[
            Annotated[AllergicTo, Tag(f"{TAG}substance")] | Annotated[NoKnownAllergies, Tag(f"{TAG}none")],
            Discriminator(_shape_of_allergy),
        ]
    ]
):
    """An allergy, or the statement that none is known."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class Diet(Body):
    """What the resident may and may not eat and drink, and in which texture (IDDSI)."""

    requirements: LongText
    iddsi_food: Maybe[Annotated[int, Field(ge=0, le=7)]] = None
    iddsi_fluid: Maybe[Annotated[int, Field(ge=0, le=4)]] = None


class AdvanceCarePlan(Body):
    """What the resident wants, or refuses, for a time when they cannot say so."""

    kind: Literal["dnacpr", "respect", "other"]
    summary: LongText
    valid_from: Day
    review_on: Maybe[Day] = None
    status: Literal["in_force", "revoked", "superseded"]
    signed_by: Maybe[ShortText] = None
    original_location: Maybe[ShortText] = None


def _holds_a_document(encoded: str) -> str:
    if len(encoded) > _ENCODED:
        raise FaultError(_TOO_LARGE)
    try:
        decoded = binascii.a2b_base64(encoded, strict_mode=True)
    except (binascii.Error, ValueError):
        raise FaultError("Must be base64 with padding and without line breaks.") from None
    if len(decoded) > DOCUMENT_BYTES:
        raise FaultError(_TOO_LARGE)
    return encoded


MEDIA_TYPE = r"^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$"
MediaType = Annotated[str, StringConstraints(pattern=MEDIA_TYPE)]
Content = Annotated[
    str,
    StringConstraints(min_length=1),
    # refused by ourselves: the limit is told in bytes of the document, not in letters of its base64
    Field(json_schema_extra={"maxLength": _ENCODED, "contentEncoding": "base64"}),
    AfterValidator(_holds_a_document),
]


class _AnyDocument(Body):
    about: AboutCategory
    title: ShortText
    media_type: MediaType


class Document(_AnyDocument):
    """A document with its bytes, at most 5 MiB. Read by who may read what it is about."""

    content_base64: Content


class ImportedDocument(_AnyDocument):
    """A document as an import found it: perhaps only its title, the bytes being elsewhere."""

    content_base64: Content | None
