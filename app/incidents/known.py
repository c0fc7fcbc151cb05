"""Which residents open incidents are about: for detection, which judges what is written after one.

An incident is about the residents of the alerts it was opened from. What its scope names is sealed and not
looked at here: detection opens nothing.
"""

from collections.abc import Callable, Iterable
from typing import Any

import orjson
from sqlalchemy import select

from app.alerts.table import alert
from app.core.clock import parse
from app.detection.facts import Happened
from app.incidents.table import incident

Execute = Callable[..., Any]


def open_incidents(execute: Execute, org: str, residents: Iterable[str]) -> dict[str, tuple[Happened, ...]]:
    """Return, for each resident an open incident is about, when it happened and since when it is known.

    Args:
        execute: Runs a statement, as `Opened.execute` does.
        org: The organisation.
        residents: Who is asked about.
    """
    c = incident.c
    query = (
        select(alert.c.residents, c.occurred_at, c.detected_at, c.became_aware_at, c.opened_at)
        .join(alert, (alert.c.org == c.org) & (alert.c.incident_id == c.id))
        .where(c.org == org, c.status == "open")
        .order_by(c.opened_at, c.id, alert.c.id)
    )
    asked, found = frozenset(residents), dict[str, dict[Happened, None]]()
    for told, occurred, detected, aware, opened in execute(query).all():
        known = aware or opened
        happened = Happened(_seconds(occurred or detected or known), _seconds(known))
        for resident in asked.intersection(orjson.loads(told)):
            found.setdefault(resident, {})[happened] = None
    return {resident: tuple(happened) for resident, happened in found.items()}


def _seconds(instant: str) -> float:
    return parse(instant).timestamp()
