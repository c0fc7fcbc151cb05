"""Rows of alerts, their steps, and what was set of rules: read, bound to the trail, written.

All are bound and sealed under the organisation's key.
"""

from typing import Any, Final, NamedTuple, TypeVar

import orjson
from sqlalchemy import Table, bindparam, insert, select, update

from app.access.opened import Opened
from app.alerts.table import alert, alert_rule, alert_step
from app.core.errors import AlteredRow, SealBrokenError
from app.vault.sealing import DataKey, Place, StateKey, refuse_altered

NEW: Final = "new"
IN_REVIEW: Final = "in_review"
EXPLAINED: Final = "explained"
INCIDENT: Final = "incident"
OPEN: Final = (NEW, IN_REVIEW)
"""An alert in these states takes in further findings about the same."""


class AlertRow(NamedTuple):
    """An alert. `state` covers the columns before it."""

    id: str
    org: str
    rule: str
    subject: str
    user_id: str | None
    concerned: str
    severity: str
    status: str
    owner_id: str | None
    findings: int
    raised_at: str
    first_at: str
    last_at: str
    entries: str
    homes: str
    residents: str
    story: bytes
    earlier_id: str | None
    incident_id: str | None
    version: int
    state: bytes

    @property
    def places(self) -> list[list[Any]]:
        """Return the entries it rests on: pairs of chain and number."""
        return list(orjson.loads(self.entries))

    @property
    def home_ids(self) -> list[str]:
        """Return which homes it concerns; none: the organisation."""
        return list(orjson.loads(self.homes))

    @property
    def resident_ids(self) -> list[str]:
        """Return which residents it concerns."""
        return list(orjson.loads(self.residents))

    @property
    def concerned_ids(self) -> list[str]:
        """Return whose doings it is about: they neither see nor review it."""
        return list(orjson.loads(self.concerned))


class StepRow(NamedTuple):
    """Something that happened to an alert, and how it was then. `state` covers the columns before it."""

    id: str
    org: str
    alert_id: str
    what: str
    at: str
    by: str
    alert_version: int
    severity: str
    was: str
    status: str
    owner_id: str | None
    findings: int
    comment: bytes | None
    finding: bytes | None
    version: int
    state: bytes


class RuleRow(NamedTuple):
    """What an organisation set of a rule. `state` covers the columns before it."""

    rule: str
    org: str
    enabled: bool
    thresholds: str
    set_by: str
    set_at: str
    reason: bytes
    version: int
    state: bytes


AnyRow = AlertRow | StepRow | RuleRow
Row = TypeVar("Row", AlertRow, StepRow, RuleRow)
_TABLES: Final[dict[type[AnyRow], tuple[str, Table, str]]] = {
    AlertRow: ("alert", alert, "id"),
    StepRow: ("alert_step", alert_step, "id"),
    RuleRow: ("alert_rule", alert_rule, "rule"),
}
_INSERTS = {kind: insert(table) for kind, (_, table, _) in _TABLES.items()}
_UPDATES = {
    kind: (
        update(table)
        .where(
            table.c.org == bindparam("of"),
            table.c[key] == bindparam("which"),
            table.c.version == bindparam("was_version"),
        )
        .values({name: bindparam(name) for name in kind._fields if name not in ("org", key)})
    )
    for kind, (_, table, key) in _TABLES.items()
}
_STANDS = (
    update(alert_step)
    .where(alert_step.c.org == bindparam("of"), alert_step.c.id == bindparam("which"))
    .values(entry=bindparam("seq"))
)


def row_state(key: DataKey | StateKey, row: AnyRow) -> bytes:
    """Return the keyed digest of a row. The key is the organisation's."""
    if isinstance(row, RuleRow):
        row = row._replace(enabled=bool(row.enabled))  # SQLite hands out numbers
    return key.state(_TABLES[type(row)][0], row[:-1])


def box_place(org: str, row_id: str, field: str, version: int = 1) -> Place:
    """Return where a sealed field of such a row belongs."""
    return Place(org, org, row_id, field, version)


def story_place(org: str, alert_id: str, findings: int) -> Place:
    """Return where the sealed sentence of an alert belongs: each finding brings its own."""
    return box_place(org, alert_id, "story", findings)


def found(opened: Opened, kind: type[Row], *conditions: Any, locked: bool = False) -> list[Row]:
    """Return rows of the caller's organisation in the order they were made, each the one the trail knows.

    Args:
        opened: The open door.
        kind: Which rows.
        conditions: What they must be.
        locked: Others who want to change them wait for this turn.

    Raises:
        SealBrokenError: Somebody changed one behind the service's back.
    """
    _, table, key = _TABLES[kind]
    columns = [table.c[field] for field in kind._fields]
    query = select(*columns).where(table.c.org == opened.org, *conditions).order_by(table.c[key])
    return vouched(opened, kind, opened.execute(query.with_for_update() if locked else query).all())


def vouched(opened: Opened, kind: type[Row], rows: Any) -> list[Row]:
    """Return rows as they were read, if each is the one the trail knows.

    Raises:
        SealBrokenError: Somebody changed one behind the service's back.
    """
    key = opened.organisation_key()
    made = [kind._make(row) for row in rows]
    for row in made:
        refuse_altered(row.state, row_state(key, row), named(row))
    return made


def sound(opened: Opened, row: AnyRow) -> bool:
    """Say whether a row is the one the trail knows; if not, the trail is told of it and the work goes on.

    For whatever goes through many rows: one that was altered must not hide the others.
    """
    key = opened.organisation_key()
    try:
        refuse_altered(row.state, row_state(key, row), named(row))
    except SealBrokenError:
        opened.altered.append(named(row))
        return False
    return True


def named(row: AnyRow) -> AlteredRow:
    """Return a row as it is told of when it was altered."""
    name, _, key = _TABLES[type(row)]
    return AlteredRow(name, getattr(row, key))


def bound(opened: Opened, row: Row) -> Row:
    """Return a row with the digest of its columns."""
    done: Row = row._replace(state=row_state(opened.organisation_key(), row))
    return done


def insertion(row: AnyRow) -> tuple[Any, dict[str, Any]]:
    """Return the statement that writes a new row, and its parameters."""
    return _INSERTS[type(row)], row._asdict()


def succession(was: AnyRow, row: AnyRow) -> tuple[Any, dict[str, Any]]:
    """Return the statement that writes the next version of a row, and its parameters."""
    key = _TABLES[type(row)][2]
    values = {name: value for name, value in row._asdict().items() if name not in ("org", key)}
    named = {"of": row.org, "which": getattr(row, key), "was_version": was.version}
    return _UPDATES[type(row)], values | named


def member(row: AnyRow) -> dict[str, Any]:
    """Return what an entry says of a row that is not its object."""
    name, _, key = _TABLES[type(row)]
    return {"t": name, "id": getattr(row, key), "ver": row.version, "state": row.state.hex()}


def stands_at(step: StepRow, seq: int) -> tuple[Any, dict[str, Any]]:
    """Return the statement that notes where the trail tells of a step."""
    return _STANDS, {"of": step.org, "which": step.id, "seq": seq}
