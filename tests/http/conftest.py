"""A served deployment on each database, shared by the tests of one module."""

from collections.abc import Iterator
from itertools import count

import pytest

from tests.support.postgresql import make_database
from tests.support.served import Database, Deployment, Served

DATABASES = ("sqlite", "postgresql")
_numbers = count()


@pytest.fixture(scope="module", params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """An empty database: one module's tests run on each of the two."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('served')}/caretrail.db"
        return Database("sqlite", url, url)
    server = request.getfixturevalue("postgresql_url")
    worker = request.getfixturevalue("worker_id")
    made = make_database(server, f"served_{worker}_{next(_numbers)}")
    return Database("postgresql", made.owner, made.service)


@pytest.fixture(scope="module")
def served(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A deployment and its server."""
    with Served(Deployment.on(database, tmp_path_factory.mktemp("deployment"))) as served:
        yield served
