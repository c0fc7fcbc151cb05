"""What all tests share: a real PostgreSQL, started once and only for those who ask."""

import atexit
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.support import postgresql


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
