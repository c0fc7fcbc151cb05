"""Lines chosen by what they are about, in the order of their numbers: what a filtered export goes through.

The same lists as in `reading`, walked upwards and a piece at a time: whoever goes through all of them
holds no more than a piece. What is chosen below a number never changes, because the trail only grows.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, func, select

from app.audit import stored, table
from app.audit.reading import MOST_LOOKED_AT, Wanted

LISTS_AT_ONCE = 3
"""More than one, or a walk would stand still at a list that ended."""

_event, _index = table.event.c, table.index.c
_KEYED = (
    _index.org == bindparam("org"),
    _index.kind == bindparam("kind"),
    _index.key == bindparam("key"),
)
_LAST_BEFORE = select(func.max(_index.first)).where(*_KEYED, _index.first <= bindparam("least"))
_LISTS = (
    select(_index.first, _index.seqs)
    .where(*_KEYED, _index.first >= func.coalesce(_LAST_BEFORE.scalar_subquery(), 0))
    .order_by(_index.first)
    .limit(LISTS_AT_ONCE)
)
_CHOSEN = (
    select(_event.line)
    .where(_event.org == bindparam("org"), _event.seq.in_(bindparam("seqs", expanding=True)))
    .order_by(_event.seq)
)


class Numbers(NamedTuple):
    """Numbers of lines, ascending, and from which number to go on; None at the end."""

    seqs: Sequence[int]
    next: int | None


def numbers(connection: Connection, org: str, wanted: Wanted, within: range, most: int) -> Numbers:
    """Return the first `most` numbers of a span that meet all conditions.

    The index has to have come as far as the span (`indexing.catch_up`). Fewer may be returned, even
    none, and there is still more: what is looked at at once is bounded.
    """
    conditions = wanted.conditions()
    if not conditions:
        return _numbers(within[:most], within)
    walks = [[_Climb(connection, org, *one) for one in condition] for condition in conditions]
    found: list[int] = []
    at, looks = within.start, 0
    while at < within.stop and len(found) < most and looks < MOST_LOOKED_AT:
        looks += 1
        highest = at
        for walk in walks:  # the next condition is asked from where the one before it has come to
            highest = min((one.at_least(highest, within.stop) for one in walk), default=within.stop)
        if highest == at:
            found.append(at)
            at += 1
        else:
            at = highest
    return Numbers(found, at if at < within.stop else None)


def lines(connection: Connection, org: str, seqs: Sequence[int]) -> Sequence[bytes]:
    """Return the exact lines of some numbers, which must ascend; one that is missing is not there."""
    if not seqs:
        return []
    if isinstance(seqs, range):
        return stored.lines(connection, org, seqs.start, seqs.stop)
    return connection.execute(_CHOSEN, {"org": org, "seqs": list(seqs)}).scalars().all()


def _numbers(seqs: range, within: range) -> Numbers:
    return Numbers(seqs, seqs.stop if seqs.stop < within.stop else None)


class _Climb:
    """One key's numbers, looked up upwards."""

    def __init__(self, connection: Connection, org: str, kind: str, key: str) -> None:
        self._connection = connection
        self._under = {"org": org, "kind": kind, "key": key}
        self._lists: list[str] = []  # to come, the lowest last
        self._seqs: list[int] = []
        self._more = True

    def at_least(self, least: int, end: int) -> int:
        """Return the lowest number from `least` on, or `end`. `least` never shrinks from call to call."""
        while True:
            if self._seqs and self._seqs[-1] >= least:
                return min(self._seqs[bisect_left(self._seqs, least)], end)
            if not self._lists and self._more:
                rows = self._connection.execute(_LISTS, {**self._under, "least": least}).all()
                self._lists = [row.seqs for row in reversed(rows)]
                self._more = len(rows) == LISTS_AT_ONCE
            if not self._lists:
                return end
            self._seqs = [int(seq) for seq in self._lists.pop().split()]
