r"""Segments: the months of a chain, each closed by an entry that counts whose entries it holds.

The entry `segment.close` commits to a Merkle root over all residents of the segment: for each, how many
entries concern them and the number of the last one. Who is handed the entries of one resident can then see
that none is missing, and learns nothing about anybody else: a leaf names a resident by a hash of their id,
which is random, and the leaves beside theirs stay hashes.

    key(resident)  = SHA-256("caretrail/v1 subject\n" || chain || "\n" || segment || "\n" || resident)
    held(resident) = SHA-256(0x02 || {"count":C,"last":L,"resident":R})     the canonical JSON
    leaf           = SHA-256(0x00 || key || held)
    nobody(n)      = a leaf: key SHA-256("caretrail/v1 nobody\n" || chain || "\n" || segment || "\n" || n),
                     held SHA-256(0x02)
    subjects       = RFC 6962 root over the leaves, sorted by key; nobody(0), nobody(1), ... fill them up to a
                     power of two, at least 1024, so that no size tells how many residents there are

That a resident has no entry is shown by two leaves beside each other, one key below theirs and one above.
Nothing is counted in the hot path: the numbers come from the index when a month is over, and anybody who
holds the whole chain counts them anew from its lines.

Source: AUDIT-2, promise P5.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from app.audit import merkle, proofs, verify
from app.audit.proofs import Node
from app.audit.verify import SubjectLeaf

ACT = "segment.close"


class Segment(NamedTuple):
    """A month of a chain, `2026-10` in UTC: the lines from `first` to before `end`."""

    month: str
    first: int
    end: int


class Subject(NamedTuple):
    """How many entries of a segment concern a resident, and the number of the last."""

    resident: str
    entries: int
    last: int


class Placed(NamedTuple):
    """A leaf with its place and its path to the root."""

    leaf: SubjectLeaf
    at: int
    path: list[bytes]


def month_of(instant: str) -> str:
    """Return the month of a spelled instant."""
    return instant[:7]


def is_over(month: str, at: datetime) -> bool:
    """Say whether a month has passed."""
    return month < f"{at.year:04}-{at.month:02}"


class Subjects:
    """The tree over the residents of a segment."""

    def __init__(self, org: str, month: str, subjects: Sequence[Subject]) -> None:
        """Take all residents of the segment, in any order."""
        self._org, self._month = org, month
        held = {verify.subject_leaf(org, month, *subject): subject for subject in subjects}
        self._rows = [(leaf, held.get(leaf)) for leaf in verify.filled(org, month, held)]
        self._leaves = [leaf.hash() for leaf, _ in self._rows]

    def __len__(self) -> int:
        """Return how many leaves there are, those of nobody among them."""
        return len(self._rows)

    @property
    def root(self) -> bytes:
        """The root over all residents."""
        return merkle.root_of(self._leaves)

    def of(self, resident: str) -> tuple[Subject | None, list[Placed]]:
        """Return what is held of a resident with its place; without entries, the leaves beside that place."""
        key = verify.subject_key(self._org, self._month, resident)
        at = next((n for n, (leaf, _) in enumerate(self._rows) if leaf.key >= key), len(self._rows))
        if at < len(self._rows) and self._rows[at][0].key == key:
            return self._rows[at][1], [self._placed(at)]
        beside = [n for n in (at - 1, at) if 0 <= n < len(self._rows)]
        return None, [self._placed(n) for n in beside]

    def _placed(self, at: int) -> Placed:
        path = proofs.inclusion_path(at, len(self._leaves), self._node)
        return Placed(self._rows[at][0], at, path)

    def _node(self, node: Node) -> bytes:
        below = self._leaves[node.n << node.level : (node.n + 1) << node.level]
        return merkle.root_of(below)
