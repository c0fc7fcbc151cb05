"""The guard on the engine: lock 4."""

import pytest
from sqlalchemy import text

from app.storage.engine import open_engine
from app.storage.guard import UnauditedStatementError, carrying, fence


@pytest.fixture
def connection(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path / 'guarded.db'}")
    fence(engine)
    with engine.connect() as opened:
        yield opened


@pytest.mark.parametrize("way", ["core", "driver"])
def test_no_statement_runs_without_a_receipt(connection, way):
    """Core, text and the driver's own entrance are all refused."""
    with pytest.raises(UnauditedStatementError):
        if way == "core":
            connection.execute(text("SELECT 1"))
        else:
            connection.exec_driver_sql("SELECT 1")


def test_statements_run_while_a_receipt_is_carried_and_not_after(connection):
    """A receipt opens the connection for as long as its block lasts."""
    with carrying(connection, object()):
        assert 1 == connection.execute(text("SELECT 1")).scalar_one()

    with pytest.raises(UnauditedStatementError):
        connection.execute(text("SELECT 1"))


def test_an_inner_receipt_gives_way_to_the_outer_one(connection):
    """When an attempt is done, the door's own pass is in force again."""
    with carrying(connection, "door"):
        with carrying(connection, "attempt"):
            pass

        assert 1 == connection.execute(text("SELECT 1")).scalar_one()
