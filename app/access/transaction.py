"""The transaction of a turn: begun as late as it may be, and what its end means.

On PostgreSQL it begins before the facts are gathered where a work may write, else with the first write. What
is read before is read in the same way in it and out of it: each statement has a snapshot of its own (READ
COMMITTED). A turn in which everybody only reads thus takes two round trips: the statement that gathers, and
the one that appends the entries, which is a transaction by itself. Until then the guard lets nothing pass but
SELECT. On SQLite the one writer is taken at once: a transaction that read first could not write any more.
Where everybody reads on in a stream whose entry stands, nobody most likely writes: then one that only reads
is begun, which keeps no other process waiting, and given up for one that writes if there is something to
write after all - what was read before is then as old as on PostgreSQL.

A failure before the end leaves nothing. A failure of the end itself is one of two: the server said that it
did nothing, or nobody knows.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, RootTransaction
from sqlalchemy.exc import DBAPIError, OperationalError

from app.access.visit import Visit, commit_begins
from app.access.work import Work
from app.storage.engine import ONLY_READS, UNREPLICATED
from app.storage.guard import reading_only

_ENDED_MEANWHILE = ("08", "57P")
"""SQLSTATE of a connection that broke and of a server that stops: neither says what became of a commit."""


_TRY_AGAIN = ("40001", "40P01")
"""SQLSTATE of a serialisation failure and of a deadlock: nothing happened."""
_FENCED = "25006"
"""SQLSTATE of a write where none is taken: somebody fenced the server off, or it became a standby."""


class StaleRowError(RuntimeError):
    """A conditional write met a row that is no longer as it was gathered."""


class WithdrawnError(RuntimeError):
    """Everyone was told 503 meanwhile: what they asked for must not be done after all."""


class CommitUnknownError(RuntimeError):
    """Contact was lost during the commit, or the server said it may not be replicated."""


def for_turns(connection: Connection) -> Connection:
    """Return a connection on which only a `Transaction` begins one."""
    if connection.dialect.name == "sqlite":
        return connection
    return connection.execution_options(isolation_level="AUTOCOMMIT")


class Transaction:
    """One transaction for the visits of a turn. `begun` says whether there is anything to commit yet."""

    def __init__(self, connection: Connection, visits: Sequence[Visit]) -> None:
        self._connection = connection
        self._visits = visits
        self._info = connection.info  # taken once: asked again, a lost connection would raise over its error
        self._info.pop(UNREPLICATED, None)
        self._on_sqlite = connection.dialect.name == "sqlite"
        self.begun = self._on_sqlite and not all(_reads_on(visit.work) for visit in visits)
        self._outer = self._begun_outside()
        reading_only(self._info, not self.begun)

    def _begun_outside(self) -> RootTransaction:
        """Begin as SQLAlchemy sees it: BEGIN IMMEDIATE or BEGIN on SQLite, nothing on PostgreSQL."""
        reading_only(self._info, False)
        self._info[ONLY_READS] = not self.begun
        try:
            return self._connection.begin()
        finally:
            del self._info[ONLY_READS]

    def begin(self) -> None:
        """Begin, unless it is begun. What follows is committed together or not at all."""
        if self.begun:
            return
        self.begun = True
        if self._on_sqlite:
            self._outer.rollback()
            self._outer = self._begun_outside()
        else:
            reading_only(self._info, False)
            self._connection.exec_driver_sql("BEGIN")

    @property
    def may_be_one_statement(self) -> bool:
        """Say whether one statement would be a transaction by itself."""
        return not (self.begun or self._on_sqlite)

    @contextmanager
    def in_one_statement(self) -> Iterator[None]:
        """Let the one statement of the block be the whole transaction, in place of `begin` and `commit`.

        Raises:
            WithdrawnError: The visits were answered meanwhile; nothing was done.
            CommitUnknownError: It may be done or not.
        """
        self._decide()
        reading_only(self._info, False)
        try:
            yield
        except DBAPIError as error:
            if _surely_not_done(error):
                self.reopen()
                raise
            raise CommitUnknownError(type(error).__name__) from error
        finally:
            reading_only(self._info, True)

    def commit(self) -> None:
        """Commit what was begun.

        Raises:
            WithdrawnError: The visits were answered meanwhile; nothing was done.
            CommitUnknownError: It may be done or not.
        """
        try:
            self._decide()
        except WithdrawnError:
            self.rollback()
            raise
        try:
            self._outer.commit()
        except DBAPIError as error:
            if _found_no_room_or_lock(error):
                self.rollback()
                self.reopen()
                raise
            raise CommitUnknownError(type(error).__name__) from error
        self._let_go()
        if self._info.pop(UNREPLICATED, False):
            raise CommitUnknownError("committed locally, but might not have been replicated")

    def rollback(self) -> None:
        """Take back what was begun."""
        self._outer.rollback()
        self._let_go()

    def _let_go(self) -> None:
        """Let others use the one connection to a SQLite file between two turns."""
        if self._on_sqlite:
            reading_only(self._info, False)

    def _decide(self) -> None:
        if not commit_begins(self._visits):
            raise WithdrawnError

    def reopen(self) -> None:
        """Let the visits be taken back again: nothing was done."""
        for visit in self._visits:
            visit.fate = "open"


def _reads_on(work: Work) -> bool:
    """Say whether a work makes no entry and writes nothing, unless it is refused."""
    return work.silent and not (work.changes or work.own_sql or work.alone)


def _surely_not_done(error: DBAPIError) -> bool:
    """Say whether PostgreSQL itself refused the one statement: then it is rolled back."""
    state = _state(error)
    return state is not None and not state.startswith(_ENDED_MEANWHILE)


def _found_no_room_or_lock(error: DBAPIError) -> bool:
    """Say whether a failed COMMIT surely did not happen: SQLite found no room or no lock for it."""
    text = str(error.orig)
    return "disk is full" in text or "database is locked" in text


def may_try_again(error: Exception) -> bool:
    """Say whether nothing happened, and may well happen at a second try."""
    return isinstance(error, OperationalError) and _state(error) in _TRY_AGAIN


def is_the_databases(error: Exception) -> bool:
    """Say whether the database failed, and not one of the attempts.

    SQLite has one name for a statement it refuses and for a full disk.
    """
    if isinstance(error, OperationalError):
        return getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR
    return isinstance(error, DBAPIError) and _state(error) == _FENCED


def wants_another_server(error: Exception) -> bool:
    """Say whether after this failure the connection is of no more use: it is gone, or takes no writes."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _state(error) == _FENCED
    return isinstance(error, CommitUnknownError)


def said_of(error: Exception) -> dict[str, Any]:
    """Return what a log is told of a failure: its kind, and what the database calls it.

    That is SQLite's name of it (SQLITE_BUSY: somebody else writes) or a SQLSTATE. The database's sentence may
    quote a value.
    """
    said: dict[str, Any] = {"cause": type(error).__name__}
    for one in (error, error.__cause__):
        found = getattr(one, "orig", None)
        if why := getattr(found, "sqlite_errorname", None) or getattr(found, "sqlstate", None):
            return said | {"why": why}
    return said


def _state(error: DBAPIError) -> str | None:
    state: str | None = getattr(error.orig, "sqlstate", None)
    return state
