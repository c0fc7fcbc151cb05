"""What an erasure does to the rows: the key is destroyed, the resident's row stays as a stub.

Without the key nothing that was sealed under it opens again: records and their versions, values beside the
trail, originals of imports. So these boxes are left where they are, and an erasure takes a bounded time
however long somebody lived here. What could still lead to the person - blind indexes, answers kept for
repeats - is emptied.

The stub is bound to the trail under the organisation's key: the resident's is gone.
"""

from typing import Any

from sqlalchemy import bindparam, func, select, update

from app.access.opened import FieldChange, Opened
from app.identity.repeats import forget_answers
from app.residents.boxes import erased_state
from app.residents.erasure_rows import ErasureRow, pending_of
from app.residents.retention_rows import ReviewRow, amend_beside, found
from app.residents.rows import ResidentRow
from app.residents.showing import RESIDENT_COLUMNS
from app.residents.table import erasure, record, resident, retention_review
from app.vault.sealing import fingerprint

NOTHING = b""
"""Stands in a column that must hold something, and holds nothing any more."""
_EMPTIED: dict[str, Any] = {
    "wrapped_key": NOTHING,
    "identity": NOTHING,
    "identifiers": NOTHING,
    "room": None,
    "nhs_index": None,
    "family_index": NOTHING,
    "family_birth_index": NOTHING,
    "source_index": None,
    "source_digest": None,
    "source": None,
    "deleted": True,
}
_SHRED = (
    update(resident)
    .where(
        resident.c.org == bindparam("of"),
        resident.c.id == bindparam("which"),
        resident.c.version == bindparam("was"),
        resident.c.wrapped_key == bindparam("key_was"),
    )
    .values({name: bindparam(name) for name in (*_EMPTIED, "version", "state")})
)
_UNLINK = (
    update(record)
    .where(
        record.c.org == bindparam("of"),
        record.c.resident_id == bindparam("which"),
        record.c.source_index.is_not(None),
    )
    .values(source_index=None, source_digest=None)
)
_RECORDS = select(func.count()).where(
    record.c.org == bindparam("of"), record.c.resident_id == bindparam("which")
)
_DECIDED = ("status", "approved_by", "approved_at", "records", "version", "state")
_DECIDE = (
    update(erasure)
    .where(
        erasure.c.org == bindparam("of"),
        erasure.c.id == bindparam("which"),
        erasure.c.version == bindparam("was"),
    )
    .values({name: bindparam(name) for name in _DECIDED})
)
_PLACE = (
    update(erasure)
    .where(erasure.c.org == bindparam("of"), erasure.c.id == bindparam("which"))
    .values(entry=bindparam("seq"))
)


def resident_locked(opened: Opened, resident_id: str) -> ResidentRow | None:
    """Return the row of a resident, whatever became of them; until the turn ends nobody changes it.

    Nor anything under it: a change about a resident takes a lock of its own (`gathering.keep`). So what is
    asked from here on - a hold, the answers kept for repeats - is all there will be.
    """
    query = select(*RESIDENT_COLUMNS).where(resident.c.org == opened.org, resident.c.id == resident_id)
    query = query.with_for_update()
    found = opened.execute(query).first()
    return ResidentRow._make(found) if found is not None else None


def count_records(opened: Opened, resident_id: str) -> int:
    """Return how many records there are of a resident."""
    counted: int = opened.execute(_RECORDS, {"of": opened.org, "which": resident_id}).scalar_one()
    return counted


def told_of(asked: ErasureRow, approved_by: str) -> dict[str, Any]:
    """Return what an entry says of an erasure: which it is, on what basis, and its two people."""
    return {
        "id": asked.id,
        "basis": asked.legal_basis,
        "asked_by": asked.asked_by,
        "approved_by": approved_by,
    }


def shred(opened: Opened, row: ResidentRow, told: dict[str, Any], but: str | None = None) -> None:
    """Have a resident's key destroyed, what leads to them emptied, and all of it noted for the entry.

    Args:
        opened: The attempt that does it.
        row: The resident as read in this transaction.
        told: What the entry says of the erasure.
        but: The erasure that is being approved: the others asked for are superseded.
    """
    key = opened.organisation_key()
    stub = row._replace(
        **{name: value for name, value in _EMPTIED.items() if name in ResidentRow._fields},
        version=row.version + 1,
    )
    stub = stub._replace(state=erased_state(key, stub))
    place = {"of": opened.org, "which": row.id}
    bound = {"version": stub.version, "state": stub.state}
    opened.change(_SHRED, _EMPTIED | bound | place | {"was": row.version, "key_was": row.wrapped_key})
    opened.execute(_UNLINK, place)
    forget_answers(opened, row.id)
    owner = (opened.org, key)
    opened.changed(
        "resident", row.id, stub.version, stub.state, [FieldChange("erased", before=False, after=True)], owner
    )
    opened.discloses(row.id)
    opened.note.homes = (row.home_id,)
    opened.note.members = {"erased": told | {"keys": [fingerprint(row.wrapped_key)]}}
    dispose(opened, row.id)
    others = [one for one in pending_of(opened, row.id) if one.id != but]
    for other in others:
        decide(opened, other, other._replace(status="superseded", version=other.version + 1))


def dispose(opened: Opened, resident_id: str) -> None:
    """Have the proposals to destroy this record marked as carried out, in the entry that does it."""
    c = retention_review.c
    open_ones = (c.resident_id == resident_id, c.status == "proposed", c.decision == "destroy")
    for one in found(opened, ReviewRow, *open_ones):
        amend_beside(opened, one, status="disposed")


def decide(opened: Opened, was: ErasureRow, wanted: ErasureRow) -> ErasureRow:
    """Have what became of an erasure written, and bound to the entry of this attempt."""
    row = wanted.bound(opened.organisation_key())
    values = {name: getattr(row, name) for name in _DECIDED}
    opened.change(_DECIDE, values | {"of": row.org, "which": row.id, "was": was.version})
    opened.note.members.setdefault("rows", []).append(row.as_member())
    return row


def note_place(opened: Opened, row: ErasureRow) -> None:
    """Have an erasure's row told where its entry stands."""
    opened.note.then = lambda seq: (_PLACE, {"of": row.org, "which": row.id, "seq": seq})
