"""What stands beside the lines, or is derived from them, against them: index, inner nodes, sealed boxes.

None of it changes a line, and each of it can be changed to hide one: from a search, from a proof, from
whoever wants to know what a value was. One pass over the lines makes all of it anew and compares.

Source: AUDIT-2, promise P5.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from app.audit import merkle
from app.audit.database_report import DatabaseReport
from app.audit.verify import Report, TamperedError
from app.core.entropy import Entropy
from app.core.errors import AlteredRow, SealBrokenError
from app.storage.snapshot import Snapshot
from app.trail import index_check
from app.trail.box_check import BoxCheck
from app.trail.index_check import IndexCheck
from app.trail.state_check import MOST_TOLD
from app.trail.state_kinds import Keys, root_fits
from app.trail.state_ledger import Share
from app.trail.tile_check import TileCheck
from app.vault.keyring import Keyring

_LINES = "SELECT seq, line, leaf FROM audit_event WHERE org = ? ORDER BY seq"
_PRUNE = b'"},"e":{"act":"segment.prune",'
_INDEXED = "SELECT size FROM audit_indexed WHERE org = ?"
Find = Callable[[TamperedError, AlteredRow], None]
OpenKeys = Callable[[Snapshot], Keys | None]


class Derived:
    """What is derived from the lines of one chain, held against them as they are taken.

    Attributes:
        index: The lists of the index.
        tiles: The inner nodes.
        boxes: What is sealed.
        find: Takes what is found.
        pruned: Whether an entry since the beginning says that lines before it were pruned.
    """

    def __init__(
        self,
        org: str,
        entropy: Entropy,
        find: Find,
        *,
        upto: int,
        keys: OpenKeys | None = None,
        share: Share | None = None,
        most: int = 0,
    ) -> None:
        """Begin before the first line.

        Args:
            org: Whose chain.
            entropy: What nobody can guess.
            find: Takes what is found.
            upto: How many lines the index holds at the beginning (`indexed`).
            keys: Returns keys to open names with.
            share: Which lists of the index to keep in mind; all by default.
            most: How many of them at most; 0 for all.
        """
        self.index = IndexCheck(entropy, upto, share or Share(), most)
        self.tiles = TileCheck(org, find)
        self.boxes = BoxCheck(org, find, keys)
        self._org, self._upto, self.find, self.pruned = org, upto, find, False

    def take(self, snapshot: Snapshot, start: int, lines: Sequence[bytes], leaves: Sequence[bytes]) -> None:
        """Take the next lines with the leaves stored beside them, and compare what is kept of them."""
        self.index.take(start, lines)
        # of a pruned line, which is empty, nothing is left but its leaf
        hashed = [merkle.leaf_hash(line) if line else leaf for line, leaf in zip(lines, leaves, strict=True)]
        self.tiles.take(snapshot, start, hashed)
        self.boxes.take(snapshot, start, lines)
        pruning = (seq for seq, line in enumerate(lines, start) if _PRUNE in line)
        self.pruned = self.pruned or any(seq >= self._upto for seq in pruning)

    def finish_lines(self, snapshot: Snapshot, size: int) -> None:
        """Compare what can be compared only when all lines were taken, but for the index."""
        self.tiles.finish(snapshot, size)
        self.boxes.finish(snapshot, size)
        done = indexed(snapshot, self._org)
        if done is None or not 0 <= done <= size:
            text = f"how far it has come is not what it can be: {done} of {size} lines; {index_check.MEND}"
            self.find(TamperedError(index_check.KIND, text), AlteredRow("audit_index", self._org))


def indexed(snapshot: Snapshot, org: str) -> int | None:
    """Return how many lines the index of a chain is said to hold; None if that is not noted."""
    return next((size for batch in snapshot.rows(_INDEXED, org) for (size,) in batch), None)


def check_derived(
    snapshot: Snapshot, report: DatabaseReport, entropy: Entropy, keyring: Keyring | None, at: datetime
) -> None:
    """Compare what is derived from the lines of every chain, and add to the report on it.

    Args:
        snapshot: The one the lines were checked in.
        report: On the lines of every chain.
        entropy: What nobody can guess.
        keyring: With the root key, to open names with; without it they are only looked for.
        at: Now.
    """
    opens = keyring if keyring is not None and root_fits(snapshot, keyring) else None
    for chain in report.chains:
        if chain.findings:
            chain.doubts.append("DERIVED: index, nodes and sealed values were not compared with broken lines")
        else:
            _Told(chain).check(snapshot, entropy, opens, at)


class _Told:
    """What is told of one chain."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._counts: dict[str, int] = {}

    def check(self, snapshot: Snapshot, entropy: Entropy, keyring: Keyring | None, at: datetime) -> None:
        org = self._report.organisation
        keys = _keys(snapshot, keyring, org, at) if keyring is not None else None
        upto = indexed(snapshot, org) or 0
        derived = Derived(org, entropy, self._find, upto=upto, keys=lambda _snapshot: keys)
        size = 0
        for batch in snapshot.rows(_LINES, org):
            _, lines, leaves = zip(*batch, strict=True)
            derived.take(snapshot, batch[0][0], lines, leaves)
            size = batch[-1][0] + 1
        derived.finish_lines(snapshot, size)
        for batch in snapshot.rows(index_check.ROWS, org, batch=index_check.ROWS_AT_ONCE):
            derived.index.compare(batch, upto, self._find)
        derived.index.finish(self._find)
        self._conclude(derived, upto)

    def _find(self, found: TamperedError, _row: AlteredRow) -> None:
        self._counts[found.kind] = self._counts.get(found.kind, 0) + 1
        if self._counts[found.kind] <= MOST_TOLD:
            self._report.findings.append(found)

    def _conclude(self, derived: Derived, upto: int) -> None:
        for kind, count in self._counts.items():
            if count > MOST_TOLD:
                self._report.findings.append(TamperedError(kind, f"{count - MOST_TOLD} more"))
        gone = [f"{count} erased under entry #{seq}" for seq, count in sorted(derived.boxes.erased.items())]
        kept = "; ".join([f"{derived.boxes.boxes} sealed values are named by lines", *gone])
        verdict = "compared" if self._counts else "compared, nothing missing and nothing too many"
        self._report.checked.append(
            f"{derived.index.rows} lists of the index over {upto} lines, {derived.tiles.nodes} inner nodes"
            f" and what is sealed beside lines were {verdict}: {kept}"
        )


def _keys(snapshot: Snapshot, keyring: Keyring, org: str, at: datetime) -> Keys | None:
    try:
        return Keys(snapshot, keyring, org, at)
    except SealBrokenError:
        return None  # the comparison of the rows says so
