"""The shapes of incidents in requests and answers."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from app.http.breach_shapes import ContainmentOut
from app.http.clocks_shapes import ClocksOut
from app.http.shapes import Answered, Clearable, GivenId, Moment, Uuid, at_least_one
from app.incidents.vocabulary import Category, Decision, Kind, Known, Nature, Recipient
from app.residents.texts import Body, Day, Instant, LongText, Maybe, Paragraph, ShortText

Score = Annotated[int, Field(ge=1, le=5)]
People = Annotated[int, Field(ge=0, le=10_000_000)]
Ids = Annotated[list[GivenId], Field(max_length=50)]
Categories = Annotated[list[Category], Field(max_length=30)]
Text = LongText | None


class IncidentIn(Body):
    """An incident or a near miss to be recorded. What is left out is unknown.

    Without `home_id` it concerns the whole organisation. `concerned_ids` are people whose behaviour it is
    about: they neither see nor change it, and neither do those its alerts are about. What is left out and an
    alert knows, `detected_at` and `how_found`, is taken from the alerts; the history says so.
    """

    nature: Nature = "incident"
    kind: Kind
    home_id: GivenId | None = None
    what_happened: LongText
    occurred_at: Instant | None = None
    ended_at: Instant | None = None
    detected_at: Instant | None = None
    became_aware_at: Instant | None = None
    ongoing: Known = "unknown"
    system_fault: Known = "unknown"
    confidentiality: Known = "unknown"
    integrity: Known = "unknown"
    availability: Known = "unknown"
    categories: Categories = Field(default_factory=list)
    people_affected: People | None = None
    how_found: Text = None
    consequences: Text = None
    measures: Text = None
    clinical_harm: Text = None
    contact: Text = None
    local_reference: Text = None
    root_cause: Text = None
    lessons: Text = None
    alert_ids: Ids = Field(default_factory=list)
    concerned_ids: Ids = Field(default_factory=list)


def _more_than_a_reason(schema: dict[str, Any]) -> None:
    at_least_one(schema)
    schema["not"] = {"required": ["reason"], "maxProperties": 1}


class IncidentPatch(Body):
    """A merge patch of an incident: null says that something is unknown after all.

    Not so `detected_at` and `became_aware_at`: a clock counts from them; once given they are only corrected.
    `alert_ids` are linked besides those that are; `concerned_ids` replace those that were named. `reason` is
    needed where a clock is moved or ended: by another instant, or by calling it a near miss.
    """

    model_config = ConfigDict(json_schema_extra=_more_than_a_reason)

    nature: Maybe[Nature] = None
    kind: Maybe[Kind] = None
    what_happened: Maybe[LongText] = None
    occurred_at: Clearable[Instant] = None
    ended_at: Clearable[Instant] = None
    detected_at: Clearable[Instant] = None
    became_aware_at: Clearable[Instant] = None
    ongoing: Maybe[Known] = None
    system_fault: Maybe[Known] = None
    confidentiality: Maybe[Known] = None
    integrity: Maybe[Known] = None
    availability: Maybe[Known] = None
    categories: Maybe[Categories] = None
    people_affected: Clearable[People] = None
    how_found: Clearable[LongText] = None
    consequences: Clearable[LongText] = None
    measures: Clearable[LongText] = None
    clinical_harm: Clearable[LongText] = None
    contact: Clearable[LongText] = None
    local_reference: Clearable[LongText] = None
    root_cause: Clearable[LongText] = None
    lessons: Clearable[LongText] = None
    alert_ids: Maybe[Ids] = None
    concerned_ids: Maybe[Ids] = None
    reason: Maybe[Paragraph] = None


class AssessmentIn(Body):
    """Two scores on the grid, what a person decided, and why. Without a decision only a proposal is made."""

    likelihood: Score
    impact: Score
    vulnerable_people: Known
    special_categories: Known
    decision: Maybe[Decision] = None
    reasons: LongText


class NotificationIn(Body):
    """Somebody was told. `replaces` names a notification that was recorded wrongly."""

    recipient: Recipient
    told_at: Instant
    told_by: Maybe[ShortText] = None
    reference: Maybe[ShortText] = None
    note: Maybe[LongText] = None
    people_told: Maybe[People] = None
    reasons_for_delay: Maybe[LongText] = None
    replaces: Maybe[GivenId] = None


class ActionIn(Body):
    """Something to be done about an incident."""

    what: LongText
    owner_id: Maybe[GivenId] = None
    due_on: Maybe[Day] = None


class ActionDoneIn(Body):
    """What came of it."""

    outcome: Maybe[LongText] = None


class CloseIn(Body):
    """Root cause and lessons, where they are said only now."""

    root_cause: Maybe[LongText] = None
    lessons: Maybe[LongText] = None


class ReopenIn(Body):
    """Why an incident is opened again."""

    reason: Paragraph


class IncidentBrief(Answered):
    """An incident without texts."""

    id: Uuid
    home_id: Uuid | None
    nature: Nature
    kind: Kind
    status: Literal["open", "closed"]
    opened_at: Moment
    opened_by: str
    occurred_at: Moment | None
    ended_at: Moment | None
    detected_at: Moment | None
    became_aware_at: Moment | None
    ongoing: Known
    system_fault: Known
    confidentiality: Known
    integrity: Known
    availability: Known
    people_affected: int | None
    categories: list[Category]
    decision: Decision | None
    closed_at: Moment | None
    closed_by: str | None
    version: int
    clocks: ClocksOut


class IncidentPage(Answered):
    """A page of incidents, newest first."""

    items: list[IncidentBrief]
    next_cursor: str | None


class CountedOut(Answered):
    """What scores count for."""

    likelihood: int
    impact: int


class AssessmentOut(Answered):
    """A scoring. `deviates`: the decision is another than the proposal."""

    id: Uuid
    edition: str
    likelihood: int
    impact: int
    vulnerable_people: Known
    special_categories: Known
    counted: CountedOut
    proposal: Decision
    decision: Decision | None
    deviates: bool
    reasons: str
    assessed_by: str
    assessed_at: Moment


class NotificationOut(Answered):
    """Who was told; late or in time where a clock says so, as the instants stand now."""

    id: Uuid
    recipient: Recipient
    told_at: Moment
    told_by: str | None
    reference: str | None
    note: str | None
    people_told: int | None
    late: bool | None
    late_seconds: int | None
    reasons_for_delay: str | None
    replaced_by: Uuid | None
    recorded_by: str
    recorded_at: Moment


class ActionOut(Answered):
    """Something to be done, or done."""

    id: Uuid
    what: str
    owner_id: Uuid | None
    due_on: str | None
    overdue: bool
    done_at: Moment | None
    done_by: str | None
    outcome: str | None
    recorded_by: str
    recorded_at: Moment


class TurnOut(Answered):
    """What was corrected of an incident, or that it was closed or opened again."""

    what: str
    was: str | None
    became: str | None
    reason: str | None
    by: str
    at: Moment


class RepeatOut(Answered):
    """An incident of the same kind at the same home, within the three months before."""

    id: Uuid
    nature: Nature
    status: Literal["open", "closed"]
    opened_at: Moment
    occurred_at: Moment | None


class IncidentToldOut(IncidentBrief):
    """An incident with what was said of it, scored, told and done. `missing_to_close` is in words."""

    what_happened: str
    how_found: str | None
    consequences: str | None
    measures: str | None
    clinical_harm: str | None
    contact: str | None
    local_reference: str | None
    root_cause: str | None
    lessons: str | None
    alert_ids: list[Uuid]
    concerned_ids: list[Uuid]
    assessments: list[AssessmentOut]
    notifications: list[NotificationOut]
    actions: list[ActionOut]
    history: list[TurnOut]
    repeats: list[RepeatOut]
    missing_to_close: list[str]


class IncidentOut(IncidentToldOut):
    """An incident with everything that belongs to it."""

    containments: list[ContainmentOut]
