"""Whose accounts a caller reaches.

A user is reached where one of their assignments lies: at a home, or unit, at which the caller holds the
permission. Assignments for the whole organisation are reached only from the whole organisation. An
account without assignments belongs to nobody's home yet, so every `users:manage` reaches it.
"""

from collections.abc import Iterable

from app.access.agent import Agent, Place
from app.access.opened import Opened
from app.access.policy import allowed_at
from app.core.errors import ForbiddenError, HiddenError, NotFoundError
from app.identity.account_rows import account_by_id, assignments_of, homes_of
from app.identity.assignments import Assignment
from app.identity.rows import AccountRow

READERS = ("users:manage", "shifts:manage")
"""Each of these lets a user be read."""


def reaches(agent: Agent, permission: str, assignments: Iterable[Assignment]) -> bool:
    """Say whether a permission of the agent reaches someone with these assignments."""
    assigned = tuple(assignments)
    if not assigned:
        return any("users:manage" in grant.may for grant in agent.grants)
    return any(allowed_at(agent, permission, Place(a.home_id, a.unit)) for a in assigned)


def may_read(agent: Agent, row: AccountRow) -> bool:
    """Say whether the agent may read a user."""
    assigned = assignments_of(row)
    return any(reaches(agent, permission, assigned) for permission in READERS)


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


def readable_account(opened: Opened, user_id: str) -> AccountRow:
    """Return the account the caller wants to read, or answer that there is nothing."""
    row = account_by_id(opened, user_id)
    if row is None:
        raise NotFoundError(why="user-not-found")
    if not may_read(opened.agent, row):
        raise HiddenError(why="out-of-scope")
    opened.concerns(*homes_of(assignments_of(row)))
    return row
