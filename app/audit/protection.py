"""Append-only, enforced inside the databases: triggers on both, rights of the service on PostgreSQL.

This is prevention, for everyone but the owner of the file and the superuser; against those stand
the chain, the signatures and the checkpoints kept elsewhere. What each statement is for:

- no UPDATE and no DELETE on lines, sealed values, names and checkpoints; no TRUNCATE on PostgreSQL;
- SQLite's `INSERT OR REPLACE` deletes without asking the triggers for DELETE unless a pragma says so.
  A trigger before each INSERT closes that: a line has to be the next of a chain there is, a key has to
  be new; and the tables have no rowid, by which a row could be replaced past its key;
- a head cannot be removed, and its size can only grow;
- on PostgreSQL a line has to continue the one before it: its leaf is its own hash, and it names the
  number, the chain and the leaf before. SQLite knows no SHA-256; there its number alone is asked for.
  A session with temporary tables is not believed: they would be found before the partitions;
- a partition can be filled and emptied past its parent: each has triggers for these statements of its own.
  Those for each row it takes from the parent;
- PostgreSQL's `session_replication_role` does not switch them off: ENABLE ALWAYS.

The Alembic migration runs these statements; `audit_index` and `audit_tile` are derived and not protected.

Whether a database still has them as they stand here, `schema_digest` finds out.

Source: AUDIT-3 (ASVS 5.0 16.4.2).
"""

import re
from typing import NamedTuple

from app.audit import partitions

APPEND_ONLY = {
    "audit_event": ("org", "seq"),
    "audit_value": ("org", "seq", "n"),
    "audit_name": ("org", "seq"),
    "audit_checkpoint": ("org", "size"),
}
"""The tables that only ever take new rows, with their keys."""

HEAD = "audit_head"
DERIVED = ("audit_index", "audit_indexed", "audit_tile")
TABLES = (*APPEND_ONLY, HEAD)
REFUSED = "the trail is append-only"
_ROLE = re.compile("[a-z_][a-z0-9_]{0,62}", re.ASCII)

_FUNCTION = f"""
CREATE FUNCTION caretrail_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '{REFUSED}: % on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = '42501';
END $$
"""
_HEAD_FUNCTION = f"""
CREATE FUNCTION caretrail_refuse_shrinking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.org <> OLD.org OR NEW.size <= OLD.size THEN
        RAISE EXCEPTION '{REFUSED}: a head only grows' USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END $$
"""
_NOT_NEXT = "is not the next line or does not continue the one before"
_LINK_FUNCTION = f"""
CREATE FUNCTION caretrail_refuse_unlinked() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    l record;
    before_org text;
    before_seq bigint;
    before bytea;
    place text;
BEGIN
    FOR l IN SELECT org, seq, line, leaf FROM added LOOP
        IF l.org IS DISTINCT FROM before_org OR l.seq <> before_seq + 1 THEN
            {partitions.line_before()}
            IF l.seq = 0 AND EXISTS (SELECT FROM audit_head WHERE org = l.org) AND NOT EXISTS (
                SELECT seq FROM audit_event WHERE org = l.org AND seq > 0
                EXCEPT SELECT seq FROM added WHERE org = l.org)
            THEN
                before := sha256(convert_to(E'caretrail/v1 genesis\\n' || l.org, 'UTF8'));
            END IF;
        END IF;
        place := '{{"c":{{"org":"' || l.org || '","prev":"' || encode(before, 'hex') || '","seq":' || l.seq
            || ',"ts":"';
        IF before IS NULL OR pg_my_temp_schema() <> 0 OR l.leaf <> sha256('\\x00'::bytea || l.line)
            OR NOT starts_with(encode(substring(l.line for 200), 'escape'), place)
        THEN
            RAISE EXCEPTION '{REFUSED}: INSERT on audit_event is refused, #% {_NOT_NEXT}', l.seq
                USING ERRCODE = '42501';
        END IF;
        before_org := l.org;
        before_seq := l.seq;
        before := l.leaf;
    END LOOP;
    RETURN NULL;
END $$
"""
_FUNCTIONS = {
    "caretrail_refuse_change": _FUNCTION,
    "caretrail_refuse_shrinking": _HEAD_FUNCTION,
    "caretrail_refuse_unlinked": _LINK_FUNCTION,
}


def statements(dialect: str) -> list[str]:
    """Return the statements that make the trail append-only, for a new schema.

    Args:
        dialect: `sqlite` or `postgresql`.
    """
    return _sqlite() if dialect == "sqlite" else _postgresql()


def trigger_names(dialect: str) -> list[str]:
    """Return the names of all triggers, for whoever checks that they are there."""
    if dialect == "postgresql":
        return [one.name for one in triggers()]
    return [f"{table}_{kind}" for table in TABLES for kind in ("insert", "update", "delete")]


