"""A schema is what it holds, not what its revision is called: what is not there is told by name."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, text

from app.core.errors import StartRefusedError
from app.storage.base import metadata
from app.storage.definitions import forbid_definitions
from app.storage.engine import open_engine
from app.storage.guard import carrying, fence, reading_only
from app.storage.migration import migrate
from app.storage.schema import lacking, refuse_unknown_schema
from tests.support.postgresql import Database

TABLES = 47
LACKS = r"lacks alert\.findings, webhook: it was made by an unfinished build and cannot be upgraded"


def missing(connection: Connection) -> list[str]:
    """Return what a database lacks."""
    return lacking(
        lambda statement: [tuple(row) for row in connection.exec_driver_sql(statement)],
        connection.dialect.name,
    )


def take_away(engine: Engine) -> None:
    """Make of a database one that an unfinished build left behind."""
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE webhook"))
        connection.execute(text("ALTER TABLE alert DROP COLUMN findings"))


def test_nothing_is_lacking_after_a_migration(empty: Engine) -> None:
    """Of what the models describe everything is found; without any of it each table is lacking once."""
    with empty.connect() as connection:
        found = missing(connection)
    assert (TABLES, sorted(metadata.tables)) == (len(found), found)
    migrate(empty)

    with empty.connect() as connection:
        assert [] == missing(connection)


def test_lacking_schema_is_neither_served_nor_called_migrated(empty: Engine) -> None:
    """At the newest revision without a table and a column both refusals name them, and accuse nobody."""
    migrate(empty)
    take_away(empty)

    with empty.connect() as connection, pytest.raises(StartRefusedError, match=LACKS) as refused:
        refuse_unknown_schema(connection)
    with pytest.raises(StartRefusedError, match=LACKS):
        migrate(empty)
    assert not {"tampered", "somebody", "changed"} & set(str(refused.value).split())


def test_a_column_and_a_table_more_are_nothing_to_refuse(empty: Engine) -> None:
    """What somebody added for themselves is left alone."""
    migrate(empty)
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE of_the_house (id INTEGER)"))
        connection.execute(text("ALTER TABLE alert ADD COLUMN of_the_house INTEGER"))

    with empty.connect() as connection:
        refuse_unknown_schema(connection)


def test_many_are_counted(empty: Engine) -> None:
    """A sentence names eight, and says how many more there are."""
    migrate(empty)
    with empty.begin() as connection:
        cascade = " CASCADE" if empty.dialect.name == "postgresql" else ""
        for name in metadata.tables:
            connection.execute(text(f"DROP TABLE {name}{cascade}"))

    with empty.connect() as connection, pytest.raises(StartRefusedError) as refused:
        refuse_unknown_schema(connection)
    assert f" and {TABLES - 8} more: it was made" in str(refused.value)


def test_one_statement_asks_for_all(empty: Engine) -> None:
    """Whether something is lacking costs a start one SELECT, which a fenced connection may run."""
    migrate(empty)
    empty.dispose()  # what is forbidden is forbidden to connections from here on
    fence(empty)
    forbid_definitions(empty)
    asked: list[str] = []
    event.listen(empty, "before_cursor_execute", lambda *given: asked.append(given[2]))

    with empty.connect() as connection, carrying(connection, "a test"), connection.begin():
        reading_only(connection.info, True)
        asked.clear()
        assert [] == missing(connection)
        assert 1 == len(asked)
        reading_only(connection.info, False)


def test_the_service_sees_what_the_owner_sees(migrated: Database) -> None:
    """The log-in that serves has not every right, and yet nothing is lacking to it."""
    with open_engine(migrated.service).connect() as connection:
        assert [] == missing(connection)
        refuse_unknown_schema(connection)


def _spoil(file: Path, how: str) -> None:
    data = bytearray(file.read_bytes())
    if how == "no database":
        data = bytearray(b"junk" * 4096)
    elif how == "a name":
        data = data.replace(b"tablewebhookwebhook", b"table\xe8ebhookwebhook")
        data = data.replace(b"CREATE TABLE webhook (", b"CREATE TXBLE webhook (")
    elif how == "all but a header":
        data[100:] = b"\xff" * (len(data) - 100)
    else:
        data[100:4096] = b"\xff" * 3996
    file.write_bytes(data)


@pytest.mark.parametrize("how", ["no database", "all but a header", "first page", "a name"])
def test_damaged_file_is_said_to_be_damaged(tmp_path: Path, how: str) -> None:
    """A file that SQLite cannot read is refused with what to do, whoever opens it."""
    file = tmp_path / "spoiled.db"
    engine = open_engine(f"sqlite:///{file}")
    migrate(engine)
    engine.dispose()
    _spoil(file, how)

    with pytest.raises(StartRefusedError, match="damaged or no database; bring a backup back"):
        migrate(open_engine(f"sqlite:///{file}"))


@pytest.mark.parametrize("found", [b"2026", 7, None])
def test_a_revision_that_is_no_name_is_damage(tmp_path: Path, found: object) -> None:
    """Where the name of the revision should stand, a page of something else has bytes or a number."""
    engine = open_engine(f"sqlite:///{tmp_path}/spoiled.db")
    with sqlite3.connect(tmp_path / "spoiled.db") as raw:
        raw.execute("CREATE TABLE alembic_version (version_num)")
        raw.execute("INSERT INTO alembic_version VALUES (?)", (found,))
    raw.close()

    with engine.connect() as connection, pytest.raises(StartRefusedError, match="it is damaged"):
        refuse_unknown_schema(connection)
