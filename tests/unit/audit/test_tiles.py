"""The stored inner nodes: right, derived, few rows for a proof, and of no weight when wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import pytest
from sqlalchemy import event, insert, text, update

from app.audit import merkle, proofs, table, tiles
from app.audit.tiles import TilesBrokenError, Tree
from app.audit.verify import leaf_hash, root_over
from app.storage import together
from tests.support.chains import ORG, OTHER, Chains, on_sqlite

LINES = 70_000
"""More than 256 x 256, so that there is a node of level 2."""
MILLION = 1_000_000
ROWS_AT_A_MILLION = 512 + 512 + 15
"""Two tiles of 256 leaves, two of 256 nodes of level 1, and the 15 nodes of level 2."""


def fill(chains: Chains, org: str, size: int, part: int = 50_000) -> bytes:
    """Give a chain many lines that say nothing but their number, quickly; return the root."""
    peaks: list[bytes] = []
    with chains.turn() as connection:
        if chains.engine.dialect.name == "postgresql":  # these lines name no place and no line before
            connection.execute(text("ALTER TABLE audit_event DISABLE TRIGGER audit_event_link"))
        for start in range(0, size, part):
            lines = [b"%d" % n for n in range(start, min(size, start + part))]
            leaves = [merkle.leaf_hash(line) for line in lines]
            for at, leaf in enumerate(leaves, start):
                merkle.append(peaks, at, leaf)
            rows = zip(range(start, size), lines, leaves, strict=False)
            together.write(
                connection,
                insert(table.event),
                [{"org": org, "seq": n, "line": b, "leaf": h} for n, b, h in rows],
            )
        moved = update(table.head).where(table.head.c.org == org)
        connection.execute(moved.values(size=size, peaks=merkle.pack(peaks), leaf=leaves[-1]))
    return merkle.root(peaks)


@contextmanager
def counted(chains: Chains, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """Count rows and statements that are read meanwhile."""
    read, count = tiles._read, {"rows": 0, "statements": 0}

    def reading(*asked):
        found = read(*asked)
        count["rows"] += len(found)
        return found

    def executing(_connection, _cursor, statement, *_):
        count["statements"] += statement.startswith("SELECT")

    event.listen(chains.engine, "before_cursor_execute", executing)
    with monkeypatch.context() as patched:
        patched.setattr(tiles, "_read", reading)
        yield count
    event.remove(chains.engine, "before_cursor_execute", executing)


def caught_up(chains: Chains, most: int = 10_000, org: str = ORG) -> list[int]:
    """Let the tiles catch up, `most` at a time, and return what was left after each."""
    left = [-1]
    while left[-1]:
        with chains.turn() as connection:
            left.append(tiles.catch_up(connection, org, most))
    return left[1:]


def stored(chains: Chains, org: str = ORG) -> dict[tuple[int, int], bytes]:
    """Return the stored nodes by level and number."""
    with chains.turn() as connection:
        rows = connection.execute(table.tile.select().where(table.tile.c.org == org)).all()
    return {(row.level, row.n): bytes(row.hash) for row in rows}


@lru_cache
def root_at(size: int) -> bytes:
    """Return the root over the first lines that `fill` makes."""
    return merkle.root_of(merkle.leaf_hash(b"%d" % n) for n in range(size))


@pytest.fixture
def filled(chains: Chains) -> Chains:
    """A chain of 70,000 lines beside a short one; no tiles are written yet."""
    chains.found(ORG, OTHER)
    chains.append(3, OTHER)
    fill(chains, ORG, LINES)
    return chains


@pytest.fixture
def long(sqlite_chains: Chains) -> Chains:
    """A chain of 70,000 lines and its tiles, where the database makes no difference."""
    sqlite_chains.found(ORG)
    fill(sqlite_chains, ORG, LINES)
    caught_up(sqlite_chains)
    return sqlite_chains


def proven(chains: Chains, seqs: list[int], size: int, root: bytes) -> bool:
    """Say whether the paths of lines lead to a root."""
    with chains.turn() as connection:
        paths = tiles.inclusion_paths(connection, ORG, seqs, size)
    reached = {root_over(leaf_hash(b"%d" % n), n, size, path) for n, path in zip(seqs, paths, strict=True)}
    return reached == {root}


# --- written behind the trail --------------------------------------------------------------------------


def test_nodes_are_roots_over_256_neighbours(filled):
    """Each full 256 lines have a node of level 1, each full 256 of those one of level 2; no other rows."""
    assert caught_up(filled) == [0]
    nodes = stored(filled)
    leaves = [leaf_hash(b"%d" % n) for n in range(LINES)]

    assert nodes.keys() == {(1, n) for n in range(LINES // 256)} | {(2, 0)}
    for n in (0, 1, 255, 256, LINES // 256 - 1):
        assert nodes[1, n] == merkle.root_of(leaves[n * 256 : (n + 1) * 256])
    assert nodes[2, 0] == merkle.root_of(leaves[:65_536])
    assert stored(filled, OTHER) == {}, "each chain has tiles of its own"


@pytest.mark.parametrize("most", [1, 100, 255, 256, 257])
def test_tiles_come_in_pieces(sqlite_chains, most):
    """Whatever the pieces, the same nodes are there in the end, and what is left is told each time."""
    sqlite_chains.found(ORG)
    fill(sqlite_chains, ORG, LINES)
    full = LINES // 256
    with sqlite_chains.turn() as connection:
        assert tiles.behind(connection, ORG) == full
    left = caught_up(sqlite_chains, most)
    pieces = stored(sqlite_chains)
    with sqlite_chains.turn() as connection:
        connection.execute(text("DELETE FROM audit_tile"))
    assert caught_up(sqlite_chains) == [0]

    assert left == [max(0, full - most * (n + 1)) for n in range(len(left))]
    assert pieces == stored(sqlite_chains), "deleted, they come back the same"
    assert len(pieces) == full + 1


def test_tiles_follow_a_growing_chain(chains):
    """A node is written when its last line is there, not before."""
    chains.found(ORG)
    found = []
    for count in (255, 1, 255, 1, 513):
        chains.append(count)
        caught_up(chains)
        found.append(len(stored(chains)))

    assert found == [0, 1, 1, 2, 4]


def test_two_processes_may_write_the_same_tile(filled):
    """A tile that another process wrote meanwhile stays, and is no error."""
    caught_up(filled, 3)
    with filled.turn() as connection:
        tiles._write(connection, ORG, 1, range(2, 5))

    assert caught_up(filled) == [0]
    assert stored(filled)[1, 4] == merkle.root_of(leaf_hash(b"%d" % n) for n in range(1024, 1280))


def test_missing_lines_stop_the_tiles(filled):
    """No node is written over lines that are not all there."""
    filled.tamper("DELETE FROM audit_event WHERE org = :org AND seq = 300", org=ORG)
    with pytest.raises(TilesBrokenError):
        caught_up(filled)

    assert stored(filled) == {}


# --- proofs from them ----------------------------------------------------------------------------------


def test_proofs_at_any_size_come_from_the_tiles(filled):
    """Of any size up to the chain's, entries are proven, also many in one go and in any order."""
    caught_up(filled)
    for size in (1, 2, 255, 256, 257, 511, 512, 4_097, 65_535, 65_536, 65_537, LINES):
        seqs = sorted({n for n in (size - 1, 0, 255, 256, size // 2, 300, 65_536) if n < size}, reverse=True)
        assert proven(filled, seqs, size, root_at(size))
    with filled.turn() as connection:
        tree = Tree(connection, ORG, LINES)
        for first in (1, 255, 256, 257, 65_535, 65_536, 65_537, LINES):
            assert proofs.root(first, tree.hash_of) == root_at(first)
            path = proofs.consistency_path(first, LINES, tree.hash_of)
            assert proofs.extends(first, LINES, root_at(first), root_at(LINES), path)


def test_every_line_of_a_small_chain_is_proven(chains):
    """At every size of a chain a little longer than a tile, every line is proven by the stored lines."""
    chains.found(ORG)
    fill(chains, ORG, 259)
    caught_up(chains)
    for size in (1, 2, 3, 128, 255, 256, 257, 258, 259):
        assert proven(chains, list(range(size)), size, root_at(size))


def test_rows_read_for_a_proof_are_few(long, monkeypatch):
    """For a proof at most two tiles of each level are read, with a statement for each; shared by many."""
    caught_up(long)
    most = 2 * 256 + 2 * 256 + 1
    with long.turn() as connection, counted(long, monkeypatch) as one:
        tiles.inclusion_paths(connection, ORG, [123], LINES - 1)
    with long.turn() as connection, counted(long, monkeypatch) as many:
        tiles.inclusion_paths(connection, ORG, list(range(256)), LINES - 1)

    assert 256 < one["rows"] <= most
    assert one["statements"] <= 5
    assert many == one, "neighbours share every tile"


def test_rows_read_at_a_million_stay_within_the_bound(tmp_path, monkeypatch):
    """At 1,000,000 lines a proof reads at most 1,039 rows in 5 statements, and is right."""
    chains = on_sqlite(tmp_path, protected=False)
    chains.found(ORG)
    root = fill(chains, ORG, MILLION)
    caught_up(chains)
    worst = 0
    for seq in (0, 1, 65_535, 123_456, 524_287, 999_935, 999_936, MILLION - 1):
        with counted(chains, monkeypatch) as count:
            assert proven(chains, [seq], MILLION, root)
        worst = max(worst, count["rows"])
        assert count["statements"] <= 5
    chains.engine.dispose()

    assert 512 < worst <= ROWS_AT_A_MILLION


# --- wrong ones ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "seq"),
    [
        ("UPDATE audit_tile SET hash = :other WHERE level = 1 AND n = 3", 0),
        ("UPDATE audit_tile SET hash = :other WHERE level = 1 AND n = 272", 0),
        ("UPDATE audit_tile SET hash = :other WHERE level = 2", LINES - 1),
        ("UPDATE audit_event SET leaf = :other WHERE org = :org AND seq = 7", 6),
    ],
)
def test_a_changed_node_leads_elsewhere(long, statement, seq):
    """A proof made from a tile or a leaf that was changed in the database does not lead to the root."""
    caught_up(long)
    root = root_at(LINES)
    assert proven(long, [seq], LINES, root)
    long.tamper(statement, **used(statement))

    assert not proven(long, [seq], LINES, root)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_tile WHERE level = 1 AND n = 3",
        "DELETE FROM audit_tile WHERE level = 2",
        "DELETE FROM audit_event WHERE org = :org AND seq = 7",
    ],
)
def test_a_removed_node_is_noticed(long, statement):
    """No proof is made from a tile of which a row is missing."""
    caught_up(long)
    long.tamper(statement, **used(statement))
    with pytest.raises(TilesBrokenError):
        proven(long, [6, LINES - 1], LINES, b"")


def used(statement: str) -> dict[str, object]:
    """Return the parameters that a statement names."""
    return {name: value for name, value in (("org", ORG), ("other", bytes(32))) if f":{name}" in statement}
