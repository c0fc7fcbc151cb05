"""Who of an organisation holds a permission, and where: of every active account, not only of the caller.

Of an agency nobody is counted: they hold what their shift gives them, for as long as it lasts.
"""

from collections.abc import Mapping

from sqlalchemy import bindparam, select

from app.access.agent import Agent, Grant
from app.access.opened import Opened
from app.identity.account_rows import ACCOUNT_COLUMNS, assignments_of
from app.identity.granting import roles_of
from app.identity.recognising import Role
from app.identity.rows import AccountRow
from app.identity.table import account

_ACTIVE = select(*ACCOUNT_COLUMNS).where(account.c.org == bindparam("of"), account.c.active.is_(True))


def active_accounts(opened: Opened) -> list[AccountRow]:
    """Return every active account of the caller's organisation."""
    return [AccountRow._make(one) for one in opened.execute(_ACTIVE, {"of": opened.org}).all()]


def grants_of(row: AccountRow, roles: Mapping[str, Role]) -> tuple[Grant, ...]:
    """Return what an account of staff was granted; nothing for one of an agency."""
    assigned = [(one, roles[one.role]) for one in assignments_of(row) if one.role in roles]
    return tuple(
        Grant(role.name, role.may, one.home_id, one.unit, _named(one.resident_ids))
        for one, role in assigned
        if role.kind == row.kind == "staff"
    )


def holders_of(opened: Opened, permission: str) -> dict[str, Agent]:
    """Return everybody whose account holds a permission somewhere, each with the grants that give it."""
    roles, found = roles_of(opened), {}
    for row in active_accounts(opened):
        grants = tuple(grant for grant in grants_of(row, roles) if permission in grant.may)
        if grants:
            found[row.id] = Agent(opened.org, row.id, "user", grants)
    return found


def _named(residents: tuple[str, ...] | None) -> frozenset[str] | None:
    return frozenset(residents) if residents is not None else None
