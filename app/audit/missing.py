"""Months that are missing as a whole, named by the entries that closed them."""

from collections.abc import Iterator
from itertools import chain

from app.audit.verify import CLOSING, HEAD, MalformedError, TamperedError, missing_month, read_line
from app.storage.snapshot import Snapshot

_NEXT_LINE = "SELECT min(seq) FROM audit_event WHERE org = ? AND seq >= ?"
_LINES_FROM = "SELECT line FROM audit_event WHERE org = ? AND seq >= ? ORDER BY seq"


def missing_months(snapshot: Snapshot, org: str, due: int) -> Iterator[TamperedError]:
    """Yield the closed months of a chain that are missing as a whole from line `due` to the next there is."""
    [[(found,)]] = snapshot.rows(_NEXT_LINE, org, due)
    if found is None:
        return
    for (line,) in chain.from_iterable(snapshot.rows(_LINES_FROM, org, found)):
        if isinstance(line, bytes) and CLOSING in line:
            yield from _closed_by(line, range(due, found))


def _closed_by(line: bytes, gap: range) -> Iterator[TamperedError]:
    """Yield what an entry that closes a month says is missing; what cannot be read is a finding itself."""
    try:
        for text, seq in missing_month(read_line(line), gap):
            yield TamperedError("SEGMENT", text, seq)
    except MalformedError as error:
        head = HEAD.match(line)
        yield TamperedError("CANON", f"the line {error}", int(head[3]) if head else None)
