"""The connections that serve define nothing: no table, no trigger, no database beside this one.

On PostgreSQL the service's role owns nothing and so cannot. SQLite has no roles: there the library asks
this before it prepares a statement (`sqlite3_set_authorizer`), which costs nothing for one that is
prepared already. Migrations have a connection of their own. Of pragmas those few pass that serving asks:
many of the others would weaken it, or stop it from writing at all.

It is a fence against mistakes and injected SQL. Whoever can open the file needs no connection of ours;
what they change, `audit.schema_digest` and the chain find.
"""

import sqlite3
from typing import Any

from sqlalchemy import Engine, event

_DEFINING = frozenset(
    getattr(sqlite3, f"SQLITE_{verb}{kind}")
    for verb in ("CREATE_", "DROP_", "CREATE_TEMP_", "DROP_TEMP_")
    for kind in ("INDEX", "TABLE", "TRIGGER", "VIEW")
) | {
    sqlite3.SQLITE_ALTER_TABLE,
    sqlite3.SQLITE_ATTACH,
    sqlite3.SQLITE_DETACH,
    sqlite3.SQLITE_CREATE_VTABLE,
    sqlite3.SQLITE_DROP_VTABLE,
}
_ASKED = frozenset(
    (
        "journal_mode",
        "synchronous",
        "foreign_keys",
        "recursive_triggers",
        "trusted_schema",
        "secure_delete",
        "writable_schema",
    )
)
"""Pragmas that may be asked: whether the safeguards are on. They are set once, when a connection is made."""
_ASKED_OF_TABLE = frozenset(("table_info", "table_xinfo"))
"""Pragmas that are asked about a table: whether the one with the schema's revision is there."""


def forbid_definitions(engine: Engine) -> None:
    """Let no connection that an engine makes from here on change the schema or its own safeguards."""
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def forbid(raw: Any, _record: Any) -> None:
        raw.set_authorizer(_authorise)


def _authorise(action: int, first: str | None, second: str | None, *_where: str | None) -> int:
    if action in _DEFINING:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA and not _only_asks(first, second):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _only_asks(pragma: str | None, value: str | None) -> bool:
    """Say whether a pragma is one that serving asks. Every other may stop the service or weaken it."""
    known = _ASKED if value is None else _ASKED_OF_TABLE
    return (pragma or "").lower() in known
