"""The one engine. Durability is set here explicitly and asserted at start.

SQLite: one writer connection, `BEGIN IMMEDIATE` from a turnstile (`BEGIN` for who only reads), WAL,
`synchronous=FULL`.
PostgreSQL: `synchronous_commit=on`; lock and statement time-outs below the turn's deadline.
"""

import contextlib
import os
import socket
import sqlite3
from pathlib import Path
from typing import Any, ClassVar

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool, StaticPool

from app.core.errors import StartRefusedError
from app.storage.servers import PRIMARY, TIMELINE, Servers, addresses_in, choose_primary
from app.storage.turnstile import Turnstile
from app.storage.urls import parsed_url

UNREPLICATED = "caretrail.unreplicated"
ONLY_READS = "caretrail.only_reads"
"""In a connection's `info`: what begins next writes nothing, and keeps nobody from the one writer's place."""
LOCK_TIMEOUT_MS = 1500
STATEMENT_TIMEOUT_MS = 1800
MOST_DESCRIBED = 512
_TURNSTILE, _FILE = "caretrail.turnstile", "caretrail.file"
_TAKES_WRITES = {PRIMARY, "primary", "any"}


def open_engine(url: str, *, patient: bool = False) -> Engine:
    """Return an engine for a `sqlite:///` or `postgresql+psycopg://` URL.

    Args:
        url: The database.
        patient: No statement and lock time-outs, for migrations and long commands.

    Raises:
        StartRefusedError: The URL is not one of these, cannot be read, or would send data unprotected.
    """
    parsed = parsed_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed.render_as_string(hide_password=False))
    if parsed.query.get("target_session_attrs", PRIMARY) not in _TAKES_WRITES:
        raise StartRefusedError(f"the service writes: target_session_attrs={PRIMARY} is wanted")
    return _postgresql(parsed.render_as_string(hide_password=False), patient=patient)


def _sqlite(url: str) -> Engine:
    # isolation_level None: the driver opens no transaction of its own, ours begin IMMEDIATE below
    options = {"check_same_thread": False, "timeout": 1.5, "isolation_level": None}
    engine = create_engine(url, poolclass=StaticPool, connect_args=options, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def configure(raw: Any, record: Any) -> None:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "recursive_triggers=ON",
            "trusted_schema=OFF",
            "secure_delete=ON",
            "temp_store=MEMORY",
        ):
            raw.execute(f"PRAGMA {pragma}").close()
        if engine.url.database:
            record.info[_TURNSTILE] = Turnstile(Path(engine.url.database))
            record.info[_FILE] = _identity(engine.url.database)

    @event.listens_for(engine, "close")
    def close(_raw: Any, record: Any) -> None:
        if _TURNSTILE in record.info:
            record.info.pop(_TURNSTILE).close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.info.get(_FILE) != _identity(engine.url.database):
            # what is written now would go into a file that has no name any more, and be lost with it
            raise OperationalError("BEGIN IMMEDIATE", None, sqlite3.OperationalError("the file was replaced"))
        if connection.info.get(ONLY_READS):
            connection.exec_driver_sql("BEGIN")
            return
        # A deferred BEGIN that later wants to write fails at once when another process wrote.
        turnstile = connection.info.get(_TURNSTILE)
        with turnstile.passed() if turnstile else contextlib.nullcontext():
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _identity(path: str | None) -> tuple[int, int] | None:
    """Return which file stands at a path; None if none does."""
    try:
        found = Path(path).stat() if path else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found is not None else None


def _postgresql(url: str, *, patient: bool) -> Engine:
    addresses = addresses_in(make_url(url))
    settings = ["-c synchronous_commit=on", "-c timezone=UTC"]
    if not patient:
        settings += [f"-c lock_timeout={LOCK_TIMEOUT_MS}", f"-c statement_timeout={STATEMENT_TIMEOUT_MS}"]
        settings += ["-c idle_in_transaction_session_timeout=10000"]
    engine = create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,  # parameters hold what must not reach a log
        connect_args={
            "options": " ".join(settings),
            "connect_timeout": 2,
            "application_name": "caretrail",
            **({} if patient else {"cursor_factory": _Cursor}),
        },
    )
    if len(addresses) > 1:
        choose_primary(engine, Servers(addresses))
    _watch_for_unreplicated(engine)
    return engine


class _Cursor(psycopg.Cursor[Any]):
    """A cursor for turns: results come as they are stored, columns are described once for a statement.

    As text every sealed box would be spelled out in hex and read back. And SQLAlchemy asks for the
    description only to see whether there are rows, for which psycopg makes eighty objects a turn.
    """

    _described: ClassVar[dict[tuple[str, int], Any]] = {}

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.format = psycopg.pq.Format.BINARY

    @property
    def description(self) -> Any:
        """Return the columns of the last result, None if it has none."""
        result, statement = self.pgresult, self._last_query
        if result is None or not result.nfields or not isinstance(statement, str):
            return super().description
        known = self._described.get((statement, result.nfields))
        if known is None:
            if len(self._described) >= MOST_DESCRIBED:
                self._described.clear()
            known = self._described[statement, result.nfields] = super().description
        return known


def cut(connection: Connection, older_than: int | None = None) -> None:
    """Break off what another thread waits for on this connection.

    With `older_than`, only if its server is on an older timeline: it was the primary once.

    A PostgreSQL that waits for a lost standby answers neither a time-out nor, honestly, a cancel
    (it then reports success for a commit that a fail-over loses): its socket is shut down instead.
    What its own thread has lost or closed meanwhile is left alone.
    """
    held = connection._dbapi_connection  # read once; `.connection` would connect anew where it was lost
    if held is None or not held.is_valid:
        return
    if older_than is not None and held.info.get(TIMELINE, older_than) >= older_than:
        return
    driver: Any = held.driver_connection
    if connection.dialect.name == "sqlite":
        with contextlib.suppress(sqlite3.ProgrammingError):  # closed
            driver.interrupt()
        return
    gone = contextlib.suppress(OSError, psycopg.OperationalError)  # the other end is, or it was closed
    with gone, socket.socket(fileno=os.dup(driver.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


def _watch_for_unreplicated(engine: Engine) -> None:
    """Note on a connection that the server warned of a commit its standby may not have (01000)."""

    @event.listens_for(engine, "connect")
    def listen(raw: Any, record: Any) -> None:
        def notice(diagnostic: Any) -> None:
            if diagnostic.sqlstate == "01000":
                record.info[UNREPLICATED] = True

        raw.add_notice_handler(notice)


def assert_durable(connection: Connection) -> None:
    """Refuse a server that may forget a commit it acknowledged (P1, P4)."""
    if connection.dialect.name == "sqlite":
        mode = connection.execute(text("PRAGMA journal_mode")).scalar_one()
        level = connection.execute(text("PRAGMA synchronous")).scalar_one()
        if (mode, level) != ("wal", 2):
            raise StartRefusedError(f"SQLite runs with journal_mode={mode}, synchronous={level}: not durable")
        return
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        shown = connection.execute(text(f"SHOW {name}")).scalar_one()
        if shown not in ("on", "remote_apply"):
            raise StartRefusedError(f"PostgreSQL runs with {name}={shown}: commits could be lost")
