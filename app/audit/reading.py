"""Pages of the trail by what its entries are about.

Pages go backwards by number, so a trail that grows meanwhile changes no page. Instants become
numbers first (`stored.first_at`), and the index knows the rest: the lists of all conditions are walked
down together, each jumping to where the others are.
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from app.audit import table
from app.audit.indexing import ACT, AGENT, HOME, OUT, RESIDENT
from app.audit.pruning import first_kept
from app.audit.stored import Entry, first_at, size_of

MOST_LOOKED_AT = 10_000
"""So many numbers are held against each other for one page; then the page ends, full or not."""
LISTS_AT_ONCE, MOST_LISTS_AT_ONCE = 8, 64
"""Twice as many with each step that goes on: in a long trail of many residents a list has few numbers."""

_event, _index = table.event.c, table.index.c
_LISTS = (
    select(_index.first, _index.seqs)
    .where(
        _index.org == bindparam("org"),
        _index.kind == bindparam("kind"),
        _index.key == bindparam("key"),
        _index.first <= bindparam("most"),
    )
    .order_by(_index.first.desc())
    .limit(bindparam("lists"))
)
Condition = tuple[tuple[str, str], ...]
"""Lists, each by its kind and key, of which one suffices."""
NONE_LEFT = -1


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a page of entries is about; None means any.

    Attributes:
        since: The first instant, spelled, included.
        until: The first instant no longer included.
        homes: Entries of at least one of these homes; nothing if there are none.
        also: Further conditions, all of which must be met.
    """

    since: str | None = None
    until: str | None = None
    agent_id: str | None = None
    resident_id: str | None = None
    act: str | None = None
    out: str | None = None
    homes: tuple[str, ...] | None = None
    also: tuple[Condition, ...] = ()

    def conditions(self) -> list[Condition]:
        """Return what is asked for besides the time, as lists of which one of each group suffices."""
        single = ((RESIDENT, self.resident_id), (AGENT, self.agent_id), (ACT, self.act), (OUT, self.out))
        asked: list[Condition] = [((kind, key),) for kind, key in single if key is not None]
        if self.homes is not None:
            asked.append(tuple((HOME, home) for home in self.homes))
        return [*asked, *self.also]


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
    cut = first_kept(connection, org)
    low = cut if wanted.since is None else first_at(connection, org, size, wanted.since, cut)
    high = size if wanted.until is None else first_at(connection, org, size, wanted.until, cut)
    high = high if before is None else min(high, before)
    found, floor = _numbers(connection, org, wanted.conditions(), range(low, high), limit + 1)
    if len(found) > limit:
        return Page(_entries(connection, org, found[:limit]), found[limit - 1])
    return Page(_entries(connection, org, found), floor if floor > low else None)


def _entries(connection: Connection, org: str, numbers: list[int]) -> list[Entry]:
    if not numbers:
        return []
    statement = select(_event.seq, _event.line, _event.leaf).where(_event.org == org, _event.seq.in_(numbers))
    rows = connection.execute(statement.order_by(_event.seq.desc())).all()
    return [Entry(row.seq, bytes(row.line), bytes(row.leaf)) for row in rows if row.line]


# --- by the index ---------------------------------------------------------------------------------


def _numbers(
    connection: Connection, org: str, conditions: list[Condition], within: range, limit: int
) -> tuple[list[int], int]:
    """Return the newest numbers that meet all conditions, and down to which number was looked."""
    if not conditions:
        return list(reversed(within[-limit:])), within.start
    walks = [[_Walk(connection, org, *one) for one in condition] for condition in conditions]
    found: list[int] = []
    at, looks = within.stop - 1, 0
    while at >= within.start and len(found) < limit:
        if looks >= MOST_LOOKED_AT:
            return found, at + 1
        looks += 1
        lowest = at
        for walk in walks:  # the next condition is asked from where the one before it has come to
            lowest = max((one.at_most(lowest) for one in walk), default=NONE_LEFT)
        if lowest == at:
            found.append(at)
            at -= 1
        else:
            at = lowest
    return found, within.start


class _Walk:
    """One key's numbers, looked up downwards."""

    def __init__(self, connection: Connection, org: str, kind: str, key: str) -> None:
        self._connection = connection
        self._under = {"org": org, "kind": kind, "key": key}
        self._lists: list[tuple[int, str]] = []  # to come, the highest last
        self._seqs: list[int] = []
        self._ended = False
        self._at_once = LISTS_AT_ONCE // 2

    def at_most(self, most: int) -> int:
        """Return the highest number up to `most`, or `NONE_LEFT`. `most` never grows from call to call."""
        while not self._ended:
            if self._seqs and self._seqs[0] <= most:
                return self._seqs[bisect_right(self._seqs, most) - 1]
            self._next_list(most)
        return NONE_LEFT

    def _next_list(self, most: int) -> None:
        skipped = len(self._lists)
        while self._lists and self._lists[-1][0] > most:
            self._lists.pop()
        if not self._lists:
            # Where the others jump far, as over a list that nearly every line stands in, one is enough
            self._at_once = 1 if skipped else min(2 * self._at_once, MOST_LISTS_AT_ONCE)
            asked = {**self._under, "most": most, "lists": self._at_once}
            rows = self._connection.execute(_LISTS, asked).all()
            self._lists = [(row.first, row.seqs) for row in reversed(rows)]
        if self._lists:
            self._seqs = [int(seq) for seq in self._lists.pop()[1].split()]
        else:
            self._ended = True
