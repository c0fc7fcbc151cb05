"""How a revision runs: with bounded waits, one run at a time, never half.

`caretrail migrate` hands its connection in (`app.storage.migration`). The `alembic` command works too, for
writing revisions: it takes the database from the same settings.
"""

from alembic import context
from sqlalchemy import Connection, text

from app.core.settings import load
from app.storage.base import metadata
from app.storage.engine import open_engine
from app.storage.schema import tables

_ONE_RUN = 7_236_211_900  # any constant: the advisory lock of a migration run
_WAIT_FOR_A_RUN = "60s"
_WAIT_FOR_A_TABLE = "3s"  # a queue behind DDL is an outage: give up instead and say so
_LONGEST_STATEMENT = "10min"


def run(connection: Connection) -> None:
    """Run what was asked for, alone."""
    postgresql = connection.dialect.name == "postgresql"
    tables()  # puts every one of them into the registry
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        transactional_ddl=True,  # SQLite too: BEGIN IMMEDIATE covers the whole run
        transaction_per_migration=postgresql,
    )
    with context.begin_transaction():
        context.run_migrations()


def run_alone(connection: Connection) -> None:
    """Take the lock of a run, then run. The lock is the session's: it outlives each revision's commit."""
    if connection.dialect.name == "sqlite":
        connection.connection.driver_connection.execute("PRAGMA busy_timeout = 60000").close()
        run(connection)
        return
    with connection.begin():
        connection.execute(text(f"SET lock_timeout = '{_WAIT_FOR_A_RUN}'"))
        connection.execute(text(f"SELECT pg_advisory_lock({_ONE_RUN})"))
        connection.execute(text("SET caretrail.migration = 'on'"))  # event triggers
        connection.execute(text(f"SET lock_timeout = '{_WAIT_FOR_A_TABLE}'"))
        connection.execute(text(f"SET statement_timeout = '{_LONGEST_STATEMENT}'"))
    try:
        run(connection)
    finally:
        connection.rollback()
        connection.execute(text(f"SELECT pg_advisory_unlock({_ONE_RUN})"))
        connection.commit()


if context.is_offline_mode():
    raise SystemExit("offline SQL is not made: the revisions look at the database they run in")

handed_in = context.config.attributes.get("connection")
if handed_in is not None:
    run_alone(handed_in)
else:
    url = load().owner_database_url.get_secret_value()
    with open_engine(url, patient=True).connect() as connection:
        run_alone(connection)
