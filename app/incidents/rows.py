"""Rows of incidents and of what belongs to one: read, bound to the trail, written.

All are bound and sealed under the organisation's key.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, TypeVar

import orjson
from sqlalchemy import Table, bindparam, insert, select, update

from app.access.opened import FieldChange, Opened
from app.core.errors import AlteredRow
from app.incidents.table import (
    incident,
    incident_action,
    incident_assessment,
    incident_history,
    incident_notification,
    incident_warning,
)
from app.vault.sealing import DataKey, Place, StateKey, refuse_altered


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


AnyRow = IncidentRow | HistoryRow | AssessmentRow | NotificationRow | ActionRow | WarningRow
Row = TypeVar("Row", IncidentRow, HistoryRow, AssessmentRow, NotificationRow, ActionRow, WarningRow)
TABLES: Final[dict[type[AnyRow], tuple[str, Table]]] = {
    IncidentRow: ("incident", incident),
    HistoryRow: ("incident_history", incident_history),
    AssessmentRow: ("incident_assessment", incident_assessment),
    NotificationRow: ("incident_notification", incident_notification),
    ActionRow: ("incident_action", incident_action),
    WarningRow: ("incident_warning", incident_warning),
}
_INSERTS = {kind: insert(table) for kind, (_, table) in TABLES.items()}
_UPDATES = {
    kind: (
        update(table)
        .where(
            table.c.org == bindparam("of"),
            table.c.id == bindparam("which"),
            table.c.version == bindparam("was_version"),
        )
        .values({name: bindparam(name) for name in kind._fields if name not in ("org", "id")})
    )
    for kind, (_, table) in TABLES.items()
}


def row_state(key: DataKey | StateKey, row: AnyRow) -> bytes:
    """Return the keyed digest of a row. The key is the organisation's."""
    return key.state(TABLES[type(row)][0], row[:-1])


def box_place(org: str, row_id: str, field: str) -> Place:
    """Return where a sealed field of such a row belongs; which version of it, the row's digest says."""
    return Place(org, org, row_id, field, 1)


def found(opened: Opened, kind: type[Row], *conditions: Any) -> list[Row]:
    """Return rows of the caller's organisation in the order they were made, each the one the trail knows.

    Raises:
        SealBrokenError: Somebody changed one behind the service's back.
    """
    table = TABLES[kind][1]
    columns = [table.c[field] for field in kind._fields]
    query = select(*columns).where(table.c.org == opened.org, *conditions).order_by(table.c.id)
    return vouched(opened, kind, opened.execute(query).all())


def vouched(opened: Opened, kind: type[Row], rows: Iterable[Any]) -> list[Row]:
    """Return rows as they were read, if each is the one the trail knows.

    Raises:
        SealBrokenError: Somebody changed one behind the service's back.
    """
    made, key = [kind._make(row) for row in rows], opened.organisation_key()
    for row in made:
        refuse_altered(row.state, row_state(key, row), AlteredRow(TABLES[kind][0], row.id))
    return made


def of_incident(opened: Opened, kind: type[Row], incident_id: str) -> list[Row]:
    """Return the rows of a kind that belong to an incident, in the order they were made."""
    return found(opened, kind, TABLES[kind][1].c.incident_id == incident_id)


def enter(opened: Opened, row: Row, changes: dict[str, Any]) -> Row:
    """Have a new row written and noted for the entry, which is about it."""
    bound: Row = row._replace(state=row_state(opened.organisation_key(), row))
    opened.change(_INSERTS[type(row)], bound._asdict())
    _note(opened, bound, [FieldChange(name, None, value) for name, value in changes.items()])
    return bound


def enter_beside(opened: Opened, row: Row) -> Row:
    """Have a new row written that goes with what the entry is about."""
    bound: Row = row._replace(state=row_state(opened.organisation_key(), row))
    opened.change(_INSERTS[type(row)], bound._asdict())
    _tell(opened, bound)
    return bound


def amend(opened: Opened, was: Row, changes: dict[str, Any], **changed: Any) -> Row:
    """Have a row's next version written and noted for the entry, which is about it.

    Args:
        opened: The attempt that does it.
        was: The row as read in this transaction.
        changes: Fields before and after, as pairs, in plain: the entry seals them.
        changed: The columns and their new values.
    """
    row = _next_version(opened, was, **changed)
    _note(opened, row, [FieldChange(name, *pair) for name, pair in changes.items()])
    return row


def amend_beside(opened: Opened, was: Row, **changed: Any) -> Row:
    """Have a row's next version written that goes with what the entry is about."""
    row = _next_version(opened, was, **changed)
    _tell(opened, row)
    return row


def _next_version(opened: Opened, was: Row, **changed: Any) -> Row:
    row: Row = was._replace(**changed, version=was.version + 1)
    row = row._replace(state=row_state(opened.organisation_key(), row))
    values = {name: value for name, value in row._asdict().items() if name not in ("org", "id")}
    opened.change(_UPDATES[type(row)], values | {"of": row.org, "which": row.id, "was_version": was.version})
    return row


def _note(opened: Opened, row: AnyRow, changes: list[FieldChange]) -> None:
    owner = (opened.org, opened.organisation_key())
    opened.changed(TABLES[type(row)][0], row.id, row.version, row.state, changes, owner)


def _tell(opened: Opened, row: AnyRow) -> None:
    told = {"t": TABLES[type(row)][0], "id": row.id, "ver": row.version, "state": row.state.hex()}
    opened.note.members.setdefault("rows", []).append(told)
