"""Whether other processes append to a chain at this time: then its head is not compared, but locked.

An append that compares the head is one statement. Where another process holds the chain, it waits for that
one's commit only to find that the head moved, and has to wait again to lock it.
"""

from collections.abc import Iterable, Sequence

from app.access.attempt import Attempt
from app.audit.entry import Draft, Stamp
from app.audit.stored import HeadRow

WARY_TURNS = 32
"""For how many turns after one that met another process a head is locked at once."""


class Neighbours:
    """Where this process left each chain, and at which of them others were met lately."""

    def __init__(self) -> None:
        self._left_at: dict[str, int] = {}
        self._wary: dict[str, int] = {}

    def standing(self, attempts: Iterable[Attempt], drafts: Sequence[Draft]) -> HeadRow | None:
        """Return the head that drafts go to, as gathered without a lock, if it most likely still stands.

        None as well where they go to more than one chain.
        """
        orgs = {draft.org for draft in drafts}
        heads = [a.facts.head for a in attempts if a.facts.head is not None and orgs == {a.facts.head.org}]
        if not heads:
            return None
        head: HeadRow = heads[0]
        moved = self._left_at.get(head.org, head.size) != head.size
        wary = WARY_TURNS if moved else self._wary.get(head.org, 0)
        if wary:
            self._wary[head.org] = wary - 1
        return None if wary else head

    def left(self, stamps: Sequence[Stamp], head: HeadRow | None) -> None:
        """Note where this process left chains, and whether the one at `head` had moved after all."""
        if head is not None and stamps[0].seq != head.size:
            self._wary[head.org] = WARY_TURNS
        self._left_at.update((stamp.org, stamp.seq + 1) for stamp in stamps)
