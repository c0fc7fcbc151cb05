"""A world with a carer, randomness that repeats, and parameters of Argon2 that cost nothing."""

import hashlib
from collections.abc import Iterator

import argon2.profiles
import pytest

from app.identity.passwords import PasswordHashes, PasswordPool
from tests.support.world import Person, World


class CountingEntropy:
    """Bytes that differ at every call and are the same in every run."""

    def __init__(self) -> None:
        self.calls = 0

    def bytes(self, count: int) -> bytes:
        self.calls += 1
        return hashlib.shake_256(str(self.calls).encode()).digest(count)


@pytest.fixture
def entropy() -> CountingEntropy:
    return CountingEntropy()


@pytest.fixture
def hashes(entropy: CountingEntropy) -> PasswordHashes:
    return PasswordHashes(entropy, argon2.profiles.CHEAPEST)


@pytest.fixture
def pool(entropy: CountingEntropy) -> Iterator[PasswordPool]:
    pool = PasswordPool(entropy, argon2.profiles.CHEAPEST, waiting=3)
    yield pool
    pool.close()


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    with World.at(tmp_path) as world:
        yield world


@pytest.fixture
def carer(world: World) -> Person:
    return world.person("carer")
