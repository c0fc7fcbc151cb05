"""Cutting a connection that another thread holds, or has lost meanwhile."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from app.access.transaction import for_turns
from app.storage.engine import cut, open_engine
from app.storage.servers import TIMELINE


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, tmp_path) -> Iterator[Engine]:
    """An engine on each database."""
    if request.param == "sqlite":
        opened = open_engine(f"sqlite:///{tmp_path}/cut.db")
    else:
        opened = open_engine(request.getfixturevalue("postgresql_url"))
    yield opened
    opened.dispose()


@pytest.fixture
def distant(postgresql_url) -> Iterator[Engine]:
    """An engine on PostgreSQL."""
    opened = open_engine(postgresql_url)
    yield opened
    opened.dispose()


def lost(engine: Engine) -> Connection:
    """Return a connection in a transaction whose socket was cut, as its thread finds it."""
    connection = for_turns(engine.connect())
    connection.begin()
    connection.execute(text("SELECT 1"))
    cut(connection)
    with pytest.raises(OperationalError):
        connection.execute(text("SELECT 1"))
    return connection


@pytest.mark.parametrize("older_than", [None, 5])
def test_a_connection_that_was_lost_is_left_alone(distant, older_than):
    """Nothing is cut, raised or connected anew, neither before its transaction is rolled back nor after."""
    connection = lost(distant)
    cut(connection, older_than)
    transaction = connection.get_transaction()
    assert transaction is not None
    transaction.rollback()
    cut(connection, older_than)

    assert (True, False) == (connection.invalidated, connection.closed)
    connection.close()


def test_a_connection_that_was_closed_is_left_alone(engine):
    """After its thread let go of it there is nothing to cut."""
    connection = engine.connect()
    connection.close()
    cut(connection)

    assert connection.closed


def test_a_connection_whose_driver_is_closed_is_left_alone(engine):
    """The driver may be closed an instant before anybody says so."""
    connection = engine.connect()
    connection.connection.driver_connection.close()
    cut(connection)

    with pytest.raises(DBAPIError):
        connection.execute(text("SELECT 1"))


def test_a_connection_that_the_pool_gave_up_is_left_alone(engine):
    """Between the pool's giving up of a connection and its owner's noticing there is nothing to cut."""
    connection = engine.connect()
    connection.connection.invalidate()
    cut(connection)

    assert not connection.closed


def test_only_a_server_of_an_older_timeline_is_left(distant):
    """A connection to the newest primary stays; to one that was the primary before it is cut."""
    connection = distant.connect()
    connection.info[TIMELINE] = 2
    cut(connection, 2)
    assert 1 == connection.execute(text("SELECT 1")).scalar()
    cut(connection, 3)
    with pytest.raises(OperationalError):
        connection.execute(text("SELECT 1"))
