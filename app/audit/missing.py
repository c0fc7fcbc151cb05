"""Months that are missing as a whole, named by the entries that closed them."""

from collections.abc import Iterator
from itertools import chain

from app.audit.verify import CLOSING, TamperedError, missing_month, read_line
from app.storage.snapshot import Snapshot

_NEXT_LINE = "SELECT min(seq) FROM audit_event WHERE org = ? AND seq >= ?"
_LINES_FROM = "SELECT line FROM audit_event WHERE org = ? AND seq >= ? ORDER BY seq"


def missing_months(snapshot: Snapshot, org: str, due: int) -> Iterator[TamperedError]:
    """Yield the closed months of a chain that are missing as a whole from line `due` to the next there is."""
    [[(found,)]] = snapshot.rows(_NEXT_LINE, org, due)
    if found is None:
        return
    for (line,) in chain.from_iterable(snapshot.rows(_LINES_FROM, org, found)):
        if CLOSING in line:
            for text, seq in missing_month(read_line(line), range(due, found)):
                yield TamperedError("SEGMENT", text, seq)
