"""Pages of the trail by what its entries are about.

Pages go backwards by number, so a trail that grows meanwhile changes no page. Instants become
numbers first (`stored.first_at`), and the index knows the rest.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Subquery, func, select, union

from app.audit import table
from app.audit.indexing import ACT, AGENT, HOME, OUT, RESIDENT
from app.audit.stored import Entry, first_at, size_of

FEW = 1000
"""Up to so many postings are counted to find out which filter leaves the fewest."""
MOST_LOOKED_AT = 10_000
"""So many postings are held against further filters for one page; then the page ends, full or not."""

_event = table.event.c
Condition = tuple[str, tuple[str, ...]]
"""A kind of postings, with the keys of which one suffices."""
Conditions = list[Condition]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a page of entries is about; None means any.

    Attributes:
        since: The first instant, spelled, included.
        until: The first instant no longer included.
        homes: Entries of at least one of these homes; nothing if there are none.
    """

    since: str | None = None
    until: str | None = None
    agent_id: str | None = None
    resident_id: str | None = None
    act: str | None = None
    out: str | None = None
    homes: tuple[str, ...] | None = None

    def conditions(self) -> Conditions:
        """Return the kinds of postings asked for, each with the keys of which one suffices."""
        single = ((RESIDENT, self.resident_id), (AGENT, self.agent_id), (ACT, self.act), (OUT, self.out))
        asked = [(kind, (key,)) for kind, key in single if key is not None]
        return asked + ([(HOME, self.homes)] if self.homes is not None else [])


class Page(NamedTuple):
    """Entries, newest first, and below which number the next page begins; None at the end.

    A page may be short, even empty, and go on: what was looked at for it is bounded.
    """

    entries: list[Entry]
    next: int | None


def page(connection: Connection, org: str, wanted: Wanted, before: int | None, limit: int) -> Page:
    """Return the newest `limit` entries that are wanted, below number `before` if it is given.

    The index has to have caught up (`indexing.catch_up`).
    """
    size = size_of(connection, org)
    low = 0 if wanted.since is None else first_at(connection, org, size, wanted.since)
    high = size if wanted.until is None else first_at(connection, org, size, wanted.until)
    high = high if before is None else min(high, before)
    found, floor = _numbers(connection, org, wanted, range(low, high), limit + 1)
    if len(found) > limit:
        return Page(_entries(connection, org, found[:limit]), found[limit - 1])
    return Page(_entries(connection, org, found), floor if floor > low else None)


def _entries(connection: Connection, org: str, numbers: list[int]) -> list[Entry]:
    if not numbers:
        return []
    statement = select(_event.seq, _event.line, _event.leaf).where(_event.org == org, _event.seq.in_(numbers))
    rows = connection.execute(statement.order_by(_event.seq.desc())).all()
    return [Entry(row.seq, bytes(row.line), bytes(row.leaf)) for row in rows]


# --- by the index ---------------------------------------------------------------------------------


def _numbers(
    connection: Connection, org: str, wanted: Wanted, within: range, limit: int
) -> tuple[list[int], int]:
    """Return the newest numbers that are wanted, and down to which number was looked."""
    conditions = wanted.conditions()
    if not conditions:
        return list(reversed(within[-limit:])), within.start
    if not within or not all(keys for _, keys in conditions):
        return [], within.start
    (kind, keys), *others = _fewest_first(connection, org, conditions, within)
    if others:
        floors = [_floor(connection, org, (kind, (key,)), within) for key in keys]
        within = range(max(floors), within.stop)
    newest = [_newest(org, kind, key, others, within, limit) for key in keys]
    whole = union(*(select(part.c.seq) for part in newest)).subquery()
    statement = select(whole.c.seq).order_by(whole.c.seq.desc()).limit(limit)
    return list(connection.execute(statement).scalars()), within.start


def _floor(connection: Connection, org: str, condition: Condition, within: range) -> int:
    """Return down to which number a condition's postings are looked at for one page."""
    statement = select(table.index.c.seq).where(
        *_under(table.index.c, org, condition), *_in(table.index.c, within)
    )
    last = statement.order_by(table.index.c.seq.desc()).offset(MOST_LOOKED_AT - 1).limit(1)
    found = connection.execute(last).scalar()
    return within.start if found is None else int(found)


def _fewest_first(connection: Connection, org: str, conditions: Conditions, within: range) -> Conditions:
    """Return the conditions, the one with the fewest postings in front, as far as counting is worth it."""
    if len(conditions) == 1:
        return conditions

    def count(condition: Condition) -> int:
        some = select(table.index.c.seq).where(
            *_under(table.index.c, org, condition), *_in(table.index.c, within)
        )
        counted = select(func.count()).select_from(some.limit(FEW).subquery())
        return int(connection.execute(counted).scalar_one())

    return sorted(conditions, key=count)


def _newest(
    org: str,
    kind: str,
    key: str,
    others: Conditions,
    within: range,
    limit: int,
) -> Subquery:
    """Return the newest numbers under one key that stand under all other conditions as well."""
    led = table.index.alias()
    statement: Select[Any] = select(led.c.seq).where(*_under(led.c, org, (kind, (key,))), *_in(led.c, within))
    for condition in others:
        also = table.index.alias()
        joined = select(also.c.seq).where(*_under(also.c, org, condition), also.c.seq == led.c.seq)
        # A scalar look-up, not EXISTS: PostgreSQL would turn that into a join, and without
        # statistics into one that reads the whole index
        statement = statement.where(joined.limit(1).scalar_subquery().is_not(None))
    return statement.order_by(led.c.seq.desc()).limit(limit).subquery()


def _under(columns: Any, org: str, condition: Condition) -> list[ColumnElement[bool]]:
    kind, keys = condition
    key = columns.key == keys[0] if len(keys) == 1 else columns.key.in_(keys)
    return [columns.org == org, columns.kind == kind, key]


def _in(columns: Any, within: range) -> list[ColumnElement[bool]]:
    return [columns.seq >= within.start, columns.seq < within.stop]
