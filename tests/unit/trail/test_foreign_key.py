"""What the trail says of a rotation is found, indexed or not, on each database."""

from datetime import timedelta

import pytest

from app.access.visit import System
from app.audit import indexing
from app.audit.checkpoint import Notary
from app.audit.signing_key import foreign_key
from app.core.identifiers import SYSTEM
from app.trail.rotation import ROTATE, RecordRotation
from app.vault.signing_keys import public_half

OLD, NEW, NEWEST = (bytes(range(first, first + 32)) for first in range(3))


def rotate(world, before: bytes, after: bytes) -> None:
    """Enter that a key follows another."""
    old, new = (Notary("care.example", seed) for seed in (before, after))
    world.answer(RecordRotation(old, new, world.now + timedelta(days=30)), ROTATE, System("cli", SYSTEM))


def foreign(world, notary: Notary, to_come: bytes | None = None) -> str | None:
    """Return why a notary's key is not the one of a world."""

    def look(connection):
        def ask(statement):
            return [tuple(row) for row in connection.exec_driver_sql(statement)]

        return foreign_key(ask, notary, public_half(to_come) if to_come else None)

    return world.looking(look)


@pytest.mark.parametrize("indexed", [False, True])
def test_the_newest_rotation_names_the_key(any_world, indexed):
    """Only its key counts, as present, former, retired or prepared one; who knows an earlier one is told."""
    assert foreign(any_world, Notary("care.example", OLD)) is None, "nobody rotated"
    rotate(any_world, OLD, NEW)
    rotate(any_world, NEW, NEWEST)
    if indexed:
        left = any_world.looking(lambda connection: indexing.catch_up(connection, SYSTEM, 1000))
        assert 0 == left

    for stale in (Notary("care.example", OLD), Notary("care.example", NEW, OLD)):
        assert "another one was to follow it" in str(foreign(any_world, stale))
        assert foreign(any_world, stale, to_come=NEWEST) is None
    known = (Notary("care.example", NEWEST, NEW), Notary("care.example", OLD, retired=[public_half(NEWEST)]))
    assert [None, None] == [foreign(any_world, one) for one in known]