def grants(role: str) -> list[str]:
    """Return what gives a PostgreSQL service role its rights on the trail, and no more.

    Raises:
        ValueError: The name would have to be quoted.
    """
    if not _ROLE.fullmatch(role):
        raise ValueError("a role is named with lower-case letters, digits and underscores")
    return [
        *(f"REVOKE ALL ON {table} FROM PUBLIC, {role}" for table in rights()),
        *(f"GRANT SELECT, {', '.join(given)} ON {table} TO {role}" for table, given in rights().items()),
        *(f"REVOKE ALL ON {one.name} FROM PUBLIC, {role}" for one in partitions.partitions()),
        *(f"GRANT SELECT ON {one.name} TO {role}" for one in partitions.partitions()),
    ]


def rights() -> dict[str, tuple[str, ...]]:
    """Return what the service may do beside reading, by table; for one column: `UPDATE (size)`."""
    beside = {
        HEAD: ("UPDATE (size)", "UPDATE (leaf)", "UPDATE (ts)", "UPDATE (peaks)"),
        "audit_indexed": ("UPDATE (size)",),
        "audit_index": ("DELETE",),
    }
    return {table: ("INSERT", *beside.get(table, ())) for table in (*TABLES, *DERIVED)}


# --- SQLite -------------------------------------------------------------------------------------


def _sqlite() -> list[str]:
    made = []
    for table, key in APPEND_ONLY.items():
        made += [
            _refusal(table, "insert", "INSERT", _out_of_place(table, key)),
            _refusal(table, "update", "UPDATE"),
            _refusal(table, "delete", "DELETE"),
        ]
    return [
        *made,
        _refusal(HEAD, "insert", "INSERT", _is_there(HEAD, ("org",))),
        _refusal(HEAD, "update", "UPDATE", "NEW.org <> OLD.org OR NEW.size <= OLD.size"),
        _refusal(HEAD, "delete", "DELETE"),
    ]


def _refusal(table: str, name: str, event: str, when: str = "") -> str:
    condition = f" WHEN {when}" if when else ""
    return (
        f"CREATE TRIGGER {table}_{name} BEFORE {event} ON {table}{condition}"
        f" BEGIN SELECT RAISE(ABORT, '{REFUSED}: {event} on {table} is refused'); END"
    )


def _out_of_place(table: str, key: tuple[str, ...]) -> str:
    if table == "audit_event":
        newest = "SELECT max(seq) FROM audit_event WHERE org = NEW.org"
        chain = "SELECT 1 FROM audit_head WHERE org = NEW.org"
        return f"NEW.seq <> COALESCE(({newest}), -1) + 1 OR NOT EXISTS ({chain})"
    return _is_there(table, key)


def _is_there(table: str, key: tuple[str, ...]) -> str:
    same = " AND ".join(f"{column} = NEW.{column}" for column in key)
    return f"EXISTS (SELECT 1 FROM {table} WHERE {same})"


# --- PostgreSQL ---------------------------------------------------------------------------------


def _postgresql() -> list[str]:
    return [*_FUNCTIONS.values(), *(made for one in triggers() for made in one.statements())]


class Trigger(NamedTuple):
    """One trigger on PostgreSQL, as it has to be; always enabled."""

    table: str
    name: str
    events: str
    each: str
    function: str
    when: str = "BEFORE"

    def statements(self) -> list[str]:
        """Return what makes it."""
        rows = " REFERENCING NEW TABLE AS added" if self.when == "AFTER" else ""
        return [
            f"CREATE TRIGGER {self.name} {self.when} {self.events} ON {self.table}{rows}"
            f" FOR EACH {self.each} EXECUTE FUNCTION {self.function}()",
            f"ALTER TABLE {self.table} ENABLE ALWAYS TRIGGER {self.name}",
        ]


def triggers() -> list[Trigger]:
    """Return the triggers of PostgreSQL; partitions take those for each row from their parent."""
    made = []
    for table in TABLES:
        events = "DELETE" if table == HEAD else "UPDATE OR DELETE"
        made += [
            Trigger(table, f"{table}_change", events, "ROW", "caretrail_refuse_change"),
            Trigger(table, f"{table}_truncate", "TRUNCATE", "STATEMENT", "caretrail_refuse_change"),
        ]
    parts = [one.name for one in partitions.partitions()]
    made += [
        Trigger(name, f"{name}_truncate", "TRUNCATE", "STATEMENT", "caretrail_refuse_change")
        for name in parts
    ]
    made += [
        Trigger(name, f"{name}_link", "INSERT", "STATEMENT", "caretrail_refuse_unlinked", "AFTER")
        for name in (partitions.PARENT, *parts)
    ]
    return [*made, Trigger(HEAD, "audit_head_growth", "UPDATE", "ROW", "caretrail_refuse_shrinking")]


def function_bodies() -> dict[str, str]:
    """Return what the functions of PostgreSQL do, by name."""
    return {name: statement.split("$$")[1] for name, statement in _FUNCTIONS.items()}
