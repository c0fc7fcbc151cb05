"""The schema: refusing one this code does not know, lacks something of, or may rewrite.

Revisions stand in `migrations/`, next to this package; `migration.py` brings a schema up.
"""

import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DatabaseError

import app
from app.core.errors import StartRefusedError
from app.storage.base import metadata

MIGRATIONS = Path(app.__file__).resolve().parent.parent / "migrations"
SERVICE_ROLE = "caretrail_service"
"""The PostgreSQL role whose rights are what serving needs. Log-ins of the service are its members."""


# A revision's file is named by its id, and ids sort as the revisions follow. Alembic, which takes a fifth of
# a second to load, is for changing a schema only (`migration.py`).
_REVISION = re.compile(r"(\d{4}_\d\d_\d\d_\d\d)_\w+\.py")


def known_revisions() -> set[str]:
    """Return every revision this version knows, its own among them."""
    if not (MIGRATIONS / "env.py").is_file():
        raise StartRefusedError(f"the folder {MIGRATIONS} is missing: install Caretrail whole")
    named = (_REVISION.fullmatch(path.name) for path in (MIGRATIONS / "versions").iterdir())
    return {found[1] for found in named if found}


def head_revision() -> str:
    """Return the revision this code works with."""
    known = known_revisions()
    if not known:
        raise StartRefusedError(f"the folder {MIGRATIONS} holds no revision: install Caretrail whole")
    return max(known)


def is_older(revision: object) -> bool:
    """Say whether this version knows a revision as one that came before its own."""
    return revision != head_revision() and revision in known_revisions()


def present_revision(connection: Connection) -> str | None:
    """Return the revision a database is at; None where there is no schema yet."""
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    if not all(isinstance(one, str) for one in found):  # a page of something else: a number, or nothing
        raise StartRefusedError(_DAMAGED)
    return ", ".join(found) or None


_NEWER = (
    "the schema is at revision {before}, which this version of Caretrail does not know: "
    "it was made by a newer version. Run that version."
)


def refuse_newer(present: str | None) -> None:
    """Refuse a revision this version does not know.

    Raises:
        StartRefusedError: It does not.
    """
    if present is not None and present not in known_revisions():
        raise StartRefusedError(_NEWER.format(before=present))


def refuse_unknown_schema(connection: Connection) -> None:
    """Refuse to serve a schema this code was not written for.

    Raises:
        StartRefusedError: There is no schema, an older or a newer one, or one that lacks something.
    """
    with damage_told():
        present = present_revision(connection)
        if present is None:
            raise StartRefusedError("the database has no schema yet: run `caretrail migrate`")
        refuse_newer(present)
        if is_older(present):
            raise StartRefusedError(
                f"the schema is at revision {present}, an older one: run `caretrail migrate`"
            )
        refuse_lacking(connection)


# --- what is there ----------------------------------------------------------------------------------

_DAMAGE = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT))
_PRIMARY_CODE = 0xFF
_DAMAGED = (
    "the database file cannot be read: it is damaged or no database; bring a backup back"
    " (see Bringing a backup back in the operations guide)"
)


@contextmanager
def damage_told() -> Iterator[None]:
    """Turn what SQLite says of a file that is damaged, or is no database, into a refusal.

    Raises:
        StartRefusedError: It is.
    """
    try:
        yield
    except DatabaseError as error:
        if getattr(error.orig, "sqlite_errorcode", 0) & _PRIMARY_CODE not in _DAMAGE:
            raise
        raise StartRefusedError(_DAMAGED) from error
    except UnicodeDecodeError as error:  # from the driver: SQLite named a damaged definition, in its bytes
        if error.encoding != "utf-8":
            raise
        raise StartRefusedError(_DAMAGED) from error


Ask = Callable[[str], Iterable[tuple[Any, ...]]]
"""Runs one SELECT and gives its rows."""


def asking(connection: Connection) -> Ask:
    """Return what asks a connection."""
    return lambda statement: [tuple(row) for row in connection.exec_driver_sql(statement)]


# On PostgreSQL not from information_schema, which hides what a log-in has no right to.
_COLUMNS = {
    "sqlite": """
        SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_xinfo(t.name) c
        WHERE t.type = 'table'""",
    "postgresql": """
        SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relkind IN ('r', 'p') AND c.relnamespace <> 'pg_catalog'::regnamespace
            AND pg_table_is_visible(c.oid) AND a.attnum > 0 AND NOT a.attisdropped""",
}
_MOST_NAMED = 8


