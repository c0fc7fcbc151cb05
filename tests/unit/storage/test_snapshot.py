"""A view of the database: rows that nobody reads to their end do no harm, whenever they are let go."""

import gc

import pytest

from app.storage.engine import open_engine
from app.storage.snapshot import open_snapshot
from tests.support.postgresql import make_database

NUMBERS = "SELECT n FROM generate_series(1, 2000) AS g(n)"


@pytest.fixture
def engine(postgresql_url, worker_id):
    """An empty PostgreSQL database; SQLite's cursors have nothing to close."""
    made = open_engine(make_database(postgresql_url, f"snapshot_{worker_id}").superuser, patient=True)
    yield made
    made.dispose()


@pytest.mark.timeout(30)
def test_unread_rows_let_go_amid_another_command_do_not_stop_it(engine):
    """Rows that are collected while the connection is busy with another statement leave it alone."""
    with open_snapshot(engine) as view:
        connection = view._connection
        unread = view.rows(NUMBERS, batch=10)
        assert len(next(unread)) == 10
        with connection.lock:  # as it is held while any command runs
            del unread
            gc.collect()
        assert [[(1,)]] == list(view.rows("SELECT 1"))


def test_rows_read_together_and_left_are_closed(engine):
    """Several statements are read in turns; what is left unread is closed with the next, or at the end."""
    with open_snapshot(engine) as view:
        one, other = view.rows(NUMBERS, batch=10), view.rows(NUMBERS, batch=10)
        assert next(one) == next(other)
        del one
        cursors = "SELECT count(*) FROM pg_cursors WHERE starts_with(name, 'rows')"
        assert [[(2,)]] == list(view.rows(cursors))  # the one that is read, and this
    assert [] == list(view._open)
    assert other is not None
