"""Whose accounts a caller reaches.

A user is reached where one of their assignments lies: at a home, or unit, at which the caller holds the
permission. Assignments for the whole organisation are reached only from the whole organisation. An
account without assignments belongs to nobody's home yet, so every `users:manage` reaches it.
"""

from collections.abc import Iterable

import orjson
from sqlalchemy import ColumnElement, and_, false, or_

from app.access.agent import Agent, Grant, Place
from app.access.opened import Opened
from app.access.policy import allowed_at
from app.core.errors import ForbiddenError, HiddenError, NotFoundError
from app.identity.account_rows import (
    account_by_id,
    assignments_of,
    homes_of,
    key_of,
    refuse_altered_account,
)
from app.identity.assignments import Assignment
from app.identity.rows import AccountRow
from app.identity.table import account

READERS = ("users:manage", "shifts:manage")
"""Each of these lets a user be read."""
_NOTHING = orjson.dumps([]).decode()


def reaches(agent: Agent, permission: str, assignments: Iterable[Assignment]) -> bool:
    """Say whether a permission of the agent reaches someone with these assignments."""
    assigned = tuple(assignments)
    if not assigned:
        return any("users:manage" in grant.may for grant in agent.grants)
    return any(allowed_at(agent, permission, Place(a.home_id, a.unit)) for a in assigned)


def may_read(agent: Agent, row: AccountRow, *also: str) -> bool:
    """Say whether the agent may read a user. `also` are permissions that let them, besides `READERS`."""
    assigned = assignments_of(row)
    return any(reaches(agent, permission, assigned) for permission in (*READERS, *also))


def readable_by(agent: Agent) -> ColumnElement[bool]:
    """Return what the database can tell of that: whom it leaves out the agent may not read.

    Assignments are kept as JSON, and it is looked for what names a home, and a unit, somewhere in it.
    """
    holding = [grant for grant in agent.grants if any(one in grant.may for one in READERS)]
    by_place = [_named(grant) for grant in holding if grant.residents is None]
    if any("users:manage" in grant.may for grant in holding):
        by_place.append(account.c.assignments == _NOTHING)
    return or_(false(), *by_place)


def _named(grant: Grant) -> ColumnElement[bool]:
    c = account.c.assignments
    names = [orjson.dumps(name).decode() for name in (grant.home_id, grant.unit) if name is not None]
    return and_(c != _NOTHING, *(c.contains(name, autoescape=True) for name in names))


def account_to(opened: Opened, user_id: str, permission: str, *, locked: bool = False) -> AccountRow:
    """Return the account the caller wants to do something to.

    Raises:
        NotFoundError: The organisation has no such user.
        HiddenError: It has, out of the caller's reach.
        ForbiddenError: The caller may read this user, but not do this to them.
    """
    row = account_by_id(opened, user_id, locked=locked)
    if row is None:
        raise NotFoundError(why="user-not-found")
    if reaches(opened.agent, permission, assignments_of(row)):
        opened.concerns(*homes_of(assignments_of(row)))
        return row
    if may_read(opened.agent, row):
        raise ForbiddenError(why="action-not-allowed")
    raise HiddenError(why="out-of-scope")


def readable_account(opened: Opened, user_id: str, *also: str) -> AccountRow:
    """Return the account the caller wants to read, or answer that there is nothing."""
    row = account_by_id(opened, user_id)
    if row is None:
        raise NotFoundError(why="user-not-found")
    if not may_read(opened.agent, row, *also):
        raise HiddenError(why="out-of-scope")
    opened.concerns(*homes_of(assignments_of(row)))
    return row


def look_at_account(opened: Opened, user_id: str, *also: str) -> None:
    """Answer that there is nothing unless the caller may read an account as it is now.

    Raises:
        SealBrokenError: It was changed behind the service's back: an assignment, by which that is judged.
    """
    row = readable_account(opened, user_id, *also)
    refuse_altered_account(key_of(opened, row), row)
