"""A database beside the owner's own that is there for a while: the place of a drill."""

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
from psycopg import errors, sql
from sqlalchemy import URL

from app.core.errors import StartRefusedError
from app.core.identifiers import new_id
from app.storage.copying import conninfo, password_of

logger = logging.getLogger(__name__)

_AT_WORK = 0x64726C6C
"""The class of the locks that say that somebody works with a scratch database."""
_TRIES, _BETWEEN_S = 4, 0.5
"""A connection that ends is gone within a second."""


@contextmanager
def scratch_database(owner: URL) -> Iterator[str]:
    """Make an empty database beside the owner's own, and drop it afterwards.

    Its name tells whose it is, and a lock in the owner's database that somebody works with it. What a
    process of the same deployment left that was killed is dropped first.

    Raises:
        StartRefusedError: The owner may not make databases.
    """
    with ExitStack() as stack:
        try:
            here = stack.enter_context(_connected(owner))
            prefix = _whose(here)
            _drop_left(here, prefix)
            name = f"{prefix}{new_id()[-12:]}"
            here.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", (_AT_WORK, name))
            here.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except errors.InsufficientPrivilege as error:
            raise StartRefusedError(
                f"no database can be made for the drill ({error.sqlstate}): the login of"
                " CARETRAIL_OWNER_DATABASE_URL needs CREATEDB"
            ) from error
        except psycopg.Error as error:
            raise StartRefusedError(f"no database can be made for the drill: {error}") from error
        try:
            yield name
        finally:
            with _connected(owner) as other:  # the first may have been cut meanwhile
                _drop(other, name)


def _connected(owner: URL) -> "psycopg.Connection[Any]":
    return psycopg.connect(conninfo(owner), password=password_of(owner), autocommit=True)


def _whose(connection: "psycopg.Connection[Any]") -> str:
    """Return how the names of this deployment's scratch databases begin: a server may have several."""
    row = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone()
    assert row is not None  # noqa: S101 - this connection is to it
    return f"caretrail_drill_{row[0]}_"


def _drop_left(connection: "psycopg.Connection[Any]", prefix: str) -> None:
    """Drop what nobody works with any more: a lock ends with the process that took it."""
    left = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (prefix,))
    for (name,) in left.fetchall():
        taken = connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (_AT_WORK, name))
        if taken.fetchone() == (True,):
            _drop(connection, name)
            connection.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", (_AT_WORK, name))


def _drop(connection: "psycopg.Connection[Any]", name: str) -> None:
    """Drop a database; where somebody holds it, say who, and leave it to the next drill.

    The owner may not cut the service's connections: they end by themselves, with what made them.
    """
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    for tried in range(_TRIES):
        try:
            connection.execute(statement)
        except (errors.InsufficientPrivilege, errors.ObjectInUse) as error:
            if tried + 1 == _TRIES:
                why = f"{name} is held by {_holders(connection, name)} ({error.sqlstate})"
                logger.warning("scratch-database-left", extra={"why": why})
            else:
                time.sleep(_BETWEEN_S)
        else:
            return


def _holders(connection: "psycopg.Connection[Any]", name: str) -> str:
    rows = connection.execute(
        "SELECT usename, pid FROM pg_stat_activity WHERE datname = %s ORDER BY pid", (name,)
    ).fetchall()
    return ", ".join(f"{login} (process {pid} of the server)" for login, pid in rows) or "nobody any more"
