"""The inner nodes of the tree, so that a proof over any number of lines reads a bounded number of rows.

A row of `audit_tile` is the root over 256 neighbours of the level below: level 1 over 256 leaves of
`audit_event`, level 2 over 256 rows of level 1, and so on. 256 neighbours are a *tile*; every node between
two levels is hashed anew from its tile. A proof touches two tiles of a level, one around its entry and one
at the right edge: at most 512 rows for each factor of 256 in the size.

Like the index, tiles are derived, written behind the trail, and prove nothing: a wrong one makes a proof
that does not lead to the signed root, and such a proof is never answered (`trail.proving`). What is wrong
is then made anew from the lines (`Source`). They come back by themselves when all rows of a chain are
deleted.
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from itertools import pairwise

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from app.audit import merkle, proofs, stored, table
from app.audit.proofs import Node
from app.core.errors import CaretrailError

WIDTH_BITS = 8
WIDTH = 1 << WIDTH_BITS
"""Neighbours of a tile."""
MOST_FROM_LINES = 1 << 17
"""So many lines may be read for a tree of which nothing stored is believed, about a second."""


class Source(Enum):
    """What a tree is read from: each believes less of what is stored beside the lines."""

    STORED = "leaves and nodes as they are stored"
    NODES = "leaves hashed from the lines, nodes as they are stored"
    LINES = "everything hashed from the lines"


_event, _tile = table.event.c, table.tile.c
_DONE = select(func.max(_tile.n)).where(_tile.org == bindparam("org"), _tile.level == 1)
_LEAVES = (
    select(_event.leaf)
    .where(_event.org == bindparam("org"), _event.seq >= bindparam("start"), _event.seq < bindparam("end"))
    .order_by(_event.seq)
)
_NODES = (
    select(_tile.hash)
    .where(
        _tile.org == bindparam("org"),
        _tile.level == bindparam("level"),
        _tile.n >= bindparam("start"),
        _tile.n < bindparam("end"),
    )
    .order_by(_tile.n)
)
# Two processes may write the same tile: it follows from the lines, so both write the same
_INSERT = {
    "sqlite": sqlite.insert(table.tile).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(table.tile).on_conflict_do_nothing(),
}


class TilesBrokenError(CaretrailError):
    """Leaves or nodes that must be there are missing: somebody removed rows."""

    why = "tiles-broken"

    def __init__(self) -> None:
        super().__init__(why=self.why)


def behind(connection: Connection, org: str) -> int:
    """Return how many full tiles of lines of a chain are not written yet."""
    return stored.size_of(connection, org) // WIDTH - _done(connection, org)


def catch_up(connection: Connection, org: str, most: int) -> int:
    """Write the nodes over at most `most` further tiles of lines; return how many are left out still.

    Raises:
        TilesBrokenError: Lines are missing.
    """
    start, full = _done(connection, org), stored.size_of(connection, org) // WIDTH
    end = min(full, start + most)
    left, level = full - end, 0
    while start < end:
        level += 1
        _write(connection, org, level, range(start, end))
        start, end = start // WIDTH, end // WIDTH
    return left


def inclusion_paths(
    connection: Connection, org: str, seqs: Iterable[int], size: int, source: Source = Source.STORED
) -> list[list[bytes]]:
    """Return the path of each of some lines, in their order, in the tree of the first `size` lines.

    What was read for one is kept for the next until all are done: some hundreds at once, no more. The
    tiles have to have caught up (`catch_up`).

    Raises:
        TilesBrokenError: Lines or nodes are missing.
    """
    tree = Tree(connection, org, size, source)
    return [proofs.inclusion_path(seq, size, tree.hash_of) for seq in seqs]


class Tree:
    """The nodes over the first `size` lines of a chain, read a tile at a time and kept."""

    def __init__(self, connection: Connection, org: str, size: int, source: Source = Source.STORED) -> None:
        self._connection = connection
        self._org = org
        self._size = size
        self._source = source
        self._tiles: dict[tuple[int, int], list[Sequence[bytes]]] = {}

    def hash_of(self, node: Node) -> bytes:
        """Return the hash of a node, which has to lie within the lines.

        Raises:
            TilesBrokenError: What it is made from is not all there.
        """
        level, height = divmod(node.level, WIDTH_BITS)
        n = node.n << height >> WIDTH_BITS
        return self._kept(level, n)[height][node.n - (n << WIDTH_BITS >> height)]

    def _kept(self, level: int, n: int) -> list[Sequence[bytes]]:
        tile = self._tiles.get((level, n))
        if tile is None:
            tile = self._tiles[level, n] = self._tile(level, n)
        return tile

    def _tile(self, level: int, n: int) -> list[Sequence[bytes]]:
        """Return the rows of a tile, neighbours first, each row the nodes over the pairs below."""
        end = min((n + 1) * WIDTH, self._size >> level * WIDTH_BITS)
        rows = [self._neighbours(level, range(n * WIDTH, end))]
        while len(rows[-1]) > 1:
            pairs = zip(rows[-1][::2], rows[-1][1::2], strict=False)  # an odd one has no node above
            rows.append([merkle.node_hash(left, right) for left, right in pairs])
        return rows

    def _neighbours(self, level: int, numbers: range) -> Sequence[bytes]:
        """Return neighbours of one level, stored or made anew."""
        if self._source is Source.STORED or (level and self._source is Source.NODES):
            return _read(self._connection, self._org, level, numbers.start, numbers.stop)
        if level:
            return [self._kept(level - 1, n)[-1][0] for n in numbers]
        leaves = stored.leaves(self._connection, self._org, numbers.start, numbers.stop)
        if len(leaves) != len(numbers):
            raise TilesBrokenError
        return leaves


def lead_to(connection: Connection, org: str, size: int, root: bytes) -> bool:
    """Say whether all stored nodes over the first `size` lines are those of the tree with this root.

    One row for 255 lines is read. The leaves within full tiles are not asked.
    """
    counts = [size >> level * WIDTH_BITS for level in range(1, size.bit_length() // WIDTH_BITS + 1)]
    try:
        rows = [_read(connection, org, level, 0, count) for level, count in enumerate(counts, 1) if count]
        last = _read(connection, org, 0, size >> WIDTH_BITS << WIDTH_BITS, size)
    except TilesBrokenError:
        return False
    for below, above in pairwise(rows):
        made = [merkle.root_of(below[n * WIDTH : (n + 1) * WIDTH]) for n in range(len(above))]
        if made != list(above):
            return False
    return merkle.root([*_peaks(rows[0] if rows else ()), *_peaks(last)]) == root


def _peaks(nodes: Sequence[bytes]) -> list[bytes]:
    peaks: list[bytes] = []
    for n, node in enumerate(nodes):
        merkle.append(peaks, n, node)
    return peaks


def _write(connection: Connection, org: str, level: int, numbers: range) -> None:
    below = _read(connection, org, level - 1, numbers.start * WIDTH, numbers.stop * WIDTH)
    tiles = (below[at : at + WIDTH] for at in range(0, len(below), WIDTH))
    rows = [
        {"org": org, "level": level, "n": n, "hash": merkle.root_of(tile)}
        for n, tile in zip(numbers, tiles, strict=True)
    ]
    connection.execute(_INSERT[connection.dialect.name], rows)


def _done(connection: Connection, org: str) -> int:
    newest: int | None = connection.execute(_DONE, {"org": org}).scalar_one()
    return 0 if newest is None else newest + 1


def _read(connection: Connection, org: str, level: int, start: int, end: int) -> Sequence[bytes]:
    """Return neighbours of one level: leaves of lines, or stored nodes."""
    asked = {"org": org, "start": start, "end": end} | ({"level": level} if level else {})
    found: Sequence[bytes] = connection.execute(_NODES if level else _LEAVES, asked).scalars().all()
    if len(found) != end - start:
        raise TilesBrokenError
    return found
