"""What the trail keeps of a change: the entry that made a version of a row, and the values sealed beside it.

The line holds the hash of each box, so a value that opens and has its hash is the one that was recorded.
Nobody gets at a value without the key of its owner, which the door hands out with a permission on the row
itself: the right to read the trail opens nothing here.

Source: AUDIT-2.
"""

from typing import Any, NamedTuple

import orjson
from sqlalchemy import bindparam, select

from app.access.drafting import beside
from app.access.opened import FieldChange, Opened
from app.audit import stored, table
from app.audit.verify import leaf_hash
from app.core.errors import SealBrokenError
from app.vault.sealing import DataKey, fingerprint

LINES_AT_ONCE = 256
MOST_LOOKED_AT = 16_384
"""Lines looked through for an entry. Its turn may hold thousands; its instant leads to the first of them."""

_value = table.value.c
_VALUES = (
    select(_value.field, _value.side, _value.owner, _value.ct)
    .where(_value.org == bindparam("org"), _value.seq == bindparam("seq"), _value.side.in_(("b", "a")))
    .order_by(_value.n)
)
_Hashes = dict[tuple[str, str], str]


class Change(NamedTuple):
    """The entry that made a version of a row."""

    seq: int
    leaf: str
    event: dict[str, Any]


def change_of(opened: Opened, kind: str, row: str, version: int, at: str) -> Change | None:
    """Return the entry that made a version of a row at an instant; None if no line says so.

    A line is never earlier than the instant of its turn, and later only where the clock of another process
    went ahead: so it is among the next lines.
    """
    connection, org = opened.connection(), opened.org
    size = stored.size_of(connection, org)
    start = stored.first_at(connection, org, size, at)
    for first in range(start, min(size, start + MOST_LOOKED_AT), LINES_AT_ONCE):
        for seq, line in enumerate(stored.lines(connection, org, first, first + LINES_AT_ONCE), first):
            found = change_at(seq, line, kind, row) if row.encode() in line else None
            if found is not None and found.event["obj"]["ver"] == version:
                return found
    return None


def change_at(seq: int, line: bytes, kind: str, row: str) -> Change | None:
    """Return a line as the entry of a change of a row; None if it changed another, or nothing."""
    event: dict[str, Any] = orjson.loads(line)["e"]
    thing = event.get("obj", {})
    changed = (thing.get("t"), thing.get("id")) == (kind, row) and "state" in event and "ver" in thing
    return Change(seq, leaf_hash(line).hex(), event) if changed else None


def values_of(opened: Opened, change: Change, owner: str, key: DataKey) -> list[FieldChange]:
    """Return the values before and after that are sealed beside an entry, field by field.

    Raises:
        SealBrokenError: They are not those whose hashes the line holds, or one does not open in its place.
    """
    found = opened.execute(_VALUES, {"org": opened.org, "seq": change.seq}).all()
    if {(one.field, one.side): fingerprint(one.ct) for one in found} != _hashes(change.event):
        raise SealBrokenError(why="values-differ")
    thing = change.event["obj"]
    values: dict[str, dict[str, Any]] = {}
    for one in found:
        name = f"{one.side}:{one.field}"
        place = beside(opened.org, owner, thing["id"], name, thing["ver"], change.seq)
        values.setdefault(one.field, {})[one.side] = key.unseal_json(one.ct, place)
    return [FieldChange(name, sides.get("b"), sides.get("a")) for name, sides in values.items()]


def _hashes(event: dict[str, Any]) -> _Hashes:
    changes = event.get("chg", ())
    return {(one["f"], side): one[side] for one in changes for side in ("b", "a") if side in one}
