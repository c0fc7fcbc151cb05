"""The clocks of an incident's row, and which of them still run."""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_

from app.core.clock import parse
from app.incidents.clocks import Clock, since
from app.incidents.rows import IncidentRow
from app.incidents.table import incident

_c = incident.c
_aware_since = func.coalesce(_c.became_aware_at, _c.opened_at)
_detected_at = func.coalesce(_c.detected_at, _c.became_aware_at, _c.opened_at)
_ico_waits = and_(
    _c.nature == "incident", _c.ico_told_at.is_(None), or_(_c.decision.is_(None), _c.decision != "none")
)
_management_waits = _c.management_told_at.is_(None)


def clocks_of(row: IncidentRow) -> tuple[Clock, ...]:
    """Return the clocks that apply to an incident: a near miss has the one of the management only."""
    detected = row.detected_at or row.became_aware_at
    opened_at = parse(row.opened_at)
    inside = Clock("12h", since(_parsed(detected), opened_at), _parsed(row.management_told_at))
    if row.nature == "near_miss":
        return (inside,)
    outside = Clock(
        "72h",
        since(_parsed(row.became_aware_at), opened_at),
        _parsed(row.ico_told_at),
        decided=row.decision == "none",
    )
    return (outside, inside)


def clock_for(row: IncidentRow, recipient: str) -> Clock | None:
    """Return the clock that telling a recipient is held against: the DSPT's tool passes on to the ICO."""
    name = {"ico": "72h", "dspt": "72h", "senior_management": "12h"}.get(recipient)
    return next((clock for clock in clocks_of(row) if clock.name == name), None)


def waiting_since(ico_before: str, management_before: str) -> ColumnElement[bool]:
    """Return the condition of an open incident of which a clock runs that counts from before an instant."""
    return and_(
        _c.status == "open",
        or_(
            and_(_ico_waits, _aware_since <= ico_before),
            and_(_management_waits, _detected_at <= management_before),
        ),
    )


def _parsed(spelled: str | None) -> datetime | None:
    return parse(spelled) if spelled is not None else None
