"""An empty database for each test, of each kind."""

from itertools import count
from pathlib import Path

import pytest

from tests.support.postgresql import make_database
from tests.support.served import Database

_numbers = count()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """An empty database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/caretrail.db"
        return Database("sqlite", url, url)
    server = request.getfixturevalue("postgresql_url")
    worker = request.getfixturevalue("worker_id")
    made = make_database(server, f"crash_{worker}_{next(_numbers)}")
    return Database("postgresql", made.owner, made.service)
