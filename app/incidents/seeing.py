"""Who may see an incident, and change it.

Whoever manages incidents where it happened; one of the whole organisation takes somebody who does so for
the whole organisation. Whose behaviour it is about neither sees nor changes it, whatever they hold: to them
it is not there. The same goes for whom a freeze names, for as long as it stands because of the incident.
"""

from typing import Any

from sqlalchemy import ColumnElement

from app.access.agent import Place
from app.access.opened import Opened
from app.core.errors import ConflictError, HiddenError, NotFoundError
from app.incidents.rows import IncidentRow, found
from app.incidents.table import incident
from app.trail.freezing import freezes

MANAGE = "incidents:manage"
CLOSED = "This incident is closed. Open it again first, with your reason."


def find(opened: Opened, incident_id: str) -> IncidentRow:
    """Return an incident the caller may see, and note where it is for the entry.

    Raises:
        NotFoundError: There is none.
        HiddenError: It is out of the caller's scope, about the caller, or a freeze of it names them.
        SealBrokenError: Its row was changed behind the service's back.
    """
    rows = found(opened, IncidentRow, incident.c.id == incident_id)
    if not rows:
        raise NotFoundError(why="incident-not-found")
    row = rows[0]
    if not in_scope(opened, row):
        raise HiddenError(why="out-of-scope")
    if opened.agent.id in row.concerned_ids:
        raise HiddenError(why="own-incident")
    if row.id in _frozen_out(opened):
        raise HiddenError(why="own-containment")
    opened.note.homes = homes_of(row)
    return row


def find_open(opened: Opened, incident_id: str) -> IncidentRow:
    """Return an incident the caller may change.

    Raises:
        ConflictError: It is closed.
    """
    row = find(opened, incident_id)
    if row.status != "open":
        raise ConflictError(CLOSED, why="incident-closed")
    return row


def in_scope(opened: Opened, row: IncidentRow) -> bool:
    """Say whether the caller manages incidents where this one is."""
    return opened.allows(MANAGE, Place(row.home_id))


def homes_of(row: IncidentRow) -> tuple[str, ...]:
    """Return the homes an entry about an incident names; none where it is the whole organisation's."""
    return () if row.home_id is None else (row.home_id,)


def reached(opened: Opened) -> list[ColumnElement[Any]]:
    """Return the conditions of a list: the homes the caller manages incidents at, nothing about them."""
    theirs = ~incident.c.concerned.contains(opened.agent.id), incident.c.id.not_in(_frozen_out(opened))
    homes = opened.agent.homes_of(MANAGE)  # of a unit or named residents: not what happened to a home
    return [*theirs] if homes is None else [*theirs, incident.c.home_id.in_(sorted(homes))]


def _frozen_out(opened: Opened) -> list[str]:
    """Return the incidents because of which a freeze of the caller stands."""
    return [row.incident_id for row in freezes(opened) if opened.agent.id in row.users]
