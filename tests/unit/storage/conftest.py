"""Databases for the tests of the storage layer."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.storage.engine import open_engine
from app.storage.migration import migrate
from tests.support.postgresql import Database, make_database

_numbers = count()


@pytest.fixture(scope="session")
def fresh(postgresql_url: str, worker_id: str) -> Callable[[], Database]:
    """Make another empty PostgreSQL database, by its log-ins."""
    return lambda: make_database(postgresql_url, f"storage_{worker_id}_{next(_numbers)}")


@pytest.fixture(scope="module")
def migrated(fresh: Callable[[], Database]) -> Database:
    """A PostgreSQL database at the newest revision, to be looked at."""
    database = fresh()
    engine = open_engine(database.owner, patient=True)
    migrate(engine)
    engine.dispose()
    return database


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An engine on an empty database, as its owner: one test on each of the two."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/empty.db"
    else:
        url = request.getfixturevalue("fresh")().owner
    engine = open_engine(url, patient=True)
    yield engine
    engine.dispose()
