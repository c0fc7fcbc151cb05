"""Which of the stored lines a check has to read as JSON: those that say something of the chain itself.

They are few among millions, so a batch is asked as a whole whether it may hold one.
"""

from operator import itemgetter

from app.audit.pruning import SEGMENT
from app.audit.verify import HEAD

RECOVERY = b'"},"e":{"act":"chain.recover",'
ERASURE = b'"},"e":{"act":"resident.erase",'
"""How such a line goes on after its place: quotes inside a value would be escaped."""
_NOTABLE = (RECOVERY, ERASURE, SEGMENT)
_LONGEST = max(map(len, _NOTABLE))
_STAMP_BYTES = len("2026-11-21T00:00:00.000000Z")


def may_tell(lines: list[bytes], start: int) -> bool:
    """Say whether among these good lines one has to be read, or may be missing.

    Only what stands where an act begins is looked at: to search every line costs as much as to hash it.

    Args:
        lines: As they are stored, found good by `ChainCheck`; empty where one was pruned.
        start: The number of the first.
    """
    first = HEAD.match(lines[0]) if lines else None
    if first is None:
        return bool(lines)
    further = len(str(start + len(lines))) - len(str(start))  # a later number may have more digits
    begin = first.end() + _STAMP_BYTES
    beginnings = set(map(itemgetter(slice(begin, begin + further + _LONGEST)), lines))
    return any(not piece or any(mark in piece for mark in _NOTABLE) for piece in beginnings)
