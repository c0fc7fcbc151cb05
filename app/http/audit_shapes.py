"""The shapes of the trail in answers."""

from typing import Any, Literal

from app.http.shapes import Answered


class AgentOut(Answered):
    """Who acted."""

    id: str
    name: str | None
    role: str | None


class EntityOut(Answered):
    """What was acted on; empty where a request named nothing."""

    type: str | None
    id: str | None
    version: int | None


class EventOut(Answered):
    """An entry of the trail."""

    seq: int
    recorded_at: str
    act: str
    outcome: Literal["ok", "deny", "fail"]
    agent: AgentOut
    entity: EntityOut
    resident_ids: list[str]
    purpose: str | None
    session_id: str | None
    request_id: str | None
    leaf: str


class EventPage(Answered):
    """A page of entries, newest first."""

    items: list[EventOut]
    next_cursor: str | None


class AccessPage(Answered):
    """A page of a resident's access log, newest first."""

    items: list[dict[str, Any]]
    next_cursor: str | None


class Consistency(Answered):
    """A consistency proof: the hashes, base64, in the order of RFC 6962."""

    hashes: list[str]


class SubjectIds(Answered):
    """Ids of residents."""

    resident_ids: list[str]
