"""Randomness that differs at every call and is the same in every run."""

import hashlib


class CountingEntropy:
    """Implements `core.entropy.Entropy` by counting its calls."""

    def __init__(self, seed: str = "") -> None:
        self._seed = seed
        self.calls = 0

    def bytes(self, count: int) -> bytes:
        """Return the bytes of this call."""
        self.calls += 1
        return hashlib.shake_256(f"{self._seed}{self.calls}".encode()).digest(count)
