"""How long what failed is left alone, where each try leaves an entry that stays for good.

A pause doubles with each such try and is over with the first success. What fails without an entry - the
database is away, a disk is full - is tried at every look: that costs nothing that stays. Whether anything
failed when it was last tried is known here, too, for whoever tells operators.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
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
        self._failing: set[What] = set()

    @property
    def failing(self) -> bool:
        """Say whether something failed when it was last tried."""
        return bool(self._failing)

    def wait_for(self, what: What) -> bool:
        """Say whether something is to be left alone for now."""
        pause = self._by_what.get(what)
        return pause is not None and self._now() < pause.until

    @contextmanager
    def trying(self, what: What) -> Iterator[None]:
        """Try something: take note that it went through, or that it failed and left an entry of that."""
        try:
            yield
        except (VisitRefusedError, OSError) as failed:
            self._failing.add(what)
            if isinstance(failed, VisitRefusedError) and failed.stamp is not None:
                self._put_off(what)
            raise
        self._by_what.pop(what, None)
        self._failing.discard(what)

    def _put_off(self, what: What) -> None:
        known = self._by_what.get(what)
        length = min(2 * known.length, LONGEST_S) if known is not None else FIRST_S
        self._by_what[what] = _Pause(length, self._now() + length)
