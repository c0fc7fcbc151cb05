"""The protection of the trail taken off for one transaction of its owner, and put back as it was.

Only pruning does this. Definitions change with the transaction: whoever else looks sees them on, before and
after, and a crash in between leaves them on. The service's log-in owns nothing and cannot.

Source: AUDIT-3; app/decisions/0016-pruning.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

CHANGED = ("audit_event", "audit_value", "audit_name")
"""The tables that pruning takes something out of."""
_WORDS = {"A": "ENABLE ALWAYS", "O": "ENABLE", "R": "ENABLE REPLICA"}
_ON_SQLITE = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name IN ({})"
_ON_POSTGRESQL = """
    SELECT c.relname::text, t.tgname::text, t.tgenabled::text
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgname::text IN ({})
        AND c.oid = to_regclass(c.relname) AND c.relname::text IN ({})
"""


@contextmanager
def unprotected(connection: Connection) -> Iterator[None]:
    """Let lines, values and names be taken out while the block lasts, inside its transaction."""
    away, back = _statements(connection)
    for statement in away:
        connection.execute(text(statement))
    yield
    for statement in back:
        connection.execute(text(statement))


def _statements(connection: Connection) -> tuple[list[str], list[str]]:
    if connection.dialect.name == "sqlite":
        names = _listed([f"{table}_{kind}" for table in CHANGED for kind in ("update", "delete")])
        there = connection.execute(text(_ON_SQLITE.format(names))).all()
        return [f"DROP TRIGGER {name}" for name, _ in there], [_plain(sql) for _, sql in there]
    # Partitions follow their parent. Where event triggers guard the definitions, this session may pass
    names, tables = _listed([f"{table}_change" for table in CHANGED]), _listed(CHANGED)
    there = connection.execute(text(_ON_POSTGRESQL.format(names, tables))).all()
    off = [f"ALTER TABLE {table} DISABLE TRIGGER {name}" for table, name, _ in there]
    on = [f"ALTER TABLE {table} {_WORDS[how]} TRIGGER {name}" for table, name, how in there]
    away = ["SET LOCAL caretrail.migration = 'on'", *off]
    return away, [*on, "SET LOCAL caretrail.migration = 'off'"]


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _plain(sql: str) -> str:
    return sql.replace(":", "\\:")
