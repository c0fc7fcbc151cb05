"""What all tests share: a real PostgreSQL, started once and only for those who ask."""

import atexit
import gc
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core import garbage
from tests.support import postgresql
from tests.support.served import Database
from tests.support.tables import make_tables
from tests.support.world import World

garbage.seldom()


def pytest_collection_finish() -> None:
    """Take ten thousand tests, which stay, out of the sight of what looks for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgresql_url(testrun_uid) -> str:
    """The URL of a superuser at a PostgreSQL of this test run; parallel workers share the server."""
    # Not below pytest's own folder: the server runs as another user, whom pytest shuts out there
    directory = Path(tempfile.gettempdir()) / f"caretrail-postgresql-{testrun_uid}"
    atexit.register(_remove_stopped, directory)  # before the server's own, so it runs after it
    return postgresql.start(directory)


def _remove_stopped(directory: Path) -> None:
    if not (directory / "postmaster.pid").exists():
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def tables_of_a_world(postgresql_url: str, worker_id: str) -> postgresql.Database:
    """A database with the tables a world makes, to be copied: a fifth of the work of making them."""
    made = postgresql.make_database(postgresql_url, f"tables_{worker_id}")
    make_tables(made.superuser)
    return made


@pytest.fixture(params=["sqlite", "postgresql"])
def each_database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """An empty database of each of the two, with who makes its tables and who serves from it."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/caretrail.db"
        return Database("sqlite", url, url)
    server, worker = (request.getfixturevalue(name) for name in ("postgresql_url", "worker_id"))
    made = postgresql.make_database(server, f"each_{worker}")
    return Database("postgresql", made.owner, made.service)


@pytest.fixture(params=["sqlite", "postgresql"])
def each_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A world on each of the two databases; on PostgreSQL as a superuser, past the service's rights."""
    if request.param == "sqlite":
        made = World.at(tmp_path)
    else:
        server, worker = (request.getfixturevalue(name) for name in ("postgresql_url", "worker_id"))
        tables = request.getfixturevalue("tables_of_a_world")
        made = World(postgresql.copy_database(server, f"world_{worker}", tables).superuser, with_tables=True)
    with made:
        yield made
