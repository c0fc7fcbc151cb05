"""Foreign code on our tables: triggers, rules, and what else a database runs whenever a row is written.

This version makes none of these beside the trail's own triggers, so each is somebody's. A trigger on the
table of sessions writes what no entry tells of, each time somebody signs in; on PostgreSQL a constraint, a
default, a policy or an index can call a function that does the same. Of indexes only those that call foreign
code are told: any other is an operator's own affair. SQLite has no functions but its own, and a constraint
there can only refuse what is written, or drop it.

SQLite keeps the name of a trigger's table as it was typed: one made `ON AUDIT_EVENT` is none of those that
are compared under the table's own name, so it is found here.

Source: promise P5.
"""

import re
from collections.abc import Collection, Iterator
from typing import Final

from app.storage.schema import Ask, tables

_Found = Iterator[tuple[str, str, str]]
_TRIGGERS_ON_SQLITE = """
    SELECT type, name, tbl_name FROM sqlite_master
    WHERE type = 'trigger' AND lower(tbl_name) IN ({ours}) AND tbl_name NOT IN ({trail})"""
_TABLES_ON_SQLITE = """
    SELECT name, sql FROM sqlite_master
    WHERE type = 'table' AND lower(name) IN ({ours}) AND name NOT IN ({trail})"""
_CLAUSE: Final = re.compile(r"\b(AS|CHECK|COLLATE|CONFLICT|DEFAULT|GENERATED|REFERENCES)\b", re.IGNORECASE)
"""What no table of ours has in its definition."""
# Triggers that keep foreign keys are the database's own (tgisinternal). The trail's triggers, rules and row
# security are compared one by one elsewhere; of the rest it has as little as the other tables.
_ON_POSTGRESQL = """
    SELECT 'trigger', t.tgname::text, c.relname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND {beside}
    UNION ALL
    SELECT 'rule', r.rulename::text, c.relname::text FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    WHERE {beside}
    UNION ALL
    SELECT 'row security', '', c.relname::text FROM pg_class c
    WHERE (c.relrowsecurity OR c.relforcerowsecurity) AND {beside}
    UNION ALL
    SELECT 'policy', p.polname::text, c.relname::text FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
    WHERE {there}
    UNION ALL
    SELECT 'constraint', k.conname::text, c.relname::text
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE k.contype IN ('c', 'f') AND k.coninhcount = 0 AND {there}
    UNION ALL
    SELECT 'default of', a.attname::text, c.relname::text
    FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
        JOIN pg_class c ON c.oid = d.adrelid WHERE {there}
    UNION ALL
    SELECT 'type of', a.attname::text, c.relname::text
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type y ON y.oid = a.atttypid
    WHERE y.typnamespace <> 'pg_catalog'::regnamespace AND NOT a.attisdropped AND {there}
    UNION ALL
    SELECT 'index', x.relname::text, c.relname::text
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
    WHERE {there} AND EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = x.oid
            AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_opclass'::regclass))"""
_THERE = """
    c.relname IN ({ours}) AND c.relkind IN ('r', 'p')
    AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('audit_event'))"""


def beside_the_trail(ask: Ask, dialect: str, trail: Collection[str]) -> dict[str, str]:
    """Return the foreign code on our tables, by kind, name and table.

    Args:
        ask: Runs a SELECT on the database.
        dialect: `sqlite` or `postgresql`.
        trail: The tables of the trail, whose triggers are compared one by one.
    """
    ours = {*(table.name for table in tables()), "alembic_version", *trail}
    find = _on_sqlite if dialect == "sqlite" else _on_postgresql
    found = find(ask, _listed(sorted(ours)), _listed(trail))
    return {" ".join(filter(None, (kind, name, "on", on))): f"a {kind}" for kind, name, on in found}


def _on_sqlite(ask: Ask, ours: str, trail: str) -> _Found:
    yield from ask(_TRIGGERS_ON_SQLITE.format(ours=ours, trail=trail))
    for on, sql in ask(_TABLES_ON_SQLITE.format(ours=ours, trail=trail)):
        for clause in _CLAUSE.findall(sql):
            yield "clause", clause.upper(), on


def _on_postgresql(ask: Ask, ours: str, trail: str) -> _Found:
    there = _THERE.format(ours=ours)
    beside = f"c.relname NOT IN ({trail}) AND {there}"
    yield from ask(_ON_POSTGRESQL.format(there=there, beside=beside))


def _listed(names: Collection[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
