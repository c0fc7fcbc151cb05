"""A read-only view of the database as it stands, for an operator's long checks beside the service.

It has a connection of its own, takes no lock that a turn waits for, and hands rows over as the driver
gives them, some hundred at a time: checking a million lines costs constant memory. Nothing is
unsealed here and nothing can be written. Only commands of an operator and the self-check use it, never a
request.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.storage.servers import server_of

BATCH = 512
"""Rows handed over at once: larger batches leave the processor's cache before they are hashed."""
Rows = list[tuple[Any, ...]]
UNREADABLE = (sqlite3.Error, psycopg.Error, SQLAlchemyError)
"""What a database that cannot be read raises here."""


class Snapshot(Protocol):
    """The database as of one instant."""

    def rows(self, statement: str, *parameters: object, batch: int | None = None) -> Iterator[Rows]:
        """Yield the rows of a statement with `?` for each parameter, in batches, none of them empty.

        `batch` is how many rows are handed over at once, where a row may be large.
        """
        ...


@contextmanager
def open_snapshot(engine: Engine) -> Iterator[Snapshot]:
    """Open a read-only view of the database an engine is for; what is committed later is not in it."""
    if engine.dialect.name == "sqlite":
        with sqlite_snapshot(Path(engine.url.database or "")) as view:
            yield view
        return
    with postgresql_snapshot(engine) as view:
        yield view


@contextmanager
def postgresql_snapshot(engine: Engine) -> Iterator["PostgresqlSnapshot"]:
    """Open a read-only view of a PostgreSQL."""
    with closing(engine.raw_connection()) as pooled:
        connection: Any = pooled.driver_connection
        connection.read_only = True
        connection.isolation_level = 3  # repeatable read: one state of the database for all statements
        view = PostgresqlSnapshot(connection)
        try:
            yield view
        finally:
            view.close()
        connection.rollback()


@contextmanager
def sqlite_snapshot(path: Path) -> Iterator[Snapshot]:
    """Open a read-only view of a database file."""
    uri = f"{path.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as raw:
        raw.execute("BEGIN")
        yield _Sqlite(raw)


def all_rows(view: Snapshot, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Return all rows at once, of a statement that has few."""
    return [tuple(row) for batch in view.rows(statement, *parameters) for row in batch]


def only(view: Snapshot, statement: str, *parameters: object) -> Any:
    """Return the one value a statement asks for; none where there is no row."""
    rows = all_rows(view, statement, *parameters)
    return rows[0][0] if rows else None


class _Sqlite:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, *parameters: object, batch: int | None = None) -> Iterator[Rows]:
        cursor = self._connection.execute(statement, parameters)
        while rows := cursor.fetchmany(batch or BATCH):
            yield rows


class PostgresqlSnapshot:
    """A view of one server; a URL may name several."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._cursors = 0
        self._open: set[Any] = set()
        self._left: list[Any] = []

    @property
    def server(self) -> dict[str, Any]:
        """Return where that server listens, as libpq names it."""
        return server_of(self._connection)

    def rows(self, statement: str, *parameters: object, batch: int | None = None) -> Iterator[Rows]:
        """Yield rows, as every view does."""
        self._close_left()
        self._cursors += 1
        # A named cursor stays on the server, its rows come in binary: no escaping, constant memory
        cursor = self._connection.cursor(f"rows_{self._cursors}", binary=True)
        self._open.add(cursor)
        try:
            cursor.execute(statement.replace("?", "%s"), parameters)
            while rows := cursor.fetchmany(batch or BATCH):
                yield rows
        finally:
            # Not closed here: rows that nobody reads to their end are let go by the garbage collector, at any
            # moment, also amid another command on this connection, which would then wait for itself forever
            self._left.append(cursor)

    def close(self) -> None:
        """Let go of all cursors, also of those whose rows somebody still holds."""
        self._left += self._open
        self._close_left()

    def _close_left(self) -> None:
        while self._left:
            cursor = self._left.pop()
            self._open.discard(cursor)
            cursor.close()
