"""That no entry of a resident is left out: what the closed months say of them, for an export of theirs.

For each closed month the export encloses the entry that closed it, with its proof, and the place of the
resident in the tree that entry commits to - or the two leaves beside that place, if no entry concerns them.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from app.access.opened import Opened
from app.access.work import Answer, Work
from app.audit import choosing, proofs, segments
from app.audit.pruning import first_kept
from app.audit.reading import Wanted
from app.core.errors import DisagreementError
from app.trail.closing import counted_all, said_by
from app.trail.proving import Signed, proofs_of

SEGMENTS_AT_ONCE = 50

Do = Callable[[Work], Awaitable[Any]]
"""Runs a work of the export and returns its payload."""


class Closing(NamedTuple):
    """The entry that closed a segment."""

    seq: int
    line: bytes
    proof: str


class ClosingsRead(NamedTuple):
    """Some closings, and from which number to go on; None at the end."""

    closings: list[Closing]
    next: int | None


@dataclass
class ReadClosings(Work):
    """Read the next entries that closed segments among the signed lines, each with its proof."""

    start: int
    signed: Signed
    silent = chunk = True

    def perform(self, opened: Opened) -> Answer:
        """Return `ClosingsRead`."""
        connection, org, (said, note) = opened.connection(), opened.org, self.signed
        within = range(self.start, said.size)
        cut = first_kept(connection, org)
        found = choosing.numbers(connection, org, Wanted(act=segments.ACT), within, SEGMENTS_AT_ONCE)
        lines = list(zip(found.seqs, choosing.lines(connection, org, found.seqs), strict=True))
        proven = proofs_of(connection, org, lines, said, note) if lines else []
        closings = [
            Closing(*line, proof)
            for line, proof in zip(lines, proven, strict=True)
            if said_by(orjson.loads(line[1])["e"]).end > cut  # the lines of the others were pruned
        ]
        return Answer(ClosingsRead(closings, found.next))


async def segment_lines(do: Do, org: str, resident: str, signed: Signed) -> AsyncIterator[bytes]:
    """Yield the lines of `segments.jsonl` for a resident.

    Raises:
        DisagreementError: The residents counted now are not those the month was closed with.
    """
    start: int | None = 0
    while start is not None:
        read: ClosingsRead = await do(ReadClosings(start, signed))
        for closing in read.closings:
            yield await _segment_line(do, org, resident, closing)
        start = read.next


async def _segment_line(do: Do, org: str, resident: str, closing: Closing) -> bytes:
    event = orjson.loads(closing.line)["e"]
    segment = said_by(event)
    subjects = await counted_all(do, org, segment)
    if subjects.root.hex() != event["seg"]["subjects"]:
        # the index was changed, or lines were: nothing may be proven from it
        raise DisagreementError(why="segment-differs")
    subject, beside = subjects.of(resident)
    return orjson.dumps(
        {
            "seq": closing.seq,
            "line": closing.line.decode(),
            "proof": closing.proof,
            "count": subject.entries if subject else 0,
            "last": subject.last if subject else None,
            "leaves": [
                {
                    "at": placed.at,
                    "key": placed.leaf.key.hex(),
                    "held": placed.leaf.held.hex(),
                    "path": proofs.spelled(placed.path),
                }
                for placed in beside
            ],
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )
