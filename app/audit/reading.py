"""Pages of the trail by what its entries are about.

Pages go backwards by number, so a trail that grows meanwhile changes no page. Instants become
numbers first (`stored.first_at`), and the index knows the rest: the list of the rarest condition is walked
down, and the lines themselves tell which of its numbers meet the others, too. So a page costs what that
list holds of its numbers, not what a frequent one holds between them, however long the trail is.
"""

import heapq
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice, takewhile
from typing import NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, select, text

from app.audit import table
from app.audit.indexing import ACT, AGENT, HOME, OUT, RESIDENT, lists_of
from app.audit.pruning import first_kept
from app.audit.stored import Entry, first_at, size_of

MOST_LOOKED_AT = 5_000
"""So many lines are looked at for one page; then the page ends, full or not."""
LOOKED_AT_ONCE = 1_000
MOST_LISTS_AT_ONCE = 256

_index = table.index.c
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
# Of each key the list that holds its highest number up to `most`: all in one statement.
_TOPMOST = """
    SELECT asked.value ->> 0 AS kind, asked.value ->> 1 AS key, list.first, list.seqs
    FROM {keys} AS asked
    {join} audit_index AS list
      ON list.org = :org AND list.kind = asked.value ->> 0 AND list.key = asked.value ->> 1
     AND list.first = (
         SELECT max(first) FROM audit_index
         WHERE org = :org AND kind = asked.value ->> 0 AND key = asked.value ->> 1 AND first <= :most
     )
"""
_TOP = {
    # CROSS: SQLite keeps the order; left to itself it goes through every list and looks for its key.
    "sqlite": text(_TOPMOST.format(keys="json_each(:keys)", join="CROSS JOIN")),
    "postgresql": text(_TOPMOST.format(keys="json_array_elements(CAST(:keys AS json))", join="JOIN")),
}
_OF_NUMBERS = """
    SELECT seq, line, leaf FROM audit_event WHERE org = :org AND seq {among} ORDER BY seq DESC
"""
# All numbers in one parameter: one for each of them would be parsed and planned anew every time.
_LINES = {
    "sqlite": text(_OF_NUMBERS.format(among="IN (SELECT value FROM json_each(:seqs))")),
    "postgresql": text(_OF_NUMBERS.format(among="= ANY (CAST(translate(:seqs, '[]', '{}') AS bigint[]))")),
}
Condition = tuple[tuple[str, str], ...]
"""Lists, each by its kind and key, of which one suffices."""


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
    within = span(connection, org, wanted, size_of(connection, org))
    within = within if before is None else range(within.start, min(within.stop, before))
    found, floor = _newest(connection, org, wanted.conditions(), within, limit + 1)
    if len(found) > limit:
        return Page(found[:limit], found[limit - 1].seq)
    return Page(found, floor if floor > within.start else None)


def span(connection: Connection, org: str, wanted: Wanted, size: int) -> range:
    """Return the numbers among the first `size` that lie between the instants that are wanted."""
    cut = first_kept(connection, org)
    low = cut if wanted.since is None else first_at(connection, org, size, wanted.since, cut)
    high = size if wanted.until is None else first_at(connection, org, size, wanted.until, cut)
    return range(low, max(low, high))


def _entries(connection: Connection, org: str, numbers: list[int]) -> list[Entry]:
    if not numbers:
        return []
    asked = {"org": org, "seqs": orjson.dumps(numbers).decode()}
    rows = connection.execute(_LINES[connection.dialect.name], asked)
    return [Entry(row.seq, bytes(row.line), bytes(row.leaf)) for row in rows if row.line]


# --- by the index ---------------------------------------------------------------------------------


class _Rarest(NamedTuple):
    """The condition whose numbers lie furthest apart, and from where downwards all could be met.

    Attributes:
        held: How many numbers the topmost lists of its keys hold.
    """

    condition: Condition
    most: int
    held: int


def _newest(
    connection: Connection, org: str, conditions: list[Condition], within: range, limit: int
) -> tuple[list[Entry], int]:
    """Return at least the newest `limit` entries that meet all conditions, if there are so many.

    Also, down to which number was looked.
    """
    if not conditions:
        return _entries(connection, org, list(within[-limit:])), within.start
    found: list[Entry] = []
    at, looked = within.stop - 1, 0
    while at >= within.start and len(found) < limit:
        if looked >= MOST_LOOKED_AT:
            return found, at + 1
        rarest = _rarest(connection, org, conditions, at)  # again each time: what is rare changes with time
        if rarest is None:
            break
        count = min(limit * len(conditions) + looked, LOOKED_AT_ONCE, MOST_LOOKED_AT - looked)
        downwards = takewhile(lambda seq: seq >= within.start, _downwards(connection, org, rarest, count))
        numbers = list(islice(downwards, count))
        found += [one for one in _entries(connection, org, numbers) if _meets(one, conditions)]
        looked += count
        at = numbers[-1] - 1 if len(numbers) == count else within.start - 1
    return found, within.start


def _meets(entry: Entry, conditions: list[Condition]) -> bool:
    for condition in conditions:  # most lines need not be parsed: the key stands nowhere in them
        if not any(orjson.dumps(key) in entry.line for _kind, key in condition):
            return False
    under = set(lists_of(orjson.loads(entry.line)["e"]))
    return all(not under.isdisjoint(condition) for condition in conditions)


def _rarest(connection: Connection, org: str, conditions: list[Condition], most: int) -> _Rarest | None:
    """Return what to walk down by, from number `most`; None if some condition is met by none below."""
    keys = orjson.dumps(sorted({key for condition in conditions for key in condition})).decode()
    rows = connection.execute(_TOP[connection.dialect.name], {"org": org, "keys": keys, "most": most})
    lists = {(row.kind, row.key): _up_to(most, row.seqs) for row in rows}
    tops: list[int] = []
    often: list[float] = []
    held: list[int] = []
    for condition in conditions:
        known = [lists[key] for key in condition if key in lists]
        if not known:
            return None
        tops.append(max(seqs[-1] for seqs in known))
        often.append(sum(len(seqs) / (most + 1 - seqs[0]) for seqs in known))
        held.append(sum(len(seqs) for seqs in known))
    at = often.index(min(often))
    return _Rarest(conditions[at], min(tops), held[at])


def _downwards(connection: Connection, org: str, rarest: _Rarest, count: int) -> Iterator[int]:
    """Yield the numbers of all keys of a condition, each once, downwards; about `count` are wanted."""
    lists = 1 + count // rarest.held
    walks = [_walk(connection, org, key, rarest.most, lists) for key in rarest.condition]
    return (seq for seq, _same in groupby(heapq.merge(*walks, reverse=True)))


def _walk(connection: Connection, org: str, key: tuple[str, str], most: int, lists: int) -> Iterator[int]:
    """Yield the numbers of one key up to `most`, downwards."""
    while lists := min(lists, MOST_LISTS_AT_ONCE):
        under = {"org": org, "kind": key[0], "key": key[1], "most": most, "lists": lists}
        rows = connection.execute(_LISTS, under).all()
        for row in rows:
            yield from reversed(_up_to(most, row.seqs))
        if len(rows) < lists:
            return
        most, lists = rows[-1].first - 1, 2 * lists


def _up_to(most: int, seqs: str) -> list[int]:
    numbers = [int(seq) for seq in seqs.split()]
    return numbers[: bisect_right(numbers, most)]
