"""Which residents a caller reaches with permissions, for a query: what the database may leave out.

It says of a resident's row what `Grant.covers` says of the place. Each row that is found is judged by the
policy all the same.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, and_, false, or_, true

from app.access.agent import AFTER_CARE_ROLES, Agent, Grant
from app.core.local_time import day_of
from app.residents.rows import AFTER_CARE
from app.residents.table import resident


def residents_within(
    agent: Agent, permissions: Iterable[str], at: datetime | None = None
) -> ColumnElement[bool]:
    """Return the condition of the residents at whose place the agent holds all permissions.

    Args:
        agent: Who asks.
        permissions: What for.
        at: The instant by which somebody left too long ago for most; None where that does not count.
    """
    # most who hold one of them hold the others by the same assignments: said once
    holding = dict.fromkeys(tuple(g for g in agent.grants if wanted in g.may) for wanted in permissions)
    return and_(true(), *(or_(false(), *(_covered(one, at) for one in grants)) for grants in holding))


def _covered(grant: Grant, at: datetime | None) -> ColumnElement[bool]:
    c = resident.c
    parts: list[ColumnElement[bool]] = []
    if grant.home_id is not None:
        parts.append(c.home_id == grant.home_id)
    if grant.unit is not None:
        parts.append(c.unit == grant.unit)
    if grant.residents is not None:
        parts.append(c.id.in_(sorted(grant.residents)))
    if at is not None and grant.role not in AFTER_CARE_ROLES:
        first_day = (day_of(at) - AFTER_CARE).isoformat()
        parts.append(or_(c.discharged_on.is_(None), c.discharged_on >= first_day))
    return and_(true(), *parts)
