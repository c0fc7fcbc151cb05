"""Which events are sent, and what each may tell: ids of things, enumerated words, numbers, instants, a path.

Nothing about a person fits in: no name, no text, and no id of a resident or of somebody's account either.
Whoever is told and wants to know more follows the link with permission of their own.

Source: UK GDPR article 5(1)(c); Standard Webhooks 1.0.0, "thin payloads".
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.core.identifiers import UUID_SHAPE, is_id

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_WORD = re.compile(r"[a-z][a-z0-9_-]{1,39}")
_LINK = re.compile(rf"/v1/(alerts|incidents|webhooks)/{UUID_SHAPE.pattern}")
_MOST = 2**53 - 1

Check = Callable[[Any], bool]


class PayloadRefusedError(ValueError):
    """Something was to be sent that is none of the values an event may hold. A defect in this code."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a payload.

    Attributes:
        about: What it tells.
        schema: Its shape, as JSON Schema has it.
        check: Whether a value is one of those.
    """

    about: str
    schema: Mapping[str, Any]
    check: Check


@dataclass(frozen=True, slots=True)
class Event:
    """An event: when it is sent, and which fields its data may hold besides."""

    about: str
    fields: tuple[str, ...]


def _id(about: str) -> Field:
    return Field(about, {"type": "string", "format": "uuid"}, lambda v: isinstance(v, str) and is_id(v))


def _number(about: str) -> Field:
    return Field(about, {"type": "integer"}, lambda v: type(v) is int and abs(v) <= _MOST)


def _instant(about: str) -> Field:
    schema = {"type": "string", "format": "date-time"}
    return Field(about, schema, lambda v: isinstance(v, str) and _INSTANT.fullmatch(v) is not None)


def _one_of(about: str, *words: str) -> Field:
    return Field(about, {"type": "string", "enum": list(words)}, lambda v: isinstance(v, str) and v in words)


RULES: Final = (
    *("bulk-reading", "bulk-export", "off-rota", "unusual-hours", "off-shift-attempts", "outside-place"),
    *("refusals", "family-name", "break-glass", "failed-sign-ins", "sign-in-spray", "two-devices"),
    *("dormant-sign-in", "deactivated-sign-in", "privilege-change", "second-factor-exception"),
    *("mass-change", "late-entries", "trail-check", "schema-change", "clock-step", "backup-failed"),
    *("backup-overdue", "detection-weakened", "incident-clock", "oversight-removed"),
)
"""The names of the rules, written out: a name that is not among them is not sent."""
_STATES: Final = ("new", "in_review", "explained", "incident")

FIELDS: Final[Mapping[str, Field]] = {
    "alert_id": _id("the alert"),
    "incident_id": _id("the incident"),
    "home_id": _id("the home, if it concerns one"),
    "webhook_id": _id("the endpoint"),
    "rule": _one_of("the rule that found it", *RULES),
    "severity": _one_of("how grave it is", "low", "medium", "high", "critical"),
    "status": _one_of("its status now", *_STATES, "open", "closed"),
    "was": _one_of("its status before", *_STATES, "open", "closed"),
    "nature": _one_of("what was opened", "incident", "near_miss"),
    "clock": _one_of("which deadline", "72h", "12h"),
    "hours": _number("how many hours of it are over"),
    "count": _number("how many times so far"),
    "due_at": _instant("when the deadline ends"),
    "at": _instant("when it happened"),
    "link": Field(
        "where more is told, below this service's address, to who may read it",
        {"type": "string", "pattern": f"^{_LINK.pattern}$"},
        lambda v: isinstance(v, str) and _LINK.fullmatch(v) is not None,
    ),
}

EVENTS: Final[Mapping[str, Event]] = {
    "alert.raised": Event(
        "A rule found something unusual.",
        ("alert_id", "rule", "severity", "status", "home_id", "count", "at", "link"),
    ),
    "alert.changed": Event(
        "Somebody took an alert up, explained it or made an incident of it, or it became graver.",
        ("alert_id", "rule", "severity", "status", "was", "home_id", "count", "at", "link"),
    ),
    "incident.opened": Event(
        "An incident or a near miss was opened.",
        ("incident_id", "alert_id", "nature", "status", "home_id", "due_at", "at", "link"),
    ),
    "incident.changed": Event(
        "An incident was assessed, closed or reopened, or its next deadline moved or ended.",
        ("incident_id", "nature", "status", "was", "home_id", "due_at", "at", "link"),
    ),
    "incident.clock": Event(
        "Hours of a deadline for telling somebody of an incident are over.",
        ("incident_id", "clock", "hours", "due_at", "home_id", "at", "link"),
    ),
    "webhook.test": Event("Somebody asked for a message to see whether it arrives.", ("webhook_id", "link")),
}


def refuse_personal(event: str, data: Mapping[str, Any]) -> None:
    """Refuse data of an event that is anything but ids, enumerated words, numbers, instants and a path.

    Raises:
        PayloadRefusedError: The event, a field or a value is none of the catalogue's. Values are not told.
    """
    if event not in EVENTS:
        raise PayloadRefusedError("no such event in app/webhooks/catalogue.py")
    for name, value in data.items():
        if name not in EVENTS[event].fields:
            raise PayloadRefusedError(f"{event} has no such field: see app/webhooks/catalogue.py")
        if value is not None and not FIELDS[name].check(value):
            raise PayloadRefusedError(f"{event}: {name} is {FIELDS[name].about}, and this is none")
