"""How residents are shown: each caller sees of a resident what their role may read."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import bindparam, select

from app.access.opened import Opened
from app.residents.boxes import key_of, unseal_body, unseal_personal
from app.residents.rows import RecordRow, ResidentRow
from app.residents.table import record, resident

RESIDENT_COLUMNS = tuple(resident.c[name] for name in ResidentRow._fields)
RECORD_COLUMNS = tuple(record.c[name] for name in RecordRow._fields)
APART = {"identifiers": "identifiers:read", "allergy_status": "allergy:read"}
"""What of a resident takes a permission besides the one that lets them be read."""
UNREAD = ("id", "status", "version")
"""What of a resident is shown to whoever changes them and may not read them."""

_ALLERGIES = select(*RECORD_COLUMNS).where(
    record.c.org == bindparam("org"),
    record.c.resident_id.in_(bindparam("residents", expanding=True)),
    record.c.category == "allergy",
    record.c.deleted.is_(False),
)


def show_one(opened: Opened, row: ResidentRow) -> dict[str, Any]:
    """Return a resident as this caller may see them. Identity is allowed already."""
    return show(opened, row, _allergies(opened, [row]))


def show(opened: Opened, row: ResidentRow, allergies: dict[str, str]) -> dict[str, Any]:
    """Return a resident as `show_one` does, with what is known of allergies already."""
    place = row.place(opened.at)
    personal = unseal_personal(key_of(opened, row), row)
    shown: dict[str, Any] = {
        "id": row.id,
        "home_id": row.home_id,
        "room": personal["room"],
        "unit": row.unit,
        "status": row.status,
        "admitted_on": row.admitted_on,
        "discharged_on": row.discharged_on,
        "identity": personal["identity"],
    }
    if opened.allows(APART["identifiers"], place):
        shown["identifiers"] = personal["identifiers"]
    if opened.allows(APART["allergy_status"], place):
        shown["allergy_status"] = allergies.get(row.id, "not_recorded")
    shown["version"] = row.version
    return shown


def show_all(opened: Opened, rows: Sequence[ResidentRow]) -> list[dict[str, Any]]:
    """Return several residents, and note each as disclosed, and where they live."""
    allergies = _allergies(opened, rows)
    shown = [show(opened, row, allergies) for row in rows]
    opened.discloses(*(row.id for row in rows), count=len(rows))
    opened.concerns(*(row.home_id for row in rows))
    return shown


def _allergies(opened: Opened, rows: Iterable[ResidentRow]) -> dict[str, str]:
    """Return what is known of the allergies the caller may read of, from the records, so it is never stale.

    Any allergy record but "none known" counts as recorded; no record means not recorded, never none.
    """
    readable = [row for row in rows if opened.allows(APART["allergy_status"], row.place(opened.at))]
    keys = {row.id: key_of(opened, row) for row in readable}
    statuses: dict[str, str] = {}
    if not keys:
        return statuses
    found = opened.execute(_ALLERGIES, {"org": opened.org, "residents": sorted(keys)}).all()
    for raw in found:
        allergy = RecordRow._make(raw)
        body = unseal_body(keys[allergy.resident_id], allergy)
        if not body.get("none_known"):
            statuses[allergy.resident_id] = "recorded"
        else:
            statuses.setdefault(allergy.resident_id, "none_known")
    return statuses
