"""What all tests share: a real PostgreSQL, started once and only for those who ask."""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import postgresql
from tests.support.world import World


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


@pytest.fixture(params=["sqlite", "postgresql"])
def each_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A world on each of the two databases; on PostgreSQL as a superuser, past the service's rights."""
    if request.param == "sqlite":
        made = World.at(tmp_path)
    else:
        name = f"world_{request.getfixturevalue('worker_id')}"
        made = World(postgresql.make_database(request.getfixturevalue("postgresql_url"), name).superuser)
    with made:
        yield made
