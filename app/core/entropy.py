"""Randomness. The only module that asks the operating system for it."""

import os
from typing import Protocol


class Entropy(Protocol):
    """Where random bytes come from."""

    def bytes(self, count: int) -> bytes:
        """Return `count` unpredictable bytes."""
        ...


class SystemEntropy:
    """The operating system's generator."""

    def bytes(self, count: int) -> bytes:
        """Return `count` bytes from the operating system."""
        return os.urandom(count)


def words(entropy: Entropy, length: int, alphabet: str = "abcdefghjkmnpqrstuvwxyz23456789") -> str:
    """Return a random string of `length` letters of `alphabet`, without bias.

    The default alphabet leaves out letters that are misread on paper (i, l, o, 0, 1).
    """
    limit = 256 - 256 % len(alphabet)
    letters: list[str] = []
    while len(letters) < length:
        letters += [alphabet[b % len(alphabet)] for b in entropy.bytes(length * 2) if b < limit]
    return "".join(letters[:length])
