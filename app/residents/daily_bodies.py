"""Bodies of the records that describe a life in the home: the person, their people, their days."""

from typing import Annotated, Literal

from pydantic import Field

from app.residents.texts import MOST_ITEMS, Body, Day, LongText, Maybe, Money, Paragraph, ShortText


class Contacts(Body):
    """Somebody close to the resident, or somebody to call."""

    name: ShortText
    relationship: ShortText
    phone: Maybe[ShortText] = None
    next_of_kin: bool
    lasting_power_of_attorney: bool


class AboutMe(Body):
    """What matters to the resident, in their own words where possible."""

    text: LongText


class Consent(Body):
    """What the resident, or somebody for them, agreed to or refused."""

    purpose: ShortText
    given: bool
    basis: Maybe[Paragraph] = None
    given_by: Maybe[ShortText] = None
    review_on: Maybe[Day] = None


class CarePlan(Body):
    """A need, what is to be reached, and what care workers do for it."""

    need: Paragraph
    goal: Paragraph
    actions: Annotated[list[Paragraph], Field(max_length=MOST_ITEMS)]


class RiskAssessment(Body):
    """A risk, how high it is, and what lowers it."""

    kind: ShortText
    level: Literal["low", "medium", "high"]
    mitigation: LongText


class DailyNote(Body):
    """What happened on a shift."""

    text: LongText


class Capacity(Body):
    """Whether the resident can make one decision, and what restricts their liberty."""

    decision: Paragraph
    has_capacity: bool
    basis: Maybe[Paragraph] = None
    dols_expires_on: Maybe[Day] = None


class IncidentReport(Body):
    """Something that harmed the resident or could have."""

    kind: ShortText
    description: LongText
    harm: Literal["none", "low", "moderate", "severe", "death"]


class Safeguarding(Body):
    """A concern that the resident is abused or neglected, and what was done about it."""

    concern: LongText
    action: LongText


class ProfessionalVisit(Body):
    """What a professional from outside was asked to do, did or found."""

    profession: ShortText
    name: ShortText
    outcome: LongText


class Finance(Body):
    """Something about the resident's money."""

    description: Paragraph
    amount: Maybe[Money] = None
