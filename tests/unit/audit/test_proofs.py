"""Proofs against RFC 6962 as it is written, against published vectors, and against tampering."""

from base64 import b64decode
from hashlib import sha256
from itertools import combinations_with_replacement

import pytest

from app.audit import proofs
from app.audit.proofs import Node
from app.audit.verify import root_over

SIZES = 301
MILLION = 1_000_000

# The reference tree of Certificate Transparency (transparency-dev/merkle, testonly): inputs, roots, proofs.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = """
    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d
    fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125
    aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77
    d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7
    4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4
    76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef
    ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c
    5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328
""".split()
LEAF_0, LEAF_1 = ROOTS[1], "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
LEAF_4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
LEAF_6 = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f"
OVER_2_3 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
OVER_4_5 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
OVER_6_7 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
OVER_4_7 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
INCLUSION = {
    (0, 1): [],
    (0, 2): [LEAF_1],
    (1, 2): [LEAF_0],
    (2, 3): [ROOTS[2]],
    (1, 5): [LEAF_0, OVER_2_3, LEAF_4],
    (0, 8): [LEAF_1, OVER_2_3, OVER_4_7],
    (5, 8): [LEAF_4, OVER_6_7, ROOTS[4]],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [LEAF_1, OVER_2_3, OVER_4_7],
    (2, 5): [OVER_2_3, LEAF_4],
    (6, 7): [OVER_4_5, LEAF_6, ROOTS[4]],
    (6, 8): [OVER_4_5, OVER_6_7, ROOTS[4]],
}


class Naive:
    """MTH, PATH and PROOF of RFC 6962, 2.1, by its recursions. Perfect subtrees come from a table."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.size = len(leaves)
        self.levels = [leaves]
        while len(self.levels[-1]) > 1:
            pairs = zip(self.levels[-1][::2], self.levels[-1][1::2], strict=False)
            self.levels.append([sha256(b"\x01" + left + right).digest() for left, right in pairs])

    def hash_of(self, node: Node) -> bytes:
        return self.levels[node.level][node.n]

    def mth(self, start: int, end: int) -> bytes:
        size = end - start
        if size == 0:
            return sha256(b"").digest()
        if size.bit_count() == 1 and start % size == 0:
            return self.levels[size.bit_length() - 1][start // size]
        k = split(size)
        return sha256(b"\x01" + self.mth(start, start + k) + self.mth(start + k, end)).digest()

    def path(self, m: int, start: int, end: int) -> list[bytes]:
        if end - start == 1:
            return []
        k = split(end - start)
        if m < k:
            return [*self.path(m, start, start + k), self.mth(start + k, end)]
        return [*self.path(m - k, start + k, end), self.mth(start, start + k)]

    def proof(self, m: int, start: int, end: int, *, known: bool = True) -> list[bytes]:
        if m == end - start:
            return [] if known else [self.mth(start, end)]
        k = split(end - start)
        if m <= k:
            return [*self.proof(m, start, start + k, known=known), self.mth(start + k, end)]
        return [*self.proof(m - k, start + k, end, known=False), self.mth(start, start + k)]


def split(size: int) -> int:
    """Return the largest power of two smaller than a size."""
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def leaf(data: bytes) -> bytes:
    """Return the leaf of RFC 6962."""
    return sha256(b"\x00" + data).digest()


@pytest.fixture(scope="module")
def naive() -> Naive:
    return Naive([leaf(b"line %d" % n) for n in range(SIZES)])


@pytest.fixture(scope="module")
def million() -> Naive:
    return Naive([leaf(b"%d" % n) for n in range(MILLION)])


def hexes(path: list[bytes]) -> list[str]:
    return [part.hex() for part in path]


# --- right at every size ---------------------------------------------------------------------------


def test_every_inclusion_path_up_to_300(naive):
    """At every size from 0 to 300 each leaf has the path of the RFC, and the path leads to the root."""
    checked = 0
    for size in range(SIZES):
        root = naive.mth(0, size)
        assert proofs.root(size, naive.hash_of) == root
        for index in range(size):
            path = proofs.inclusion_path(index, size, naive.hash_of)
            assert path == naive.path(index, 0, size)
            assert root_over(naive.levels[0][index], index, size, path) == root
            checked += 1

    assert checked == 300 * 301 // 2


def test_every_consistency_path_up_to_300(naive):
    """For every pair of sizes from 0 to 300 the path is the RFC's, and shows the one extends the other."""
    roots = [naive.mth(0, size) for size in range(SIZES)]
    checked = 0
    for first, second in combinations_with_replacement(range(SIZES), 2):
        path = proofs.consistency_path(first, second, naive.hash_of)
        assert path == (naive.proof(first, 0, second) if first else [])
        assert proofs.extends(first, second, roots[first], roots[second], path)
        checked += 1

    assert checked == 301 * 302 // 2


def test_right_at_a_million(million):
    """At 1,000,000 leaves paths have at most 20 hashes, are the RFC's and lead to the root."""
    root = million.mth(0, MILLION)
    assert proofs.root(MILLION, million.hash_of) == root
    for index in [0, 1, 255, 256, 65_535, 65_536, 524_287, 524_288, 999_999, *range(7, MILLION, 9973)]:
        path = proofs.inclusion_path(index, MILLION, million.hash_of)
        assert len(path) <= 20
        assert path == million.path(index, 0, MILLION)
        assert root_over(million.levels[0][index], index, MILLION, path) == root
    for first in [1, 2, 255, 256, 257, 65_536, 524_288, 999_999, MILLION, *range(3, MILLION, 99_991)]:
        path = proofs.consistency_path(first, MILLION, million.hash_of)
        assert len(path) <= 21
        assert path == million.proof(first, 0, MILLION)
        assert proofs.extends(first, MILLION, million.mth(0, first), root, path)


def test_a_path_asks_for_few_nodes(million):
    """A path over 1,000,000 leaves is made from fewer than 40 nodes."""
    asked: list[Node] = []
    proofs.inclusion_path(123_456, MILLION, lambda node: asked.append(node) or million.hash_of(node))

    assert 0 < len(asked) < 40
    assert len(set(asked)) == len(asked)


# --- published vectors -------------------------------------------------------------------------------


def test_published_roots_and_proofs():
    """Roots, inclusion and consistency proofs of the published reference tree come out as published."""
    tree = Naive([leaf(bytes.fromhex(data)) for data in INPUTS])
    roots = [proofs.root(size, tree.hash_of).hex() for size in range(9)]
    inclusion = {asked: hexes(proofs.inclusion_path(*asked, tree.hash_of)) for asked in INCLUSION}
    consistency = {asked: hexes(proofs.consistency_path(*asked, tree.hash_of)) for asked in CONSISTENCY}

    assert roots == ROOTS
    assert inclusion == INCLUSION
    assert consistency == CONSISTENCY


@pytest.mark.parametrize(("first", "second"), CONSISTENCY)
def test_published_consistency_proofs_are_believed(first, second):
    """The published proofs hold between the published roots, and between no others."""
    path = [bytes.fromhex(part) for part in CONSISTENCY[first, second]]
    old, new, wrong = (bytes.fromhex(ROOTS[size]) for size in (first, second, 3))

    assert proofs.extends(first, second, old, new, path)
    assert not proofs.extends(first, second, wrong, new, path)
    assert not proofs.extends(first, second, old, wrong, path)


def test_a_tlog_proof_is_written_as_c2sp_shows_it():
    """The example of c2sp.org/tlog-proof, without its opaque extra line, comes out to the letter."""
    hashes = """
        gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ= B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
        EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs= RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=
        AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=
    """.split()
    note = "example.com/fancylog\n109482\nsFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n\n— example.com A=\n"
    path = [b64decode(text) for text in hashes]

    assert proofs.tlog_proof(73894, path, note) == "\n".join(
        ["c2sp.org/tlog-proof@v1", "index 73894", *hashes, "", note]
    )
    assert proofs.tlog_proof(0, [], note) == f"c2sp.org/tlog-proof@v1\nindex 0\n\n{note}"


# --- broken ones ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 3, 8, 13, 100, 257])
def test_a_path_holds_for_its_place_only(naive, size):
    """A path with a hash swapped, left out or added, or for another leaf or index, leads elsewhere."""
    leaves, root = naive.levels[0], naive.mth(0, size)
    for index in range(size):
        path = proofs.inclusion_path(index, size, naive.hash_of)
        for at in range(len(path)):
            changed = [*path[:at], leaves[300], *path[at + 1 :]]
            assert root_over(leaves[index], index, size, changed) != root
        assert root_over(leaves[index], index, size, path[:-1]) != root
        assert root_over(leaves[index], index, size, [*path, leaves[300]]) != root
        for other in range(size):
            if other != index:
                assert root_over(leaves[other], index, size, path) != root
        assert root_over(leaves[index], (index + 1) % size, size, path) != root


def test_a_changed_consistency_path_is_not_believed(naive):
    """A path with a hash changed, left out, added or moved, or for other sizes, proves nothing."""
    roots = [naive.mth(0, size) for size in range(41)]
    tried = 0
    for first, second in combinations_with_replacement(range(1, 41), 2):
        path = proofs.consistency_path(first, second, naive.hash_of)
        wrong = [path[:-1]] if path else []
        wrong += [[*path, roots[5]], [roots[5], *path]]
        wrong += [[*path[:at], naive.levels[0][300], *path[at + 1 :]] for at in range(len(path))]
        wrong += [path[::-1]] if len(set(path)) > 1 else []
        for changed in wrong:
            assert not proofs.extends(first, second, roots[first], roots[second], changed)
            tried += 1
        if first < second:
            assert not proofs.extends(second, first, roots[second], roots[first], path)
            assert not proofs.extends(first, second, roots[second], roots[first], path)
            assert not proofs.extends(first, second, naive.levels[0][300], roots[second], path)

    assert tried > 4000


def test_a_fork_is_not_believed(naive):
    """No path of a tree in which one earlier leaf was rewritten leads from the old root."""
    for at in (0, 17, 99):
        forked = Naive([*naive.levels[0][:at], leaf(b"rewritten"), *naive.levels[0][at + 1 :]])
        path = proofs.consistency_path(100, 300, forked.hash_of)

        assert not proofs.extends(100, 300, naive.mth(0, 100), forked.mth(0, 300), path)


def test_the_empty_tree_is_the_beginning_of_all(naive):
    """From size 0 only the root of nothing and an empty path are accepted."""
    nothing, root = naive.mth(0, 0), naive.mth(0, 7)

    assert proofs.extends(0, 7, nothing, root, [])
    assert not proofs.extends(0, 7, root, root, [])
    assert not proofs.extends(0, 7, nothing, root, [root])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_a_leaf_outside_has_no_path(naive, index, size):
    """A path is refused for a leaf that the tree does not have."""
    with pytest.raises(ValueError, match="not in the tree"):
        proofs.inclusion_path(index, size, naive.hash_of)


@pytest.mark.parametrize(("first", "second"), [(4, 3), (-1, 3)])
def test_sizes_out_of_order_have_no_path(naive, first, second):
    """A consistency path is refused for sizes that are not in order."""
    with pytest.raises(ValueError, match="larger"):
        proofs.consistency_path(first, second, naive.hash_of)
