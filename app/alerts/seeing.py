"""Who sees an alert, and so may look into it.

`alerts:manage` where it happened: at one of its homes, or for the whole organisation. Never whoever it is
about; to them it is not there. Where an alert is about everybody who could see it - one source that all of
them sign in from - those who hold the permission for the whole organisation do after all, but for the person
whose behaviour it is.

What is not there: an alert about the one person who could look into it is seen by nobody over the API.
"""

from functools import cached_property
from typing import Final

from app.access.agent import Agent, Place
from app.access.opened import Opened
from app.access.policy import allowed_at
from app.alerts import rows
from app.alerts.rows import AlertRow
from app.alerts.table import alert
from app.core.errors import HiddenError, NotFoundError
from app.core.identifiers import is_id
from app.identity.holders import holders_of

MANAGE: Final = "alerts:manage"


class Viewer:
    """The caller of one work, and which alerts they see."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._agent = opened.agent

    @property
    def homes(self) -> frozenset[str] | None:
        """Return the homes whose alerts they see; None: those of the whole organisation.

        An alert knows homes, not units: who may look into a unit's only sees none.
        """
        return self._agent.homes_of(MANAGE)

    def sees(self, row: AlertRow) -> bool:
        """Say whether they see an alert."""
        if not reaches(self._agent, row):
            return False
        if self._agent.id not in row.concerned_ids:
            return True
        return row.user_id != self._agent.id and self.homes is None and not self._others(row)

    def holds(self, user_id: str, row: AlertRow) -> bool:
        """Say whether somebody of the organisation could look into an alert: as its owner, say."""
        agent = self._holders.get(user_id)
        return agent is not None and reaches(agent, row) and user_id not in row.concerned_ids

    def _others(self, row: AlertRow) -> bool:
        return any(self.holds(user_id, row) for user_id in self._holders)

    @cached_property
    def _holders(self) -> dict[str, Agent]:
        """Return everybody whose account holds the permission somewhere. Of an agency nobody does."""
        return holders_of(self._opened, MANAGE)


def reaches(agent: Agent, row: AlertRow) -> bool:
    """Say whether somebody holds `alerts:manage` where an alert belongs."""
    homes = row.home_ids
    if not homes:
        return any(MANAGE in grant.may and grant.whole_organisation for grant in agent.grants)
    return any(allowed_at(agent, MANAGE, Place(home)) for home in homes)


def find_alert(opened: Opened, alert_id: str) -> AlertRow:
    """Return an alert the caller sees, if the row is the one the trail knows.

    Raises:
        NotFoundError: There is none.
        HiddenError: There is, out of the caller's reach or about the caller: no word tells which.
        SealBrokenError: Somebody changed the row behind the service's back.
    """
    found = rows.found(opened, AlertRow, alert.c.id == alert_id) if is_id(alert_id) else []
    if not found:
        raise NotFoundError(why="alert-not-found")
    [row] = found
    if not Viewer(opened).sees(row):
        raise HiddenError(why="out-of-scope")
    return row
