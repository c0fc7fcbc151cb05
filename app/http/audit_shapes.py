"""The shapes of the trail in answers."""

from typing import Literal

from app.http.shapes import Answered, Moment, Uuid


class AgentOut(Answered):
    """Who acted."""

    id: str
    name: str | None
    role: str | None


class EntityOut(Answered):
    """What was acted on, as it was asked for; empty where a request named nothing."""

    type: str | None
    id: str | None
    version: int | None


class EventOut(Answered):
    """An entry of the trail."""

    seq: int
    recorded_at: Moment
    act: str
    outcome: Literal["ok", "deny", "fail"]
    agent: AgentOut
    entity: EntityOut
    resident_ids: list[Uuid]
    purpose: str | None
    session_id: str | None
    request_id: str | None
    leaf: str


class EventPage(Answered):
    """A page of entries, newest first."""

    items: list[EventOut]
    next_cursor: str | None


class AccessOut(Answered):
    """An entry of a resident's access log: nothing in it is about anybody else."""

    seq: int
    recorded_at: Moment
    act: str
    outcome: Literal["ok", "deny", "fail"]
    agent: AgentOut
    category: str | None
    purpose: str | None
    entity: EntityOut
    leaf: str


class AccessPage(Answered):
    """A page of a resident's access log, newest first."""

    items: list[AccessOut]
    next_cursor: str | None


class Consistency(Answered):
    """A consistency proof: the hashes, base64, in the order of RFC 6962."""

    hashes: list[str]


class SubjectIds(Answered):
    """Ids of residents."""

    resident_ids: list[Uuid]
