"""The tree of a chain at sizes it had earlier, while its lines are read one after another.

An entry that closes a month, or prunes, says what root the lines before some line have. When it comes by,
the tree has grown past that line. So what is kept of the tree is noted every so often, some ten hashes each,
and the few lines from there on are read once more. Of a pruned line the leaf is there.
"""

from typing import Any, NamedTuple

from app.audit import merkle
from app.audit.verify import TamperedError, Tree, inside, misclaimed, prunes
from app.storage.snapshot import BATCH, Snapshot

_LINES = "SELECT line, leaf FROM audit_event WHERE org = ? AND seq >= ? AND seq < ? ORDER BY seq"


class _Was(NamedTuple):
    """The tree when it had so many leaves."""

    size: int
    peaks: list[bytes]


class EarlierTrees:
    """Holds what entries say of the lines before some line against those lines."""

    def __init__(self, snapshot: Snapshot, org: str) -> None:
        """Begin before the first line of a chain."""
        self._snapshot, self._org = snapshot, org
        self._noted = [_Was(0, [])]

    def note(self, tree: Tree, size: int) -> None:
        """Take in what the tree over the first `size` lines is; sizes only go up."""
        if size >= self._noted[-1].size + BATCH:
            self._noted.append(_Was(size, peaks_of(tree)))

    def misclaimed(self, record: dict[str, Any]) -> TamperedError | None:
        """Return what an entry that counts, and closed a month or pruned, says of its lines and is not so."""
        event = record["e"]
        if not prunes(event) and event.get("act") != "segment.close":
            return None
        tree, last = self._at(inside(event, "prune" if prunes(event) else "seg", "end"))
        peaks = [peak.hex() for peak in peaks_of(tree)]
        return misclaimed(record, tree.root().hex(), last.hex(), peaks)

    def _at(self, size: int) -> tuple[Tree, bytes]:
        """Return the tree over the first `size` lines, at least one, and the leaf of the last of them."""
        was = next(was for was in reversed(self._noted) if was.size < size)
        tree, leaf = Tree(was.size, was.peaks), b""
        for batch in self._snapshot.rows(_LINES, self._org, was.size, size):
            leaves = [merkle.leaf_hash(line) if line else leaf for line, leaf in batch]
            tree.extend(leaves)
            leaf = leaves[-1]
        return tree, leaf


def peaks_of(tree: Tree) -> list[bytes]:
    """Return the peaks of a tree, largest first."""
    return [peak for peak in reversed(tree.waiting) if peak is not None]
