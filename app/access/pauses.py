"""How long what failed is left alone, where each try leaves an entry that stays for good.

A pause doubles with each such try and is over with the first success. What fails without an entry - the
database is away, a disk is full - is tried at every look: that costs nothing that stays.
"""

from collections.abc import Callable, Hashable
from typing import NamedTuple

from app.access.visit import VisitRefusedError

What = Hashable | type

FIRST_S = 0.5
LONGEST_S = 60.0
"""After so long at most, what failed is tried again: so late it may be done once its cause is gone."""


class _Pause(NamedTuple):
    length: float
    until: float


class Pauses:
    """What is left alone for now."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Take what tells seconds from an arbitrary start."""
        self._now = now
        self._by_what: dict[What, _Pause] = {}

    def wait_for(self, what: What) -> bool:
        """Say whether something is to be left alone for now."""
        pause = self._by_what.get(what)
        return pause is not None and self._now() < pause.until

    def over(self, what: What) -> None:
        """Take note that something went through."""
        self._by_what.pop(what, None)

    def met(self, what: What, failed: Exception) -> None:
        """Take note that something failed."""
        if not isinstance(failed, VisitRefusedError) or failed.stamp is None:
            return
        known = self._by_what.get(what)
        length = min(2 * known.length, LONGEST_S) if known is not None else FIRST_S
        self._by_what[what] = _Pause(length, self._now() + length)
