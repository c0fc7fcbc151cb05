"""Closing segments: when a month is over, one entry says whose entries it holds.

Nobody waits for it: the works are silent, read behind the traffic in steps, and only the last one writes,
the entry itself. Two processes may both close a month; the entries then say the same, and the first counts.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, select

from app.access.opened import Opened
from app.access.work import Answer, Work
from app.audit import indexing, proofs, reading, segments, stored, table, tiles, verify
from app.audit.entry import Draft, begin
from app.audit.reading import Wanted
from app.audit.segments import Segment, Subject, Subjects

ACTOR = {"id": "system:segments", "kind": "system"}
RESIDENTS_AT_ONCE = 100
Behind = Literal["behind"]
BEHIND: Final = "behind"
TILES_AT_ONCE = 1024
_index = table.index.c
_WITHIN = (
    _index.org == bindparam("org"),
    _index.kind == indexing.RESIDENT,
    _index.first >= bindparam("low"),
    _index.first < bindparam("end"),
)
_RESIDENTS = (
    select(_index.key)
    .where(*_WITHIN, _index.key > bindparam("after"))
    .distinct()
    .order_by(_index.key)
    .limit(bindparam("most"))
)
_LISTS = select(_index.key, _index.seqs).where(*_WITHIN, _index.key.in_(bindparam("keys", expanding=True)))


Do = Callable[[str, Work], Awaitable[Any]]
"""Runs a work of the housekeeping for a chain and returns its payload."""


async def close_due(do: Do, org: str) -> Segment | Behind | None:
    """Close the oldest month of a chain that is over and not closed; None if there is none.

    `BEHIND` if another process appended meanwhile, or closed it first: then it has to be looked at again.
    """
    while (due := await do(org, DueSegment())) == BEHIND:
        pass  # each look indexes a piece
    segment: Segment | None = due
    if segment is None:
        return None
    subjects = await counted_all(lambda work: do(org, work), org, segment)
    return segment if await do(org, CloseSegment(segment, subjects)) else BEHIND


async def counted_all(do: Callable[[Work], Awaitable[Any]], org: str, segment: Segment) -> Subjects:
    """Return the tree over all residents of a segment, counted in steps."""
    subjects: list[Subject] = []
    after: str | None = ""
    while after is not None:
        read: Counted = await do(CountResidents(segment, after))
        subjects += read.subjects
        after = read.next
    return Subjects(org, segment.month, subjects)


class Counted(NamedTuple):
    """Some residents of a segment, and after whom to go on; None at the end."""

    subjects: list[Subject]
    next: str | None


@dataclass
class DueSegment(Work):
    """Find the oldest month of a chain that is over and not closed."""

    silent = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Return the `Segment`, None if nothing is due, or `BEHIND`: the index is not there yet."""
        connection, org = opened.connection(), opened.org
        if indexing.catch_up(connection, org, indexing.LONGEST_PIECE):
            return Answer(BEHIND)
        size, start = stored.size_of(connection, org), 0
        closed = newest_closed(connection, org)
        if closed is not None:
            start = closed.end
        entry = stored.entry(connection, org, start)
        if entry is None:
            return Answer(None)
        month = segments.month_of(orjson.loads(entry.line)["c"]["ts"])
        if not segments.is_over(month, opened.at):
            return Answer(None)
        end = stored.first_at(connection, org, size, verify.start_of(verify.month_after(month)))
        return Answer(Segment(month, start, end))


@dataclass
class CountResidents(Work):
    """Count the entries of some residents in a segment."""

    segment: Segment
    after: str = ""
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return `Counted`."""
        return Answer(counted(opened.connection(), opened.org, self.segment, self.after))


@dataclass
class CloseSegment(Work):
    """Write the entry that closes a segment, if it is still the next one."""

    segment: Segment
    subjects: Subjects
    silent = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Return whether it was closed."""
        connection, org = opened.connection(), opened.org
        behind = indexing.catch_up(connection, org, indexing.LONGEST_PIECE)  # an entry of another process
        closed = newest_closed(connection, org)
        if behind or (closed.end if closed else 0) != self.segment.first:
            return Answer(False)
        while tiles.catch_up(connection, org, TILES_AT_ONCE):
            pass
        root = proofs.root(self.segment.end, tiles.Tree(connection, org, self.segment.end).hash_of)
        event = begin(segments.ACT, "ok", ACTOR)
        event["obj"] = {"t": "segment", "id": self.segment.month}
        event["seg"] = {
            "first": self.segment.first,
            "end": self.segment.end,
            "root": root.hex(),
            "leaves": len(self.subjects),
            "subjects": self.subjects.root.hex(),
        }
        opened.also.append(Draft(org, event))
        return Answer(True)


def newest_closed(connection: Connection, org: str) -> Segment | None:
    """Return the segment closed last, as its entry says. The index has to have caught up."""
    page = reading.page(connection, org, Wanted(act=segments.ACT), None, 1)
    return said_by(orjson.loads(page.entries[0].line)["e"]) if page.entries else None


def said_by(event: dict[str, Any]) -> Segment:
    """Return the segment that an entry closed."""
    return Segment(event["obj"]["id"], event["seg"]["first"], event["seg"]["end"])


def counted(connection: Connection, org: str, segment: Segment, after: str) -> Counted:
    """Return the next residents of a segment, in the order of their ids, with what is held of each."""
    within = {"org": org, "low": segment.first - indexing.LONGEST_PIECE, "end": segment.end}
    asked = within | {"after": after, "most": RESIDENTS_AT_ONCE}
    residents = connection.execute(_RESIDENTS, asked).scalars().all()
    seqs: dict[str, list[int]] = {resident: [] for resident in residents}
    for key, numbers in connection.execute(_LISTS, within | {"keys": residents}) if residents else ():
        seqs[key] += [n for n in map(int, numbers.split()) if segment.first <= n < segment.end]
    subjects = [Subject(resident, len(found), max(found)) for resident, found in seqs.items() if found]
    return Counted(subjects, residents[-1] if len(residents) == RESIDENTS_AT_ONCE else None)
