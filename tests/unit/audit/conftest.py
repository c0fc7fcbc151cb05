"""A trail on each database."""

import pytest

from tests.support import chains as support


@pytest.fixture(params=["sqlite", "postgresql"])
def chains(request, tmp_path):
    """An empty trail, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        made = support.on_sqlite(tmp_path)
    else:
        server = request.getfixturevalue("postgresql_url")
        worker = request.getfixturevalue("worker_id")
        made = support.on_postgresql(server, f"chains_{worker}")
    yield made
    made.engine.dispose()


@pytest.fixture
def sqlite_chains(tmp_path):
    """An empty trail on SQLite, where the database makes no difference."""
    made = support.on_sqlite(tmp_path)
    yield made
    made.engine.dispose()