def lacking(ask: Ask, dialect: str) -> list[str]:
    """Return what a database at the newest revision lacks: `table`, or `table.column`. Types are not asked.

    A revision that was edited while its build was unfinished is not run again where it had been run.

    Args:
        ask: Runs a SELECT on it.
        dialect: `sqlite` or `postgresql`.
    """
    there = defaultdict(set)
    for table, column in ask(_COLUMNS[dialect]):
        there[table].add(column)
    wanted = {table.name: [column.name for column in table.columns] for table in tables()}
    missing = [[name] if name not in there else _without(name, wanted[name], there[name]) for name in wanted]
    return [name for names in missing for name in names]


def _without(table: str, wanted: list[str], there: set[str]) -> list[str]:
    return [f"{table}.{column}" for column in wanted if column not in there]


def tables() -> list[Any]:
    """Return every table of this version, whichever of them this process has needed so far."""
    for path in (MIGRATIONS.parent / "app").glob("*/table.py"):
        import_module(f"app.{path.parent.name}.table")
    return sorted(metadata.tables.values(), key=lambda table: table.name)


def in_words(missing: Sequence[str]) -> str:
    """Return the sentence on what a database lacks. It accuses nobody: builds were unfinished once."""
    more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
    return (
        f"the database lacks {', '.join(missing[:_MOST_NAMED])}{more}: it was made by an unfinished build and"
        " cannot be upgraded; start with a new one, or bring a backup back into one. If this version has"
        " served it before, what it lacks was there then: bring a backup back."
    )


def refuse_lacking(connection: Connection) -> None:
    """Refuse a database at the newest revision that was made by an unfinished build.

    Raises:
        StartRefusedError: It lacks something.
    """
    if missing := lacking(asking(connection), connection.dialect.name):
        raise StartRefusedError(in_words(missing))


# --- who serves -------------------------------------------------------------------------------------

# What would let the serving log-in rewrite the trail, each with the sentence that names it. Membership is
# asked with 'MEMBER', not 'USAGE': SET ROLE needs no inherited right.
_SELF = "FROM pg_roles WHERE rolname = session_user"
_BECOMES = "FROM pg_roles WHERE pg_has_role(session_user, oid, 'MEMBER')"
_POWERS = {
    "it is a superuser": f"SELECT rolsuper {_SELF}",
    "it bypasses row security": f"SELECT rolbypassrls {_SELF}",
    "it may replicate": f"SELECT rolreplication {_SELF}",
    "it may make roles": f"SELECT rolcreaterole {_SELF}",
    "it is, or can become, the owner of the trail": """
        SELECT pg_has_role(session_user, relowner, 'MEMBER') FROM pg_class
        WHERE oid = to_regclass('audit_event')""",
    "it is, or can become, the owner of the database": """
        SELECT pg_has_role(session_user, datdba, 'MEMBER') FROM pg_database
        WHERE datname = current_database()""",
    "it can become a role that is more powerful": f"""
        SELECT bool_or(rolsuper OR rolbypassrls OR rolreplication OR rolcreaterole
            OR rolname IN ('pg_execute_server_program', 'pg_write_server_files')) {_BECOMES}""",
    "it may change the trail": f"""
        SELECT bool_or(has_any_column_privilege(oid, to_regclass(kept), 'UPDATE')
            OR has_table_privilege(oid, to_regclass(kept), 'DELETE, TRUNCATE, TRIGGER'))
        FROM (SELECT oid {_BECOMES}) AS roles,
             unnest(ARRAY['audit_event', 'audit_value', 'audit_name', 'audit_checkpoint']) AS kept""",
}


def refuse_powerful_role(connection: Connection) -> None:
    """Refuse, on PostgreSQL, to serve as a role that could rewrite the trail or take its triggers off.

    SQLite has no roles: there the triggers, the chain and the checkpoints kept elsewhere stand alone.

    Raises:
        StartRefusedError: The log-in is more powerful than serving needs.
    """
    if connection.dialect.name != "postgresql":
        return
    power = power_of(lambda question: connection.execute(text(question)).scalar())
    if power is not None:
        raise StartRefusedError(
            f"this database log-in must not serve: {power}. "
            f"Use one that is a member of {SERVICE_ROLE} and of nothing else."
        )


def power_of(ask: Callable[[str], object]) -> str | None:
    """Return what makes a PostgreSQL log-in more powerful than serving needs; None if nothing does.

    Args:
        ask: Returns the first value of a SELECT.
    """
    return next((power for power, question in _POWERS.items() if ask(question)), None)
