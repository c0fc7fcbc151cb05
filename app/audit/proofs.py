"""Inclusion and consistency proofs of the Merkle tree (RFC 6962, 2.1), from node hashes alone.

A proof is a list of roots of ranges of leaves, from the bottom up. Each range is a row of perfect trees
as the peaks are (`merkle`), and their roots are asked of whoever keeps them: about log2(size) nodes. What
a proof shows is never taken from here: `verify.root_over` and `extends` start from the proof alone.

Source: AUDIT-2; RFC 6962, 2.1.1 and 2.1.2; RFC 9162, 2.1.4.2; c2sp.org/tlog-proof.
"""

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import NamedTuple

from app.audit import merkle


class Node(NamedTuple):
    """The root of a perfect tree: over the 2**level leaves from number n * 2**level on."""

    level: int
    n: int


HashOf = Callable[[Node], bytes]
"""Whoever keeps the nodes."""


def root(size: int, hash_of: HashOf) -> bytes:
    """Return the root of the tree of the first `size` leaves."""
    return _over(range(size), hash_of)


def inclusion_path(index: int, size: int, hash_of: HashOf) -> list[bytes]:
    """Return the path from a leaf to the root of the first `size` leaves, the leaf's sibling first.

    Raises:
        ValueError: There is no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError("the leaf is not in the tree")
    siblings: list[range] = []
    start, end = 0, size
    while end - start > 1:
        middle = _middle(start, end)
        if index < middle:
            siblings.append(range(middle, end))
            end = middle
        else:
            siblings.append(range(start, middle))
            start = middle
    return [_over(leaves, hash_of) for leaves in reversed(siblings)]


def consistency_path(first: int, second: int, hash_of: HashOf) -> list[bytes]:
    """Return what proves that the tree of `second` leaves begins with the tree of `first` leaves.

    It is empty where nothing is left to prove: for equal sizes, and for an empty first tree.

    Raises:
        ValueError: The first is larger than the second.
    """
    if not 0 <= first <= second:
        raise ValueError("the first tree is larger than the second")
    parts: list[range] = []
    start, end = 0, second if first else 0
    while end > first:
        middle = _middle(start, end)
        if first <= middle:
            parts.append(range(middle, end))
            end = middle
        else:
            parts.append(range(start, middle))
            start = middle
    if start:  # otherwise this is the whole first tree, whose root the reader has
        parts.append(range(start, end))
    return [_over(leaves, hash_of) for leaves in reversed(parts)]


def extends(first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]) -> bool:
    """Say whether a path proves that the first tree is the beginning of the second."""
    if first == second:
        return not path and first_root == second_root
    if first == 0:  # every tree begins with the empty one
        return not path and first_root == merkle.EMPTY_ROOT
    hashes = [first_root, *path] if first.bit_count() == 1 else list(path)
    if first > second or not hashes:
        return False
    shift = ((first - 1) ^ first).bit_length() - 1  # the first tree's last perfect tree is the start
    old, new = (first - 1) >> shift, (second - 1) >> shift
    old_root = new_root = hashes[0]
    for sibling in hashes[1:]:
        if new == 0:
            return False
        if old & 1 or old == new:
            old_root, new_root = merkle.node_hash(sibling, old_root), merkle.node_hash(sibling, new_root)
            while old and not old & 1:
                old, new = old >> 1, new >> 1
        else:
            new_root = merkle.node_hash(new_root, sibling)
        old, new = old >> 1, new >> 1
    return new == 0 and (old_root, new_root) == (first_root, second_root)


def tlog_proof(seq: int, path: Sequence[bytes], note: str) -> str:
    """Return the C2SP tlog-proof that a line stands at a number of the log whose checkpoint `note` is."""
    hashes = "".join(f"{text}\n" for text in spelled(path))
    return f"c2sp.org/tlog-proof@v1\nindex {seq}\n{hashes}\n{note}"


def spelled(path: Sequence[bytes]) -> list[str]:
    """Return the hashes of a path as base64."""
    return [b64encode(part).decode() for part in path]


def _middle(start: int, end: int) -> int:
    """Return where a tree over a range of at least two leaves divides: RFC 6962's k."""
    return start + (1 << ((end - start - 1).bit_length() - 1))


def _over(leaves: range, hash_of: HashOf) -> bytes:
    """Return the root over a range that is a subtree: the fold of its perfect trees."""
    perfect: list[bytes] = []
    start = leaves.start
    while start < leaves.stop:
        level = (leaves.stop - start).bit_length() - 1
        perfect.append(hash_of(Node(level, start >> level)))
        start += 1 << level
    return merkle.root(perfect)
