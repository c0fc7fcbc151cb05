"""Making the files of a database forget what was overwritten in it: a destroyed key, above all.

A row that is changed leaves its earlier content behind. SQLite overwrites it in the file (`secure_delete`),
but its write-ahead log holds earlier pages until it is cut. PostgreSQL keeps the earlier version of a row in
the table's file until the table is written anew, which only the owner of the tables may do; and even then as
long as anybody reads a state from before.

Not reached from here: PostgreSQL's own write-ahead log until its files are used again, archives of it,
standbys that lag, backups, copies of the disk, blocks a file system or a disk let go.
"""

import asyncio
import contextlib
import logging
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text

logger = logging.getLogger(__name__)

PATIENCE_S = 0.5
TRIES = 3
TABLES = ("resident", "idempotency")
"""Where wrapped keys of residents, and answers about them, stand."""
_MAY = "SELECT pg_has_role(current_user, relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('resident')"


def cut_log(engine: Engine) -> bool:
    """Have SQLite's write-ahead log merged into the file and cut to nothing; say whether it was.

    Somebody who reads an older state at this moment prevents it: try again later. Nothing is to be done on
    PostgreSQL.
    """
    if engine.dialect.name != "sqlite":
        return True
    path = Path(engine.url.database or "").resolve()
    with contextlib.suppress(sqlite3.OperationalError), closing(_opened(path)) as raw:
        [(busy, _, _)] = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return not busy
    return False


async def forget(engine: Engine) -> None:
    """Cut the log, as soon as nobody reads an older state. What fails is told in the log and tried later."""
    for _ in range(TRIES):
        if await asyncio.to_thread(cut_log, engine):
            return
        await asyncio.sleep(PATIENCE_S)
    logger.warning("log-not-cut")


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=PATIENCE_S)


class StillReadError(RuntimeError):
    """Somebody reads an older state, of which what was overwritten is a part: it could not be left out."""


def write_anew(engine: Engine) -> bool:
    """Have the tables that held destroyed keys written anew, so that nothing overwritten is left in them.

    Takes them from everybody for that long: some milliseconds for a thousand residents. False where this
    login does not own the tables.

    Raises:
        StillReadError: It is not done yet. To be tried again.
    """
    if engine.dialect.name == "sqlite":
        if not cut_log(engine):
            raise StillReadError
        return True
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(text(_MAY)).scalar():
            return False
        for table in TABLES:
            _vacuum(connection, table)
    return True


def _vacuum(connection: Connection, table: str) -> None:
    """Write a table anew until nothing dead is left in it. An older snapshot keeps that there."""
    for _ in range(TRIES):
        if not _left_dead(connection, table):
            return
        time.sleep(PATIENCE_S)
    raise StillReadError


def _left_dead(connection: Connection, table: str) -> int:
    """Write a table anew and return how many dead rows the server says it had to take along."""
    dead: list[int] = []

    def told(diagnostic: Any) -> None:
        # "%.0f dead row versions cannot be removed yet", in whatever language
        if found := re.search("[0-9]+", diagnostic.message_detail or ""):
            dead.append(int(found[0]))

    driver: Any = connection.connection.driver_connection
    driver.add_notice_handler(told)
    try:
        connection.execute(text(f"VACUUM (FULL, VERBOSE) {table}"))
    finally:
        driver.remove_notice_handler(told)
    return sum(dead)
