"""Rows of access requests, retention rules and reviews, which the trail knows.

All are bound and sealed under the organisation's key: they outlive the resident they are about.
"""

from typing import Any, NamedTuple, TypeVar

from app.access.bound_rows import BoundTables
from app.access.opened import Opened
from app.residents.table import access_request, retention_review, retention_rule
from app.vault.sealing import Place


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


Row = TypeVar("Row", RequestRow, RuleRow, ReviewRow)
_ROWS = BoundTables({RequestRow: access_request, RuleRow: retention_rule, ReviewRow: retention_review})
row_state, found, amend_beside = _ROWS.state, _ROWS.found, _ROWS.amend_beside


def box_place(org: str, row_id: str, field: str) -> Place:
    """Return where a sealed field of such a row belongs; each is written once."""
    return Place(org, org, row_id, field, 1)


def enter(opened: Opened, row: Row, changes: dict[str, Any]) -> Row:
    """Have a new row written and noted for the entry."""
    made = _ROWS.enter(opened, row, changes)
    _disclose(opened, made)
    return made


def amend(opened: Opened, was: Row, **changed: Any) -> Row:
    """Have a row's next version written and noted for the entry, which tells the plain columns."""
    plain = {name: value for name, value in changed.items() if not isinstance(value, bytes)}
    told = {name: (getattr(was, name), value) for name, value in plain.items()}
    row = _ROWS.amend(opened, was, told, **changed)
    _disclose(opened, row)
    return row


def _disclose(opened: Opened, row: RequestRow | RuleRow | ReviewRow) -> None:
    if not isinstance(row, RuleRow):
        opened.discloses(row.resident_id)
