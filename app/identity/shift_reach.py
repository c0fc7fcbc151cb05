"""Which shifts of a user a caller reaches with a permission: to plan them, to end the sessions in them.

It is those of a home for which the caller holds it whole, or those in a role that the user has where the
caller holds it. A shift in a role that was taken from its user is left to those who have the whole home.
"""

from sqlalchemy import ColumnElement, and_, or_, true

from app.access.agent import Agent, Place
from app.access.policy import allowed_at
from app.identity.account_rows import assignments_of
from app.identity.rows import AccountRow, ShiftRow
from app.identity.shift_rows import may_roster
from app.identity.table import shift


def reaches_shift(agent: Agent, permission: str, account: AccountRow, row: ShiftRow) -> bool:
    """Say whether the agent reaches a shift of a user."""
    whole = allowed_at(agent, permission, Place(row.home_id))
    return whole or (row.home_id, row.role) in _reached(agent, permission, account)


def shifts_within(agent: Agent, permission: str, account: AccountRow) -> ColumnElement[bool]:
    """Return the same for a query of a user's shifts."""
    whole = [g.home_id for g in agent.grants if permission in g.may and g.covers(Place(g.home_id))]
    if None in whole:
        return true()
    c = shift.c
    reached = sorted(_reached(agent, permission, account))
    parts = [and_(c.home_id == home, c.role == role) for home, role in reached]
    return or_(c.home_id.in_(sorted({home for home in whole if home is not None})), *parts)


def _reached(agent: Agent, permission: str, account: AccountRow) -> set[tuple[str, str]]:
    """Return homes and roles of the assignments of a user where the agent holds the permission."""
    assigned = [a for a in assignments_of(account) if may_roster(agent, [permission], a)]
    return {(a.home_id, a.role) for a in assigned if a.home_id is not None}
