"""Which of the stored lines a check has to read as JSON: those that say something of the chain itself.

They are few among millions, so a batch is asked as a whole whether it may hold one. Every entry of the
service begins in one way, its act first and then who acted. What begins otherwise may say anything: it is
read too, and as it is not canonical (RFC 8785) it is found.
"""

import re
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from app.audit.verify import HEAD, MalformedError, TamperedError, read_line

RECOVERY = "chain.recover"
ERASURE = "resident.erase"
_OF_MONTHS = b"segment."
_TELLING = {RECOVERY.encode(), ERASURE.encode()}
_STAMP_BYTES = len("2026-11-21T00:00:00.000000Z")
_BEGINNING = re.compile(rb'[0-9Z]{0,17}"\},"e":\{"act":"([a-z_.]+)","actor":\{')
"""How a line goes on after its time, or late in it: quotes inside a value would be escaped."""
_LONGEST = len('"},"e":{"act":"') + 32 + len('","actor":{')  # of a longer act the whole line is read


class Notable(NamedTuple):
    """A line that says something of the chain: its number and what it says, or why that cannot be read."""

    seq: int
    record: dict[str, Any]
    fault: TamperedError | None = None


def notable(lines: Sequence[bytes], start: int) -> Iterator[Notable]:
    """Yield what lines say of their chain.

    Args:
        lines: As they are stored; empty where one was pruned. What has no place of a line is passed over.
        start: The number of the first.
    """
    if not may_tell(lines):
        return
    for seq, line in enumerate(lines, start):
        if (head := HEAD.match(line)) and _tells(line[head.end() + _STAMP_BYTES :][:_LONGEST]):
            try:
                yield Notable(seq, read_line(line))
            except MalformedError as error:
                yield Notable(seq, {}, TamperedError("CANON", f"the line {error}", seq))


def may_tell(lines: Sequence[bytes]) -> bool:
    """Say whether among these lines one has to be read.

    Only what stands where an act begins is looked at: to search every line costs as much as to hash it.
    """
    there = lines if all(lines) else list(filter(None, lines))
    first = HEAD.match(there[0]) if there else None
    if first is None:
        return bool(there)
    further = len(str(int(first[3]) + len(lines))) - len(first[3])  # a later number may have more digits
    begin = first.end() + _STAMP_BYTES
    return any(map(_tells, set(map(itemgetter(slice(begin, begin + further + _LONGEST)), there))))


def _tells(piece: bytes) -> bool:
    found = _BEGINNING.match(piece)
    return found is None or found[1] in _TELLING or found[1].startswith(_OF_MONTHS)
