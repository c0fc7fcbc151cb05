"""Whom commits on a PostgreSQL wait for: looked at, and changed when an operator says so.

It is the server's own setting, `synchronous_standby_names`. A commit that waits keeps its locks, also after
its client has gone, and no time-out ends it. Ended from outside it stands on this server only, and nobody is
told that it succeeded.
"""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from sqlalchemy import Engine

from app.core.clock import monotonic
from app.core.errors import StartRefusedError

NAMES = "synchronous_standby_names"
TAKES_EFFECT_S = 5.0
_STANDBYS = """
    SELECT application_name, state, sync_state, pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn)::bigint
    FROM pg_stat_replication ORDER BY application_name"""
_MAY_CHANGE = f"""
    SELECT has_parameter_privilege({{role}}, '{NAMES}', 'ALTER SYSTEM')
        AND has_function_privilege({{role}}, 'pg_reload_conf()', 'EXECUTE')"""
_WHO = "SELECT quote_ident(current_user), quote_ident(current_database())"
POWERLESS_OWNER = f"""
    SELECT quote_ident(r.rolname), quote_ident(d.datname)
    FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba
    WHERE d.datname = current_database() AND NOT (
        ({_MAY_CHANGE.format(role="r.oid")}) AND pg_has_role(r.oid, 'pg_read_all_stats', 'USAGE'))"""
"""Who owns this database, and its name, where that log-in could not let one server go on. Any may ask."""
COMMITS_WAIT = """
    SELECT count(*) FROM pg_stat_activity
    WHERE wait_event = 'SyncRep' AND datname = current_database()
        AND state_change < clock_timestamp() - interval '3 seconds'"""
"""How many commits wait for a standby, for so long that it is not the way there and back."""
_END_WAITING = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE wait_event = 'SyncRep' AND usename = current_user AND datname = current_database()"""

Line = psycopg.Connection[Any]


class Standby(NamedTuple):
    """A standby that is attached.

    Attributes:
        name: By which it may be waited for.
        state: What it does; None where this log-in may not see it.
        part: Whether it is waited for: sync, quorum, potential, async.
        behind: How many bytes it has not stored yet.
    """

    name: str
    state: str | None
    part: str | None
    behind: int | None

    @property
    def is_waited_for(self) -> bool:
        """Say whether a commit may count on it now."""
        return self.state == "streaming" and self.part in ("sync", "quorum")


@contextmanager
def line_to(engine: Engine) -> Iterator[Line]:
    """Open a connection of an engine to see to the server itself. No table is read over it."""
    with closing(engine.raw_connection()) as pooled:
        line: Any = pooled.driver_connection
        line.autocommit = True
        yield line


def awaited(line: Line) -> str:
    """Return whom commits wait for; empty for nobody."""
    return str(_one(line, f"SHOW {NAMES}"))


def standbys(line: Line) -> list[Standby]:
    """Return who is attached."""
    return [Standby._make(row) for row in line.execute(_STANDBYS)]


def refuse_powerless(line: Line) -> None:
    """Refuse a log-in that may not say whom commits wait for.

    Raises:
        StartRefusedError: It may not.
    """
    if not _one(line, _MAY_CHANGE.format(role="current_user")):
        login, database = line.execute(_WHO).fetchone() or ("", "")
        raise StartRefusedError(
            "the log-in of CARETRAIL_OWNER_DATABASE_URL may not change whom commits wait for."
            f" {how_to_empower(login, database)}"
        )


def how_to_empower(login: str, database: str) -> str:
    """Return what a superuser has to do so that a log-in may say whom commits wait for.

    While a standby is away such a grant would itself wait for it, hence `SET`.
    """
    return (
        f"As a superuser, in the database {database}: SET synchronous_commit = local;"
        f" GRANT ALTER SYSTEM ON PARAMETER {NAMES} TO {login};"
        f" GRANT EXECUTE ON FUNCTION pg_reload_conf() TO {login};"
        f" GRANT pg_read_all_stats TO {login}."
    )


def waiting(line: Line) -> int:
    """Return how many commits wait for a standby that does not answer, as far as this log-in may see."""
    return int(str(_one(line, COMMITS_WAIT)))


def wait_for(line: Line, names: str) -> None:
    """Let commits wait for these from now on; for nobody, and those that wait now are done.

    Raises:
        StartRefusedError: The server does not take it up: it is told otherwise elsewhere.
    """
    line.execute(sql.SQL("ALTER SYSTEM SET {} TO {}").format(sql.Identifier(NAMES), sql.Literal(names)))
    line.execute("SELECT pg_reload_conf()")
    until = monotonic() + TAKES_EFFECT_S
    while awaited(line) != names:
        if monotonic() > until:
            raise StartRefusedError(
                f"the server goes on with {NAMES}={awaited(line)!r}: its command line or its manager says so"
            )
        time.sleep(0.02)


def end_waiting(line: Line) -> int:
    """End the commits of this log-in that wait for a standby, and return how many.

    They stand on this server and let go of their locks; whoever waits for them learns that nobody knows.
    """
    return int(str(_one(line, _END_WAITING)))


def _one(line: Line, question: str) -> object:
    row = line.execute(question).fetchone()
    return row[0] if row is not None else None
