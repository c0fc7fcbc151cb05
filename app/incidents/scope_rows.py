"""The selection an incident is about, as it is kept: sealed, bound to the trail, a row for each incident."""

from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, insert, select, update

from app.access.opened import FieldChange, Opened
from app.core.clock import spell
from app.core.errors import AlteredRow
from app.incidents.scope import Selection
from app.incidents.table import incident_scope
from app.vault.bound_columns import BoundColumns
from app.vault.sealing import DataKey, Place, StateKey, refuse_altered


class ScopeRow(NamedTuple):
    """The selection of an incident. `state` covers the columns before it."""

    id: str
    org: str
    since: str
    until: str | None
    selection: bytes
    set_by: str
    set_at: str
    version: int
    state: bytes


SCOPE_COLUMNS: Final = tuple(incident_scope.c[name] for name in ScopeRow._fields)
_BOUND: Final = BoundColumns("incident_scope", incident_scope, ScopeRow._fields[:-1])
_NAMES: Final = ("users", "sessions", "devices", "residents", "sources")
_ONE = select(*SCOPE_COLUMNS).where(
    incident_scope.c.org == bindparam("of"), incident_scope.c.id == bindparam("which")
)
_INSERT = insert(incident_scope)
_WRITTEN: Final = tuple(name for name in ScopeRow._fields if name not in ("org", "id"))
_UPDATE = (
    update(incident_scope)
    .where(
        incident_scope.c.org == bindparam("of"),
        incident_scope.c.id == bindparam("which"),
        incident_scope.c.version == bindparam("was"),
    )
    .values({name: bindparam(f"new_{name}") for name in _WRITTEN})
)


def scope_state(key: DataKey | StateKey, row: ScopeRow) -> bytes:
    """Return the keyed digest of a scope's row. The key is the organisation's."""
    return _BOUND.digest(key, row[:-1])


def find_scope(opened: Opened, incident_id: str) -> tuple[ScopeRow, Selection] | None:
    """Return what an incident is about, if somebody said so, and the row is the one the trail knows.

    Raises:
        SealBrokenError: Somebody changed the row behind the service's back.
    """
    found = opened.execute(_ONE, {"of": opened.org, "which": incident_id}).first()
    if found is None:
        return None
    row, key = ScopeRow._make(found), opened.organisation_key()
    refuse_altered(row.state, scope_state(key, row), AlteredRow("incident_scope", row.id))
    held: Any = key.unseal_json(row.selection, _place(row.org, row.id, row.version))
    chosen = {name: tuple(held[name]) for name in _NAMES}
    return row, Selection(row.since, row.until, **chosen)


def keep_scope(
    opened: Opened, incident_id: str, kept: tuple[ScopeRow, Selection] | None, wanted: Selection
) -> ScopeRow:
    """Have the selection of an incident written, and noted for the entry, which is about it."""
    key = opened.organisation_key()
    was, before = kept if kept is not None else (None, None)
    version = was.version + 1 if was is not None else 1
    held = {name: list(getattr(wanted, name)) for name in _NAMES}
    box = key.seal_json(held, _place(opened.org, incident_id, version))
    at, by = spell(opened.at), opened.agent.id
    row = ScopeRow(incident_id, opened.org, wanted.since, wanted.until, box, by, at, version, b"")
    row = row._replace(state=scope_state(key, row))
    if was is None:
        opened.change(_INSERT, row._asdict())
    else:
        values = {f"new_{name}": getattr(row, name) for name in _WRITTEN}
        opened.change(_UPDATE, values | {"of": row.org, "which": row.id, "was": was.version})
    old = before.told() if before is not None else {}
    new = wanted.told()
    changes = [FieldChange(name, old.get(name), new[name]) for name in new if old.get(name) != new[name]]
    opened.changed("incident_scope", row.id, row.version, row.state, changes, (opened.org, key))
    return row


def _place(org: str, incident_id: str, version: int) -> Place:
    return Place(org, org, incident_id, "selection", version)
