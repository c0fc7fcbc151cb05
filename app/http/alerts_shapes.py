"""The shapes of alerts and rules in requests and answers."""

from typing import Annotated, Literal

from pydantic import Field

from app.http.shapes import Answered, GivenId, Moment, Tagged, Uuid
from app.residents.texts import Body, LongText, Maybe

Severity = Literal["low", "medium", "high", "critical"]
State = Literal["new", "in_review", "explained", "incident"]
Number = Annotated[int, Field(ge=0, lt=2**31)]
RuleName = Annotated[str, Field(max_length=64)]


class AlertOut(Answered):
    """An alert: ids, words and numbers."""

    id: Uuid
    rule: str
    title: str
    severity: Severity
    state: State
    user_id: Uuid | None
    subject: str
    home_ids: list[Uuid]
    owner_id: Uuid | None
    count: int
    raised_at: Moment
    first_at: Moment
    last_at: Moment
    earlier_alert_id: Uuid | None
    incident_id: Uuid | None
    version: int


class AlertPage(Answered):
    """A page of alerts, newest first."""

    items: list[AlertOut]
    next_cursor: str | None


class EvidenceEntityOut(Answered):
    """What an entry says was acted on."""

    type: str | None
    id: str | None


class EvidenceOut(Answered):
    """An entry an alert rests on: its place, and what it says as far as it is stored."""

    chain: str
    seq: int
    recorded_at: Moment | None = None
    act: str | None = None
    outcome: str | None = None
    agent_id: str | None = None
    entity: EvidenceEntityOut | None = None


class AlertStepOut(Answered):
    """Something that happened to an alert, and how it was then."""

    at: Moment
    by: str
    what: Literal["raised", "step", "incident"]
    was: State
    state: State
    owner_id: Uuid | None
    severity: Severity
    count: int


class AlertCommentOut(Answered):
    """What somebody said about an alert."""

    at: Moment
    by: str
    text: str


class AlertWholeOut(AlertOut, Tagged):
    """An alert with its explanation, its evidence and what was done about it."""

    explanation: str
    figures: dict[str, int | str]
    resident_ids: list[Uuid]
    evidence: list[EvidenceOut]
    history: list[AlertStepOut]
    comments: list[AlertCommentOut]


class AlertStepIn(Body):
    """A step: at least one of state, owner and comment. `explained` wants a comment and the version read."""

    state: Maybe[State] = None
    owner_id: Maybe[GivenId] = None
    comment: Maybe[LongText] = None
    version: Maybe[Annotated[int, Field(ge=1, lt=2**31)]] = None


class AlertStepped(Tagged):
    """An alert after a step, and the step."""

    alert: AlertOut
    step: AlertStepOut


class ThresholdOut(Answered):
    """A number of a rule."""

    default: int
    minimum: int
    maximum: int
    unit: str
    about: str


class AlertRuleOut(Answered):
    """A rule of the catalogue, and what the organisation set of it."""

    rule: str
    title: str
    severity: Severity
    thresholds: dict[str, ThresholdOut]
    by_role: dict[str, dict[str, int]]
    enabled: bool
    set: dict[str, int] | None
    set_by: str | None
    set_at: Moment | None
    warning: str | None = None


class AlertRuleSetOut(AlertRuleOut, Tagged):
    """A rule as it was set just now, and what comes of it."""


class AlertRulePage(Answered):
    """All rules, by name."""

    items: list[AlertRuleOut]
    next_cursor: str | None


class AlertRuleIn(Body):
    """A rule as it is to be. A number that is not named is as the catalogue says."""

    enabled: bool
    thresholds: dict[RuleName, Number]
    reason: LongText
