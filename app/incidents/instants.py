"""When it happened, was over, was noticed and known: each may be unknown, the others are in order. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from app.core.clock import spell
from app.core.errors import InvalidRequestError
from app.incidents.vocabulary import INSTANTS

_IN_ORDER = (
    ("occurred_at", "ended_at", "Must not lie before occurred_at."),
    ("occurred_at", "detected_at", "Must not lie before occurred_at: nothing is noticed before it happens."),
    ("occurred_at", "became_aware_at", "Must not lie before occurred_at."),
    ("detected_at", "became_aware_at", "Must not lie before detected_at: awareness follows the first sign."),
)


def refuse_disorder(values: Mapping[str, Any], at: datetime) -> None:
    """Refuse instants in the future, out of order, or an end of what still goes on.

    Raises:
        InvalidRequestError: With everything that is wrong.
    """
    errors = list(_faults(values, spell(at)))
    if errors:
        raise InvalidRequestError(*errors)


def in_order(values: Mapping[str, Any]) -> bool:
    """Say whether no instant lies before one it follows."""
    return not any(_misplaced(values))


def _faults(values: Mapping[str, Any], now: str) -> Iterator[tuple[str, str]]:
    for name in INSTANTS:
        if values[name] is not None and values[name] > now:
            yield f"/{name}", "Must not lie in the future."
    yield from _misplaced(values)
    if values["ongoing"] == "yes" and values["ended_at"] is not None:
        yield "/ended_at", "Leave it out while the incident goes on."


def _misplaced(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for first, then, rule in _IN_ORDER:
        if values[first] is not None and values[then] is not None and values[then] < values[first]:
            yield f"/{then}", rule
