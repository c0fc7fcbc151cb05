"""What the entries of a stored chain say of the chain itself - losses, erasures, months - as they come by."""

from collections.abc import Callable

from app.audit.earlier_trees import EarlierTrees
from app.audit.notable import RECOVERY, notable
from app.audit.pruning import Gaps
from app.audit.verify import (
    Erasures,
    Present,
    Report,
    TamperedError,
    Tree,
    by_two,
    erasure,
    is_erasure,
    recovery,
)
from app.storage.snapshot import Snapshot


class Hearing:
    """Hears the lines of one chain in their order, and adds to its report.

    Attributes:
        gaps: Where lines are empty.
        present: By which it is judged what time is over.
    """

    def __init__(
        self, snapshot: Snapshot, report: Report, present: Present, find: Callable[[TamperedError], None]
    ) -> None:
        """Begin before the first line; `find` takes what is wrong with an entry."""
        self.gaps, self.present, self._report, self._find = Gaps(present), present, report, find
        self._erasures, self._earlier = Erasures(), EarlierTrees(snapshot, report.organisation)

    def note(self, tree: Tree, size: int) -> None:
        """Take in what the tree over the first `size` lines is."""
        self._earlier.note(tree, size)

    def hear(self, good: list[bytes], start: int) -> None:
        """Pass on what the next lines say; only those that say something of the chain are read as JSON."""
        self.gaps.see(start, good)
        for seq, record, fault in notable(good, start):
            event = record.get("e", {})
            found = fault or self.gaps.hear(seq, record) or self._earlier.misclaimed(record)
            if found is not None:
                self._find(found)
            if event.get("act") == RECOVERY:
                self._report.doubts.append(recovery(seq, event, self._report.organisation))
            elif is_erasure(event) and not self._erasures.repeats(event):
                told = self._report.checked if by_two(event) else self._report.doubts
                told.append(erasure(seq, event))

    def conclude(self, newest: str) -> None:
        """Say of the newest line, by its time, if it is dated later than it can be."""
        self._report.doubts += filter(None, [self.present.ahead(newest)])
