"""Whoever came after an incident about somebody does not make it go away.

A manager whom an incident is about can end the account of the officer who recorded it, and make a new one
in the same role or give the role to one that is there. So an account that is younger than an incident about
somebody, or was given its rights since by whom it is about or by such a young account, reads it and adds to
it. It does not close it, open it again, call it a near miss, decide that nobody has to be told, move its
clocks, change whom it is about, or end a freeze older than itself.

Since when somebody may do what they may their account does not say; the trail does. What this cannot tell:
an account or a role that was there before, for the day it is needed.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import select

from app.access.opened import Opened
from app.audit import indexing, reading
from app.audit.reading import Wanted
from app.core.errors import AuditUnavailableError, ForbiddenError
from app.identity.table import account
from app.incidents.concern import alerts_of
from app.incidents.rows import IncidentRow
from app.trail.events import MOST_CAUGHT_UP
from app.trail.freezing import ContainmentRow

YOUNGER: Final = (
    "This is about somebody, and your account, or what it may do, is younger than it: you may read it and add"
    " to it, and not end it or take from it. Have this done by somebody whose account is older, or ask the"
    " operator, who can let them back in from the command line."
)
_RIGHTS: Final = ("user.update", "assignments")
"""The act by which an account is given rights, and the field that says so."""
_AT_ONCE: Final = 200


def refuse_younger(opened: Opened, row: IncidentRow, shut: Sequence[ContainmentRow]) -> None:
    """Refuse a caller who came after an incident that is about somebody.

    Args:
        opened: The attempt that would end it, or take from it. Its work has SQL of its own.
        row: The incident as it is before.
        shut: What was shut because of it: it is about whom that names, too.

    Raises:
        ForbiddenError: It is about somebody, and they came later.
        AuditUnavailableError: The index is too far behind to say.
    """
    _refuse(opened, _people(opened, row, shut), row.opened_at)


def refuse_younger_than_freeze(opened: Opened, row: IncidentRow, shut: Sequence[ContainmentRow]) -> None:
    """Refuse to end freezes that are about somebody, or whose incident is, to who came after one of them.

    Raises:
        ForbiddenError: They are, and the caller came later.
        AuditUnavailableError: The index is too far behind to say.
    """
    for one in shut:
        _refuse(opened, _people(opened, row, [one]), one.made_at)


def _people(opened: Opened, row: IncidentRow, shut: Sequence[ContainmentRow]) -> set[str]:
    """Return whom an incident is about, as far as anything of it says."""
    of_alerts = (one for found in alerts_of(opened, row.alert_ids) for one in found.concerned_ids)
    return {*row.concerned_ids, *of_alerts, *(one for each in shut for one in each.users)}


def _refuse(opened: Opened, people: Collection[str], since: str) -> None:
    caller = opened.facts.account
    if not people or caller is None:
        return
    if caller.created_at > since:
        raise ForbiddenError(YOUNGER, why="younger-account")
    givers = set(_givers(opened, caller.id, since))
    if givers & set(people) or _any_younger(opened, givers, since):
        raise ForbiddenError(YOUNGER, why="younger-rights")


def _givers(opened: Opened, user_id: str, since: str) -> Iterator[str]:
    """Yield who changed what somebody may do, after an instant."""
    if indexing.catch_up(opened.connection(), opened.org, MOST_CAUGHT_UP):
        raise AuditUnavailableError(why="index-behind")
    act, field = _RIGHTS
    wanted, before = Wanted(since, act=act, out="ok"), None
    while True:
        page = reading.page(opened.connection(), opened.org, wanted, before, _AT_ONCE)
        for event in (orjson.loads(entry.line)["e"] for entry in page.entries):
            if event["obj"].get("id") == user_id and field in _changed(event):
                yield event["actor"]["id"]
        before = page.next
        if before is None:
            return


def _changed(event: dict[str, Any]) -> set[str]:
    return {change["f"] for change in event.get("chg", ())}


def _any_younger(opened: Opened, user_ids: Collection[str], since: str) -> bool:
    c = account.c
    query = select(c.id).where(c.org == opened.org, c.id.in_(sorted(user_ids)), c.created_at > since)
    return bool(user_ids) and opened.execute(query).first() is not None
