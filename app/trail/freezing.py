"""Whether exports are frozen, and for whom: asked by every export before each of its pieces.

Whoever contains a breach freezes them (`incidents.containment`); exports lie below incidents, so the table
(`trail.table`) and the question lie here, beneath all of them. A freeze takes effect on the next piece: an
export that is under way breaks off. A row that freezes is bound to the trail like every other.

Source: app/decisions/0032-breach-pack.md.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import bindparam, select

from app.access.opened import Opened
from app.core.errors import AlteredRow, ForbiddenError
from app.trail.table import containment
from app.vault.bound_columns import BoundColumns
from app.vault.sealing import DataKey, StateKey, refuse_altered

NONE, USERS, ORGANISATION = "none", "users", "organisation"
IN_FORCE: Final = "in_force"
FROZEN: Final = (
    "Exports are frozen while an incident is looked into. Ask whoever manages it: they can lift the freeze,"
    " or hand you the pack of the incident."
)
MOST_WHILE_FROZEN: Final = 50
"""Entries a list or a search hands over at once while exports are frozen, and no second page."""
ONE_PAGE: Final = (
    "Exports are frozen while an incident is looked into: of the trail you are shown one page of at most"
    f" {MOST_WHILE_FROZEN} entries, and nothing after it. Narrow what you ask for, or ask whoever manages the"
    " incident: they can lift the freeze, or hand you the pack of it."
)


class ContainmentRow(NamedTuple):
    """What was shut because of an incident. `state` covers the columns before it."""

    id: str
    org: str
    incident_id: str
    user_ids: str
    acts: str
    frozen: str
    status: str
    reason: bytes
    made_by: str
    made_at: str
    lift_reason: bytes | None
    lifted_by: str | None
    lifted_at: str | None
    version: int
    state: bytes

    @property
    def users(self) -> list[str]:
        """Return whom it concerns."""
        return list(orjson.loads(self.user_ids))

    @property
    def done(self) -> list[str]:
        """Return what was done to each of them: `end_sessions`, `deactivate`."""
        return list(orjson.loads(self.acts))


CONTAINMENT_COLUMNS: Final = tuple(containment.c[name] for name in ContainmentRow._fields)
_BOUND: Final = BoundColumns("containment", containment, ContainmentRow._fields[:-1])
_FREEZING = select(*CONTAINMENT_COLUMNS).where(
    containment.c.org == bindparam("org"),
    containment.c.status == IN_FORCE,
    containment.c.frozen != NONE,
)


def containment_state(key: DataKey | StateKey, row: ContainmentRow) -> bytes:
    """Return the keyed digest of a containment's row. The key is the organisation's."""
    return _BOUND.digest(key, row[:-1])


def freezes(opened: Opened) -> list[ContainmentRow]:
    """Return what freezes exports of the caller's organisation now, each row as the trail knows it.

    Raises:
        SealBrokenError: Somebody changed one behind the service's back.
    """
    return vouched(opened, opened.execute(_FREEZING, {"org": opened.org}).all())


def vouched(opened: Opened, found: Iterable[Any]) -> list[ContainmentRow]:
    """Return rows that were read, each as the trail knows it.

    Raises:
        SealBrokenError: Somebody changed one behind the service's back.
    """
    rows = [ContainmentRow._make(one) for one in found]
    for row in rows:
        right = containment_state(opened.organisation_key(), row)
        refuse_altered(row.state, right, AlteredRow("containment", row.id))
    return rows


def refuse_frozen(opened: Opened) -> None:
    """Refuse an export, or a further piece of one, while exports are frozen for this caller.

    Raises:
        ForbiddenError: They are: for everybody, or for this person.
    """
    if _frozen(opened):
        raise ForbiddenError(FROZEN, why="exports-frozen")


def refuse_paging_frozen(opened: Opened, count: int, cursor: str | None) -> None:
    """Refuse a large page of the trail, or a further one, while exports are frozen for this caller.

    Page by page the whole trail could be carried off as well as by an export.

    Args:
        opened: The attempt.
        count: How many entries are asked for.
        cursor: Where a further page begins.

    Raises:
        ForbiddenError: They are frozen, and this is more than the first page.
    """
    if (count > MOST_WHILE_FROZEN or cursor is not None) and _frozen(opened):
        raise ForbiddenError(ONE_PAGE, why="exports-frozen")


def refuse_contained(opened: Opened) -> None:
    """Refuse what stays open while exports are frozen to a person the freeze names.

    Raises:
        ForbiddenError: It is this person.
    """
    if any(opened.agent.id in row.users for row in freezes(opened)):
        raise ForbiddenError(FROZEN, why="exports-frozen")


def _frozen(opened: Opened) -> bool:
    return any(row.frozen == ORGANISATION or opened.agent.id in row.users for row in freezes(opened))
