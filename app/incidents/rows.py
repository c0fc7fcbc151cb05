"""Rows of incidents and of what belongs to one, which the trail knows.

All are bound and sealed under the organisation's key.
"""

from typing import Any, Final, NamedTuple, TypeVar

import orjson
from sqlalchemy import Table

from app.access.bound_rows import BoundTables
from app.access.opened import Opened
from app.incidents.table import (
    incident,
    incident_action,
    incident_assessment,
    incident_history,
    incident_notification,
    incident_warning,
)
from app.vault.sealing import Place


class IncidentRow(NamedTuple):
    """An incident or a near miss. `state` covers the columns before it."""

    id: str
    org: str
    home_id: str | None
    nature: str
    kind: str
    status: str
    opened_at: str
    opened_by: str
    occurred_at: str | None
    ended_at: str | None
    detected_at: str | None
    became_aware_at: str | None
    ongoing: str
    system_fault: str
    confidentiality: str
    integrity: str
    availability: str
    categories: str
    people_affected: int | None
    alerts: str
    concerned: str
    texts: bytes
    decision: str | None
    ico_told_at: str | None
    management_told_at: str | None
    closed_at: str | None
    closed_by: str | None
    version: int
    state: bytes

    @property
    def alert_ids(self) -> list[str]:
        """Return the alerts that belong to it."""
        return list(orjson.loads(self.alerts))

    @property
    def concerned_ids(self) -> list[str]:
        """Return whose behaviour it is about: they neither see nor change it."""
        return list(orjson.loads(self.concerned))

    @property
    def category_names(self) -> list[str]:
        """Return the categories of data it touches."""
        return list(orjson.loads(self.categories))


class HistoryRow(NamedTuple):
    """An instant corrected, or a turn of an incident's status. `state` covers the columns before it."""

    id: str
    org: str
    incident_id: str
    what: str
    was: str | None
    became: str | None
    reason: bytes | None
    by: str
    at: str
    version: int
    state: bytes


class AssessmentRow(NamedTuple):
    """One scoring on the grid, with the decision. `state` covers the columns before it."""

    id: str
    org: str
    incident_id: str
    edition: str
    likelihood: int
    impact: int
    vulnerable: str
    special: str
    counted_likelihood: int
    counted_impact: int
    proposal: str
    decision: str | None
    reasons: bytes
    by: str
    at: str
    version: int
    state: bytes


class NotificationRow(NamedTuple):
    """Somebody was told. `state` covers the columns before it."""

    id: str
    org: str
    incident_id: str
    recipient: str
    told_at: str
    people: int | None
    texts: bytes
    replaced_by: str | None
    by: str
    at: str
    version: int
    state: bytes


class ActionRow(NamedTuple):
    """Something to be done. `state` covers the columns before it."""

    id: str
    org: str
    incident_id: str
    owner_id: str | None
    due_on: str | None
    what: bytes
    by: str
    at: str
    done_at: str | None
    done_by: str | None
    outcome: bytes | None
    version: int
    state: bytes


class WarningRow(NamedTuple):
    """A warning of a clock that was given. `state` covers the columns before it."""

    id: str
    org: str
    incident_id: str
    clock: str
    mark: int
    counted_from: str
    due_at: str
    given_at: str
    version: int
    state: bytes


Row = TypeVar("Row", HistoryRow, AssessmentRow, NotificationRow, ActionRow, WarningRow)
TABLES: Final[dict[type[Any], Table]] = {
    IncidentRow: incident,
    HistoryRow: incident_history,
    AssessmentRow: incident_assessment,
    NotificationRow: incident_notification,
    ActionRow: incident_action,
    WarningRow: incident_warning,
}
_ROWS = BoundTables(TABLES)
row_state, found, read, sound = _ROWS.state, _ROWS.found, _ROWS.read, _ROWS.sound
enter, enter_beside, amend, amend_beside = _ROWS.enter, _ROWS.enter_beside, _ROWS.amend, _ROWS.amend_beside


def box_place(org: str, row_id: str, field: str) -> Place:
    """Return where a sealed field of such a row belongs; which version of it, the row's digest says."""
    return Place(org, org, row_id, field, 1)


def of_incident(opened: Opened, kind: type[Row], incident_id: str) -> list[Row]:
    """Return the rows of a kind that belong to an incident, in the order they were made."""
    return found(opened, kind, TABLES[kind].c.incident_id == incident_id)
