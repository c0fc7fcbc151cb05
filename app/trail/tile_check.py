"""The stored inner nodes against the lines: every one is hashed anew.

Nodes are derived and prove nothing. A wrong one makes a proof that leads nowhere, so whoever changes
`audit_tile` withholds proofs; here it is found before somebody asks for one.

Source: AUDIT-2, promise P5.
"""

from collections.abc import Callable, Sequence

from app.audit import merkle
from app.audit.tiles import WIDTH, WIDTH_BITS
from app.audit.verify import TamperedError
from app.core.errors import AlteredRow
from app.storage.snapshot import Snapshot

KIND = "TILE"
HIGHEST = 7
"""No trail has so many lines that a node stands higher."""
MEND = "`caretrail audit reindex` makes the nodes anew"
_STORED = "SELECT n, hash FROM audit_tile WHERE org = ? AND level = ? AND n >= ? AND n < ? ORDER BY n"
_ENDS = "SELECT level, min(n), max(n) FROM audit_tile WHERE org = ? GROUP BY level ORDER BY level"
_DONE = "SELECT max(n) FROM audit_tile WHERE org = ? AND level = 1"
Find = Callable[[TamperedError, AlteredRow], None]


class _Level:
    """Neighbours of one level that wait for a node above them."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []
        self._next = 0

    def add(self, n: int, value: bytes) -> bytes | None:
        """Take the next neighbour; return the node above when all below it were taken."""
        if n != self._next:  # the walk began behind it: what lies before cannot be hashed anew
            self.waiting = []
        self._next = n + 1
        if self.waiting or n % WIDTH == 0:
            self.waiting.append(value)
        if len(self.waiting) < WIDTH:
            return None
        node, self.waiting = merkle.root_of(self.waiting), []
        return node


class TileCheck:
    """Holds the inner nodes of one chain against its lines, taken in their order."""

    def __init__(self, org: str, find: Find) -> None:
        """Begin before the first line; `find` takes what is found."""
        self._org, self._find = org, find
        self._levels = [_Level()]
        self.nodes = 0

    def take(self, snapshot: Snapshot, start: int, leaves: Sequence[bytes]) -> None:
        """Take the leaves of the next lines, and compare the nodes that are complete with them."""
        made: dict[int, list[tuple[int, bytes]]] = {}
        for seq, leaf in enumerate(leaves, start):
            self._add(0, seq, leaf, made)
        if made:
            [[(newest,)]] = snapshot.rows(_DONE, self._org)
            written = 0 if newest is None else newest + 1
            for level, nodes in made.items():
                self._compare(snapshot, level, nodes, written >> (level - 1) * WIDTH_BITS)

    def _add(self, level: int, n: int, value: bytes, made: dict[int, list[tuple[int, bytes]]]) -> None:
        node = self._levels[level].add(n, value)
        if node is None:
            return
        level, n = level + 1, n >> WIDTH_BITS
        if level == len(self._levels):
            self._levels.append(_Level())
        made.setdefault(level, []).append((n, node))
        self._add(level, n, node, made)

    def _compare(self, snapshot: Snapshot, level: int, nodes: list[tuple[int, bytes]], written: int) -> None:
        """Compare nodes of a level, of which `written` have to be there."""
        first, last = nodes[0][0], nodes[-1][0]
        asked = snapshot.rows(_STORED, self._org, level, first, last + 1)
        stored = {n: value for batch in asked for n, value in batch}
        for n, value in nodes:
            self.nodes += 1
            if n not in stored and n < written:
                self._tell(level, n, "is missing")
            elif n in stored and stored[n] != value:
                self._tell(level, n, "is not that of the lines")

    def finish(self, snapshot: Snapshot, size: int) -> None:
        """Find nodes over lines that are not there."""
        for batch in snapshot.rows(_ENDS, self._org):
            for level, lowest, highest in batch:
                if level < 1 or lowest < 0 or highest >= size >> level * WIDTH_BITS:
                    self._tell(level, highest, "is over lines that are not there")

    def _tell(self, level: int, n: int, text: str) -> None:
        over = ""
        if 1 <= level <= HIGHEST:
            span = 1 << level * WIDTH_BITS
            over = f", over the lines #{n * span} to #{(n + 1) * span - 1},"
        told = f"the node {n} of level {level}{over} {text}; {MEND}"
        self._find(TamperedError(KIND, told), AlteredRow("audit_tile", f"{level}:{n}"))
