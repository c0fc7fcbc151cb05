"""Rows of erasures and holds: how they are read, bound to the trail and shown."""

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import insert, select

from app.access.opened import Opened
from app.core.clock import parse, spell
from app.core.errors import AlteredRow, NotFoundError
from app.residents.table import erasure, resident_hold
from app.vault.bound_columns import BoundColumns
from app.vault.sealing import DataKey, Place, StateKey, refuse_altered

LIFE: Final = timedelta(days=30)
"""How long an erasure that was asked for waits for its second person."""
INSERT_ERASURE = insert(erasure)


class ErasureRow(NamedTuple):
    """An erasure: asked for, and perhaps approved. `state` covers the columns before it."""

    id: str
    org: str
    resident_id: str
    legal_basis: str
    status: str
    asked_by: str
    asked_at: str
    reason: bytes
    approved_by: str | None
    approved_at: str | None
    records: int | None
    version: int
    state: bytes

    @property
    def expires_at(self) -> datetime:
        """Return until when it can be approved."""
        return parse(self.asked_at) + LIFE

    def bound(self, key: DataKey | StateKey) -> "ErasureRow":
        """Return the row with the keyed digest of its columns."""
        return self._replace(state=erasure_state(key, self))

    def as_member(self) -> dict[str, Any]:
        """Return what an entry says of the row where it is not the entry's object."""
        return {"t": "erasure", "id": self.id, "ver": self.version, "state": self.state.hex()}


class HoldRow(NamedTuple):
    """Whether somebody's record is held. `state` covers the columns before it."""

    resident_id: str
    org: str
    held: bool
    reason: bytes
    set_by: str
    set_at: str
    version: int
    state: bytes


ERASURE_COLUMNS = tuple(erasure.c[name] for name in ErasureRow._fields)
HOLD_COLUMNS = tuple(resident_hold.c[name] for name in HoldRow._fields)
_ERASURE: Final = BoundColumns("erasure", erasure, ErasureRow._fields[:-1])
_HOLD: Final = BoundColumns("hold", resident_hold, HoldRow._fields[:-1])


def erasure_state(key: DataKey | StateKey, row: ErasureRow) -> bytes:
    """Return the keyed digest of an erasure's row. The key is the organisation's."""
    return _ERASURE.digest(key, row[:-1])


def hold_state(key: DataKey | StateKey, row: HoldRow) -> bytes:
    """Return the keyed digest of a hold's row. The key is the organisation's."""
    return _HOLD.digest(key, row[:-1])


def reason_place(org: str, erasure_id: str) -> Place:
    """Return where the sealed reason of an erasure belongs."""
    return Place(org, org, erasure_id, "reason", 1)


def find_erasure(opened: Opened, erasure_id: str) -> ErasureRow:
    """Return an erasure of the caller's organisation, if the row is the one the trail knows.

    Raises:
        NotFoundError: There is none.
        SealBrokenError: Somebody changed the row behind the service's back.
    """
    query = select(*ERASURE_COLUMNS).where(erasure.c.org == opened.org, erasure.c.id == erasure_id)
    found = opened.execute(query).first()
    if found is None:
        raise NotFoundError(why="erasure-not-found")
    row = ErasureRow._make(found)
    altered = AlteredRow("erasure", row.id, row.resident_id)
    refuse_altered(row.state, erasure_state(opened.organisation_key(), row), altered)
    return row


def pending_of(opened: Opened, resident_id: str) -> list[ErasureRow]:
    """Return the erasures of a resident that nobody approved yet."""
    query = select(*ERASURE_COLUMNS).where(
        erasure.c.org == opened.org, erasure.c.resident_id == resident_id, erasure.c.status == "pending"
    )
    return [ErasureRow._make(found) for found in opened.execute(query).all()]


def find_hold(opened: Opened, resident_id: str) -> HoldRow | None:
    """Return the hold on a resident's record, in force or lifted; None if there never was one.

    Raises:
        SealBrokenError: Somebody changed the row behind the service's back.
    """
    c = resident_hold.c
    query = select(*HOLD_COLUMNS).where(c.org == opened.org, c.resident_id == resident_id)
    found = opened.execute(query).first()
    if found is None:
        return None
    row = HoldRow._make(found)
    altered = AlteredRow("hold", row.resident_id, row.resident_id)
    refuse_altered(row.state, hold_state(opened.organisation_key(), row), altered)
    return row


def show_erasure(row: ErasureRow) -> dict[str, Any]:
    """Return an erasure as it is answered. The reason stays where it is."""
    return {
        "id": row.id,
        "resident_id": row.resident_id,
        "legal_basis": row.legal_basis,
        "status": row.status,
        "asked_by": row.asked_by,
        "asked_at": row.asked_at,
        "expires_at": spell(row.expires_at),
        "approved_by": row.approved_by,
        "approved_at": row.approved_at,
        "records": row.records,
    }
