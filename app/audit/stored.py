"""Heads, and stored lines by their numbers: one entry, a range, the first at an instant."""

from collections.abc import Sequence
from typing import NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, select

from app.audit import table

_event = table.event.c
_ONE = select(_event.seq, _event.line, _event.leaf).where(
    _event.org == bindparam("org"), _event.seq == bindparam("seq")
)
_LINES = (
    select(_event.line)
    .where(_event.org == bindparam("org"), _event.seq >= bindparam("start"), _event.seq < bindparam("end"))
    .order_by(_event.seq)
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
    """Return one entry, None if there is no such line."""
    row = connection.execute(_ONE, {"org": org, "seq": seq}).first()
    return Entry(row.seq, bytes(row.line), bytes(row.leaf)) if row is not None else None


def lines(connection: Connection, org: str, start: int, end: int) -> Sequence[bytes]:
    """Return the exact lines of a range of numbers, `end` not included."""
    return connection.execute(_LINES, {"org": org, "start": start, "end": end}).scalars().all()


def first_at(connection: Connection, org: str, size: int, instant: str) -> int:
    """Return the number of the first line at or after an instant; `size` if all are before it.

    The times of the lines never go back, so this reads about log2(size) of them.
    """
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        found = entry(connection, org, middle)
        if found is not None and orjson.loads(found.line)["c"]["ts"] < instant:
            low = middle + 1
        else:
            high = middle
    return low
