"""Heads, and stored lines by their numbers: one entry, a range, the first at an instant."""

from collections.abc import Sequence
from typing import NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, func, select

from app.audit import table
from app.audit.merkle import leaf_hash

_event = table.event.c
_ONE = select(_event.seq, _event.line, _event.leaf).where(
    _event.org == bindparam("org"), _event.seq == bindparam("seq")
)
_LINES = (
    select(_event.line)
    .where(_event.org == bindparam("org"), _event.seq >= bindparam("start"), _event.seq < bindparam("end"))
    .order_by(_event.seq)
)
_BOTH = (
    select(_event.line, _event.leaf)
    .where(_event.org == bindparam("org"), _event.seq >= bindparam("start"), _event.seq < bindparam("end"))
    .order_by(_event.seq)
)
_NEXT_KEPT = (
    select(_event.seq, _event.line, _event.leaf)
    .where(_event.org == bindparam("org"), _event.seq > bindparam("seq"), func.length(_event.line) > 0)
    .order_by(_event.seq)
    .limit(1)
)
_SIZE = select(table.head.c.size).where(table.head.c.org == bindparam("org"))


class HeadRow(NamedTuple):
    """The head of a chain, as it is read."""

    org: str
    size: int
    leaf: bytes
    ts: str
    peaks: bytes


class Entry(NamedTuple):
    """A stored line with its leaf."""

    seq: int
    line: bytes
    leaf: bytes


def size_of(connection: Connection, org: str) -> int:
    """Return how many lines a chain has."""
    return int(connection.execute(_SIZE, {"org": org}).scalar_one())


def entry(connection: Connection, org: str, seq: int) -> Entry | None:
    """Return one entry, None if there is no such line or it was pruned."""
    row = connection.execute(_ONE, {"org": org, "seq": seq}).first()
    return Entry(row.seq, bytes(row.line), bytes(row.leaf)) if row is not None and row.line else None


def is_pruned(connection: Connection, org: str, seq: int) -> bool:
    """Say whether there was a line of this number that was pruned."""
    row = connection.execute(_ONE, {"org": org, "seq": seq}).first()
    return row is not None and not row.line


def leaf_of(connection: Connection, org: str, seq: int) -> bytes | None:
    """Return the leaf of a line as it is stored, pruned or not; None if there was none."""
    row = connection.execute(_ONE, {"org": org, "seq": seq}).first()
    return bytes(row.leaf) if row is not None else None


def lines(connection: Connection, org: str, start: int, end: int) -> Sequence[bytes]:
    """Return the exact lines of a range of numbers, `end` not included; a pruned one is empty."""
    return connection.execute(_LINES, {"org": org, "start": start, "end": end}).scalars().all()


def leaves(connection: Connection, org: str, start: int, end: int) -> list[bytes]:
    """Return the leaves of a range of lines, hashed from them; of a pruned line the one that was left."""
    rows = connection.execute(_BOTH, {"org": org, "start": start, "end": end}).all()
    return [leaf_hash(bytes(row.line)) if row.line else bytes(row.leaf) for row in rows]


def first_at(connection: Connection, org: str, size: int, instant: str, low: int = 0) -> int:
    """Return the number of the first line from `low` on at or after an instant; `size` if all are before it.

    The times of the lines never go back, so this reads about log2(size) of them. Where lines were pruned,
    the next one that is there tells.
    """
    high = size
    while low < high:
        middle = (low + high) // 2
        found = entry(connection, org, middle) or _next_kept(connection, org, middle)
        if found is not None and orjson.loads(found.line)["c"]["ts"] < instant:
            low = found.seq + 1
        else:
            high = middle
    return low


def _next_kept(connection: Connection, org: str, seq: int) -> Entry | None:
    row = connection.execute(_NEXT_KEPT, {"org": org, "seq": seq}).first()
    return Entry(row.seq, bytes(row.line), bytes(row.leaf)) if row is not None else None
