"""The Merkle tree of RFC 6962 over a chain, kept as its peaks.

A tree of n leaves is a row of perfect trees, one for each bit set in n, largest first. Their
roots, the *peaks*, are all that is needed to take the next leaf and to name the root of the
whole, so the head of a chain holds at most 64 hashes and no entry is ever read again to sign.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from app.core.errors import CaretrailError

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves."""


class PeaksBrokenError(CaretrailError):
    """Stored peaks do not belong to the size they are stored with."""

    def __init__(self) -> None:
        super().__init__(why="peaks-broken")


def leaf_hash(data: bytes) -> bytes:
    """Return SHA-256(0x00 || data), the leaf of one line."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right), the node above two subtrees."""
    return sha256(b"\x01" + left + right).digest()


def append(peaks: list[bytes], size: int, leaf: bytes) -> None:
    """Take the next leaf into the peaks of a tree that has `size` leaves.

    Runs once for each entry: each full pair of subtrees becomes one, one node hash on average.
    """
    while size & 1:
        leaf = sha256(b"\x01" + peaks.pop() + leaf).digest()
        size >>= 1
    peaks.append(leaf)


def root(peaks: Sequence[bytes]) -> bytes:
    """Return the root of the whole tree."""
    if not peaks:
        return EMPTY_ROOT
    whole = peaks[-1]
    for peak in reversed(peaks[:-1]):
        whole = node_hash(peak, whole)
    return whole


def pack(peaks: Sequence[bytes]) -> bytes:
    """Return the peaks as bytes, 32 for each."""
    return b"".join(peaks)


def unpack(packed: bytes, size: int) -> list[bytes]:
    """Return the peaks that `pack` stored for a tree of `size` leaves.

    Raises:
        PeaksBrokenError: The bytes are not the peaks of a tree of that size.
    """
    if size < 0 or len(packed) != HASH_BYTES * size.bit_count():
        raise PeaksBrokenError
    return [packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)]


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes, read once and never held."""
    peaks: list[bytes] = []
    for size, leaf in enumerate(leaves):
        append(peaks, size, leaf)
    return root(peaks)
