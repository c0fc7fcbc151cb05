"""The Merkle tree: RFC 6962 vectors, peaks against the RFC's own recursion, both implementations."""

from hashlib import sha256

import pytest

from app.audit import merkle, verify
from tests.support.sample_export import path_of, root_of

# The reference vectors of Certificate Transparency: eight leaves, and the root after each.
LEAVES = [
    bytes.fromhex(data)
    for data in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
MANY = [merkle.leaf_hash(f"line {n}".encode()) for n in range(301)]


def test_empty_tree_has_the_root_of_nothing():
    """The root of a tree without leaves is SHA-256 of the empty string."""
    assert sha256(b"").digest() == merkle.root([]) == merkle.root_of([]) == verify.Tree().root()


@pytest.mark.parametrize("size", range(1, 9))
def test_published_roots(size):
    """The roots over the published leaves are the published ones."""
    leaves = [merkle.leaf_hash(leaf) for leaf in LEAVES[:size]]
    tree = verify.Tree()
    tree.extend(leaves)

    assert ROOTS[size - 1] == merkle.root_of(leaves).hex() == tree.root().hex()


def test_peaks_give_the_naive_root_at_every_size():
    """Peaks grown leaf by leaf, packed and unpacked, give the root of the RFC's recursion."""
    peaks: list[bytes] = []
    checked = 0
    for size in range(301):
        assert root_of(MANY[:size]) == merkle.root(peaks)
        assert peaks == merkle.unpack(merkle.pack(peaks), size)
        assert len(peaks) == size.bit_count()
        merkle.append(peaks, size, MANY[size])
        checked += 1

    assert 301 == checked


def test_verifier_tree_takes_leaves_in_any_portions():
    """The verifier's tree has the same root whether leaves come at once, in portions or after a restart."""
    for cut in range(0, 301, 7):
        peaks: list[bytes] = []
        for size, leaf in enumerate(MANY[:cut]):
            merkle.append(peaks, size, leaf)
        grown, resumed = verify.Tree(), verify.Tree(cut, peaks)
        grown.extend(MANY[:cut])
        grown.extend(MANY[cut:])
        resumed.extend(MANY[cut:])

        assert merkle.root_of(MANY) == grown.root() == resumed.root()


@pytest.mark.parametrize(
    ("packed", "size"), [(b"", 1), (b"x" * 31, 1), (b"x" * 64, 2), (b"x" * 32, 0), (b"", -1)]
)
def test_peaks_of_another_size_are_refused(packed, size):
    """Stored peaks that cannot belong to the stored size are refused, not guessed."""
    with pytest.raises(merkle.PeaksBrokenError):
        merkle.unpack(packed, size)


def test_inclusion_paths_lead_to_the_root():
    """Each path of the RFC's recursion leads from its leaf, at its index, to the root."""
    checked = 0
    for size in range(1, 34):
        leaves = MANY[:size]
        root = root_of(leaves)
        for index in range(size):
            path = path_of(index, leaves)
            assert root == verify.root_over(leaves[index], index, size, path)
            checked += 1

    assert 33 * 34 // 2 == checked


@pytest.mark.parametrize("size", [1, 2, 3, 8, 13])
def test_inclusion_path_of_another_place_leads_elsewhere(size):
    """A path that is too short, too long, or used for another leaf or index does not reach the root."""
    leaves = MANY[:size]
    root = root_of(leaves)
    for index in range(size):
        path = path_of(index, leaves)
        assert root != verify.root_over(leaves[index], index, size, [*path, MANY[300]])
        assert root != verify.root_over(MANY[300], index, size, path)
        if path:
            assert root != verify.root_over(leaves[index], index, size, path[:-1])
            assert root != verify.root_over(leaves[index], index ^ 1, size, path)
