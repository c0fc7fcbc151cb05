"""The connections that serve define nothing: no table, no trigger, no database beside this one.

On PostgreSQL the service's role owns nothing and so cannot. SQLite has no roles: there the library asks
this before it prepares a statement (`sqlite3_set_authorizer`), which costs nothing for one that is
prepared already. Migrations have a connection of their own.

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
_SET_AT_CONNECT = frozenset(
    (
        "writable_schema",
        "schema_version",
        "recursive_triggers",
        "trusted_schema",
        "journal_mode",
        "synchronous",
        "foreign_keys",
        "secure_delete",
        "ignore_check_constraints",
        "legacy_alter_table",
    )
)
"""Pragmas that are set once, when a connection is made, or never."""


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
    if action == sqlite3.SQLITE_PRAGMA and second is not None and (first or "").lower() in _SET_AT_CONNECT:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK
