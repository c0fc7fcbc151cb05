"""Nothing is told twice: a finding about the same is held back for a while, unless it has doubled."""

from collections.abc import Iterable
from typing import NamedTuple

HOUR = 3600.0
SWEEP_EVERY_S = HOUR


class Told(NamedTuple):
    """A finding that was told: until when its like is held back, and how large it was."""

    until: float
    size: int


Subject = tuple[str, str]
"""A rule, and what its finding is about."""


class Quiet:
    """What was told lately in a chain, and what of that is to be stored."""

    def __init__(self, told: Iterable[tuple[Subject, Told]] = ()) -> None:
        self._told = dict(told)
        self.changed: dict[Subject, Told] = {}

    def lets(self, subject: Subject, at: float, size: int, hours: int) -> bool:
        """Say whether a finding is to be told now; if so, its like is held back from here on."""
        before = self._told.get(subject)
        if before is not None and at < before.until and size < 2 * before.size:
            return False
        told = Told(at + hours * HOUR, max(size, 1))
        self._told[subject] = self.changed[subject] = told
        return True

    def sweep(self, at: float) -> None:
        """Let go of what holds nothing back any more."""
        self._told = {subject: told for subject, told in self._told.items() if told.until > at}

    def __len__(self) -> int:
        return len(self._told)
