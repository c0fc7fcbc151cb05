"""Past the protection: what somebody can do who owns the database file, or is a superuser.

Every trigger of the trail's tables is switched off, the change made, and everything put back as it was, so
that a check of the definitions finds nothing: only what was changed can tell.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

_SQLITE = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
_POSTGRESQL = """
    SELECT quote_ident(t.tgname), t.tgrelid::regclass::text, t.tgenabled::text FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND t.tgparentid = 0"""
_EVENTS = "SELECT quote_ident(evtname), evtenabled::text FROM pg_event_trigger"
_ENABLED = {"A": "ENABLE ALWAYS", "O": "ENABLE", "R": "ENABLE REPLICA", "D": "DISABLE"}


@contextmanager
def unprotected(connection: Connection) -> Iterator[None]:
    """Switch all triggers off, inside a transaction, and on again as they were."""
    switch = _off_on_sqlite if connection.dialect.name == "sqlite" else _off_on_postgresql
    back = switch(connection)
    yield
    for statement in back:
        connection.execute(text(statement))


def _off_on_sqlite(connection: Connection) -> list[str]:
    found = connection.execute(text(_SQLITE)).all()
    for name, _ in found:
        connection.execute(text(f'DROP TRIGGER "{name}"'))
    return [sql.replace(":", "\\:") for _, sql in found]


def _off_on_postgresql(connection: Connection) -> list[str]:
    back = []
    for name, enabled in connection.execute(text(_EVENTS)).all():
        connection.execute(text(f"ALTER EVENT TRIGGER {name} DISABLE"))
        back.append(f"ALTER EVENT TRIGGER {name} {_ENABLED[enabled]}")
    for name, table, enabled in connection.execute(text(_POSTGRESQL)).all():
        connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER {name}"))
        back.insert(0, f"ALTER TABLE {table} {_ENABLED[enabled]} TRIGGER {name}")
    return back
