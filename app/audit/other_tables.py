"""Triggers and rules on tables beside the trail's own: this version makes none, so each is somebody's.

A trigger on the table of sessions writes what no entry tells of, each time somebody signs in. SQLite keeps
the name of a trigger's table as it was typed: one made `ON AUDIT_EVENT` is none of those that are compared
under the table's own name, so it is found here.

Source: promise P5.
"""

from collections.abc import Collection

from app.storage.schema import Ask, tables

_ON_SQLITE = """
    SELECT type, name, tbl_name FROM sqlite_master
    WHERE type = 'trigger' AND lower(tbl_name) IN ({ours}) AND tbl_name NOT IN ({trail})"""
# Triggers that keep foreign keys are the database's own (tgisinternal)
_ON_POSTGRESQL = """
    SELECT 'trigger', t.tgname::text, c.relname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND {there}
    UNION ALL
    SELECT 'rule', r.rulename::text, c.relname::text FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    WHERE {there}"""
_THERE = """
    c.relname IN ({ours}) AND c.relname NOT IN ({trail})
    AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('audit_event'))"""


def beside_the_trail(ask: Ask, dialect: str, trail: Collection[str]) -> dict[str, str]:
    """Return the triggers and rules on our other tables, by kind, name and table.

    Args:
        ask: Runs a SELECT on the database.
        dialect: `sqlite` or `postgresql`.
        trail: The tables of the trail, whose triggers are compared one by one.
    """
    names = {
        "ours": _listed([*(table.name for table in tables()), "alembic_version"]),
        "trail": _listed(trail),
    }
    there = _THERE.format(**names)
    statement = (_ON_SQLITE if dialect == "sqlite" else _ON_POSTGRESQL).format(**names, there=there)
    return {f"{kind} {name} on {on}": f"a {kind}" for kind, name, on in ask(statement)}


def _listed(names: Collection[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
