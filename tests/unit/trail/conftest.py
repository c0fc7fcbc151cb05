"""A world with a trail that is signed, guarded and append-only."""

import pytest
from sqlalchemy import text

from app.audit import protection
from app.audit.checkpoint import Notary
from app.audit.guard_file import Guards
from tests.support.world import World


@pytest.fixture
def notary() -> Notary:
    return Notary("care.example", bytes(range(32)))


@pytest.fixture
def guards(tmp_path, notary) -> Guards:
    return Guards(tmp_path / "guard", notary)


@pytest.fixture
def world(tmp_path):
    """A world on SQLite."""
    with World.at(tmp_path) as made:
        protect(made)
        yield made


@pytest.fixture
def any_world(each_world):
    """A world on each database."""
    if each_world.engine.dialect.name == "sqlite":
        protect(each_world)
    return each_world


def protect(world: World) -> None:
    """Make the trail of a world on SQLite append-only, as the migration does."""

    def look(connection):
        for statement in protection.statements("sqlite"):
            connection.execute(text(statement))

    world.looking(look)


class Time:
    """Seconds that pass when a test says so."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def time() -> Time:
    return Time()
