"""Rows of access requests, retention rules and reviews: read, bound to the trail, written.

All are bound and sealed under the organisation's key: they outlive the resident they are about.
"""

from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Table, bindparam, insert, select, update

from app.access.opened import FieldChange, Opened
from app.core.errors import AlteredRow
from app.residents.table import access_request, retention_review, retention_rule
from app.vault.sealing import DataKey, Place, StateKey, refuse_altered


class RequestRow(NamedTuple):
    """A request for access. `state` covers the columns before it."""

    id: str
    org: str
    resident_id: str
    received_on: str
    due_on: str
    status: str
    opened_at: str
    answered_at: str | None
    reason: bytes | None
    version: int
    state: bytes


class RuleRow(NamedTuple):
    """One edition of a rule of a schedule. `state` covers the columns before it."""

    id: str
    org: str
    what: str
    edition: int
    since: str
    years: int
    action: str
    source: str
    set_at: str
    version: int
    state: bytes


class ReviewRow(NamedTuple):
    """What was decided of one resident's record. `state` covers the columns before it."""

    id: str
    org: str
    resident_id: str
    decision: str
    until: str | None
    status: str
    reason: bytes
    reviewer: bytes
    reviewed_at: str
    approver: bytes | None
    approved_at: str | None
    version: int
    state: bytes


AnyRow = RequestRow | RuleRow | ReviewRow
Row = TypeVar("Row", RequestRow, RuleRow, ReviewRow)
_TABLES: Final[dict[type[AnyRow], tuple[str, Table]]] = {
    RequestRow: ("access_request", access_request),
    RuleRow: ("retention_rule", retention_rule),
    ReviewRow: ("retention_review", retention_review),
}
_INSERTS = {kind: insert(table) for kind, (_, table) in _TABLES.items()}
_UPDATES = {
    kind: (
        update(table)
        .where(
            table.c.org == bindparam("of"),
            table.c.id == bindparam("which"),
            table.c.version == bindparam("was"),
        )
        .values({name: bindparam(name) for name in kind._fields if name not in ("org", "id")})
    )
    for kind, (_, table) in _TABLES.items()
}


def row_state(key: DataKey | StateKey, row: AnyRow) -> bytes:
    """Return the keyed digest of a row. The key is the organisation's."""
    return key.state(_TABLES[type(row)][0], row[:-1])


def box_place(org: str, row_id: str, field: str) -> Place:
    """Return where a sealed field of such a row belongs; each is written once."""
    return Place(org, org, row_id, field, 1)


def found(opened: Opened, kind: type[Row], *conditions: Any) -> list[Row]:
    """Return rows of the caller's organisation in the order they were made, each the one the trail knows.

    Raises:
        SealBrokenError: Somebody changed one behind the service's back.
    """
    name, table = _TABLES[kind]
    columns = [table.c[field] for field in kind._fields]
    query = select(*columns).where(table.c.org == opened.org, *conditions).order_by(table.c.id)
    rows = [kind._make(one) for one in opened.execute(query).all()]
    key = opened.organisation_key()
    for row in rows:
        altered = AlteredRow(name, row.id, getattr(row, "resident_id", None))
        refuse_altered(row.state, row_state(key, row), altered)
    return rows


def enter(opened: Opened, row: Row, changes: dict[str, Any]) -> Row:
    """Have a new row written and noted for the entry."""
    bound: Row = row._replace(state=row_state(opened.organisation_key(), row))
    opened.change(_INSERTS[type(row)], bound._asdict())
    _note(opened, bound, [FieldChange(name, None, value) for name, value in changes.items()])
    return bound


def amend(opened: Opened, was: Row, **changed: Any) -> Row:
    """Have a row's next version written and noted for the entry."""
    row = next_version(opened, was, **changed)
    plain = [name for name, value in changed.items() if not isinstance(value, bytes)]
    _note(opened, row, [FieldChange(name, getattr(was, name), changed[name]) for name in plain])
    return row


def amend_beside(opened: Opened, was: Row, **changed: Any) -> None:
    """Have a row's next version written, which is not what the entry is about but goes with it."""
    row = next_version(opened, was, **changed)
    told = {"t": _TABLES[type(row)][0], "id": row.id, "ver": row.version, "state": row.state.hex()}
    opened.note.members.setdefault("rows", []).append(told)


def next_version(opened: Opened, was: Row, **changed: Any) -> Row:
    """Have a row's next version written."""
    row: Row = was._replace(**changed, version=was.version + 1)
    row = row._replace(state=row_state(opened.organisation_key(), row))
    values = {name: value for name, value in row._asdict().items() if name not in ("org", "id")}
    opened.change(_UPDATES[type(row)], values | {"of": row.org, "which": row.id, "was": was.version})
    return row


def _note(opened: Opened, row: AnyRow, changes: list[FieldChange]) -> None:
    owner = (opened.org, opened.organisation_key())
    opened.changed(_TABLES[type(row)][0], row.id, row.version, row.state, changes, owner)
    if not isinstance(row, RuleRow):
        opened.discloses(row.resident_id)
