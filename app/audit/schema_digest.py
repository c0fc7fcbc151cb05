"""Whether the definitions that protect the trail are those this version made, each told by its name.

A trigger that was disabled for a minute, a right that was given "for the migration": what stops a change of
the trail can itself be changed, by whoever owns the tables or the file. So the definitions are read from
the database and compared with what the code expects - tables, partitions with their bounds, triggers and on
PostgreSQL whether they are enabled, functions, owners, rules, row security, rights - at every start and by
`audit verify`; and of our other tables, that nobody put a trigger or a rule on one (`other_tables`). The
digest over them is the same for every database of one version.

Not proven here: what was changed and put back in between. Against that stand chain and checkpoints.
Event triggers of a PostgreSQL belong to its superuser. Ours (`definition_guard`) are compared where there
are any, and left out of the digest; others (pgaudit has some) are named, not judged.

Source: AUDIT-3 (ASVS 5.0 16.4.2), promise P5.
"""

import hashlib
import json
from itertools import chain
from typing import NamedTuple

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from app.audit import definition_guard, partitions, protection, table
from app.audit.other_tables import beside_the_trail
from app.audit.verify import shown
from app.core.errors import StartRefusedError
from app.storage.schema import Ask, asking
from app.storage.snapshot import Snapshot

Definitions = dict[str, str]
"""What there is, by kind and name: `trigger audit_event_change`."""

TABLES: dict[str, Table] = {
    name: found for name, found in table.event.metadata.tables.items() if name.startswith("audit_")
}
PARTITIONS = {one.name: one for one in partitions.partitions()}
_ALWAYS = "A"
_NAMES = ", ".join(f"'{name}'" for name in (*TABLES, *PARTITIONS))
_DEFINED = f"SELECT type, name, sql FROM sqlite_master WHERE tbl_name IN ({_NAMES}) AND sql IS NOT NULL"
_SCHEMA = "(SELECT relnamespace FROM pg_class WHERE oid = to_regclass('audit_event'))"
_OWNER = "(SELECT relowner FROM pg_class WHERE oid = to_regclass('audit_event'))"
_OURS = f"""
    (c.relname IN ({_NAMES}) AND c.relnamespace = {_SCHEMA} OR c.oid IN (
        SELECT i.inhrelid FROM pg_inherits i JOIN pg_class o ON o.oid = i.inhparent
        WHERE o.relname IN ({_NAMES}) AND o.relnamespace = {_SCHEMA} AND o.relkind IN ('r', 'p')))"""
_TABLES_THERE = f"""
    SELECT c.relname::text, c.relkind::text || c.relpersistence::text, c.relrowsecurity,
        c.relowner <> {_OWNER},
        (SELECT pg_get_constraintdef(k.oid) FROM pg_constraint k
         WHERE k.conrelid = c.oid AND k.contype = 'p'),
        pg_get_partkeydef(c.oid),
        (SELECT o.relname::text || coalesce(' ' || pg_get_expr(c.relpartbound, c.oid), ' without bounds')
         FROM pg_inherits i JOIN pg_class o ON o.oid = i.inhparent WHERE i.inhrelid = c.oid)
    FROM pg_class c WHERE {_OURS}"""
_TRIGGERS_THERE = f"""
    SELECT t.tgname::text, c.relname::text, t.tgenabled::text, t.tgtype::int, p.proname::text,
        t.tgqual IS NULL AND t.tgattr::text = '', t.tgparentid <> 0
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND {_OURS}"""
_FUNCTIONS_THERE = f"""
    SELECT p.proname::text, p.prosrc, l.lanname::text, p.prosecdef,
        p.proconfig IS NULL AND p.proowner = {_OWNER}
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE p.pronamespace = {_SCHEMA} AND starts_with(p.proname::text, 'caretrail_')
        AND p.prorettype <> 'event_trigger'::regtype"""
_RULES_THERE = f"""
    SELECT r.rulename::text, c.relname::text FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    WHERE {_OURS}"""
_RIGHTS_THERE = f"""
    SELECT c.relname::text, '', a.privilege_type::text, a.is_grantable,
        CASE a.grantee WHEN 0 THEN 'everybody' ELSE pg_get_userbyid(a.grantee)::text END
    FROM pg_class c, aclexplode(c.relacl) a WHERE a.grantee <> c.relowner AND {_OURS}
    UNION ALL
    SELECT c.relname::text, ' (' || n.attname::text || ')', a.privilege_type::text, a.is_grantable,
        CASE a.grantee WHEN 0 THEN 'everybody' ELSE pg_get_userbyid(a.grantee)::text END
    FROM pg_class c JOIN pg_attribute n ON n.attrelid = c.oid, aclexplode(n.attacl) a
    WHERE a.grantee <> c.relowner AND {_OURS}"""
_EVENT_TRIGGERS_THERE = """
    SELECT e.evtname::text, e.evtenabled::text || ' ' || e.evtevent::text || ' ' || p.proname::text
        || coalesce(' ' || e.evttags::text, ''), p.prosrc
    FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid ORDER BY 1"""
_PART_OF = "part of "
_TIMES = ((4, "INSERT"), (8, "DELETE"), (16, "UPDATE"), (32, "TRUNCATE"))
_GRANT = "grant of "
_NOT_GUARDED = (
    "not stopped, only found: definitions changed by the owner of the tables. Event triggers against that are"
    " made where a superuser runs the migration (app/decisions/0017)."
)


class SchemaCheck(NamedTuple):
    """What was compared.

    Attributes:
        definitions: How many there are.
        digest: SHA-256 over all of them, in hex.
        differences: What is not as this version made it, a sentence each.
        beside: Event triggers of others, which are named and not judged.
        guarded: Whether event triggers stop the owner from changing definitions; None on SQLite.
        recorded: How the digest compares with the one the trail holds, in words.
    """

    definitions: int
    digest: str
    differences: list[str]
    beside: list[str]
    guarded: bool | None = None
    recorded: str = ""

    def as_text(self) -> str:
        """Return it for people."""
        lines = [f"SCHEMA: {shown(difference)}" for difference in self.differences]
        if not lines:
            what = f"{self.definitions} definitions that protect the trail are those of this version"
            lines = [f"checked: {what}, digest {self.digest}"]
        if self.recorded:
            lines.append(self.recorded)
        if self.beside:
            lines.append(f"beside them, not judged: event triggers {', '.join(map(shown, self.beside))}")
        if self.guarded is False:
            lines.append(_NOT_GUARDED)
        return "\n".join(lines)


def check_schema(ask: Ask, dialect: str, role: str) -> SchemaCheck:
    """Return how the definitions in a database compare with those this version makes.

    Args:
        ask: Runs a SELECT on it.
        dialect: `sqlite` or `postgresql`.
        role: The role whose rights on the trail are expected, on PostgreSQL.
    """
    if dialect == "sqlite":
        found = _on_sqlite(ask)
        return SchemaCheck(len(found), _digest(found), _differences(found, _expected_on_sqlite()), [])
    found = _on_postgresql(ask)
    told = _differences(found, _expected_on_postgresql(role))
    ours, beside = _event_triggers(ask)
    if ours:
        told += _differences(ours, _expected_event_triggers())
    return SchemaCheck(len(found), _digest(found), told, beside, bool(ours))


def check_snapshot(snapshot: Snapshot, dialect: str, role: str) -> SchemaCheck:
    """Return the same for a view of the database beside the service; see `check_schema`."""
    return check_schema(lambda statement: chain.from_iterable(snapshot.rows(statement)), dialect, role)


def refuse_changed_schema(connection: Connection, role: str) -> None:
    """Refuse to serve on a database whose protection of the trail was changed.

    Raises:
        StartRefusedError: It names what was changed.
    """
    check = check_schema(asking(connection), connection.dialect.name, role)
    if check.differences:
        raise StartRefusedError(
            f"SCHEMA: {'; '.join(check.differences)}. What protects the trail is not as this version made it:"
            " somebody changed it. Find out who and why, look at `caretrail audit verify`, then put it back"
            " as app/audit/protection.py has it."
        )


def _digest(found: Definitions) -> str:
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def _differences(found: Definitions, expected: Definitions) -> list[str]:
    told = [
        f"{name} is missing" for name in expected if name not in found and not name.startswith(_GRANT)
    ]  # fewer rights than expected do no harm to the trail
    for name, definition in sorted(found.items()):
        if name not in expected:
            widened = name.startswith(_GRANT)
            told.append(f"{name} was added" if not widened else f"{name} goes beyond what serving needs")
        elif definition != expected[name]:
            told.append(f"{name} {_change(definition, expected[name])}")
    return told


def _change(definition: str, expected: str) -> str:
    if _PART_OF in expected and _PART_OF not in definition:
        return "is detached"
    if not expected.startswith(f"{_ALWAYS} ") or definition[1:] != expected[1:]:
        return "was altered"
    return "is disabled" if definition[0] == "D" else "is no longer enabled always"


# --- SQLite -------------------------------------------------------------------------------------


def _on_sqlite(ask: Ask) -> Definitions:
    found = {f"{kind} {name}": _plain(sql) for kind, name, sql in ask(_DEFINED)}
    return found | beside_the_trail(ask, "sqlite", TABLES)


def _expected_on_sqlite() -> Definitions:
    dialect = sqlite.dialect()
    expected = {}
    for made in TABLES.values():
        expected[f"table {made.name}"] = _plain(str(CreateTable(made).compile(dialect=dialect)))
        for index in made.indexes:
            expected[f"index {index.name}"] = _plain(str(CreateIndex(index).compile(dialect=dialect)))
    triggers = zip(protection.trigger_names("sqlite"), protection.statements("sqlite"), strict=True)
    return expected | {f"trigger {name}": _plain(statement) for name, statement in triggers}


def _plain(sql: str) -> str:
    return " ".join(sql.split())


# --- PostgreSQL ---------------------------------------------------------------------------------


def _on_postgresql(ask: Ask) -> Definitions:
    found = {}
    for name, kind, secured, foreign, key, by, part in ask(_TABLES_THERE):
        flags = (("row security", secured), ("another owner", foreign), (f"by {by}", by))
        extras = [word for word, there in (*flags, (f"{_PART_OF}{part}", part)) if there]
        found[f"{_kind(name)} {name}"] = " ".join([kind, key or "no key", *extras])
    for name, on, enabled, kind, function, whole, taken_over in ask(_TRIGGERS_THERE):
        where = f" on {on}" if taken_over else ""
        definition = f"{enabled} {_when(kind)} {function}" + ("" if whole else " sometimes")
        found[f"trigger {name}{where}"] = definition
    for name, source, language, definer, plain in ask(_FUNCTIONS_THERE):
        usual = language == "plpgsql" and plain and not definer
        found[f"function {name}"] = _plain(source) + ("" if usual else f" ({language}, other settings)")
    for name, on in ask(_RULES_THERE):
        found[f"rule {name} on {on}"] = "a rule"
    for on, column, right, passed_on, who in ask(_RIGHTS_THERE):
        if right != "SELECT" or who == "everybody":
            found[f"{_GRANT}{right} on {on}{column} to {who}"] = "passed on" if passed_on else "given"
    return found | beside_the_trail(ask, "postgresql", [*TABLES, *PARTITIONS])


def _expected_on_postgresql(role: str) -> Definitions:
    expected = {}
    for name, made in TABLES.items():
        columns = ", ".join(column.name for column in made.primary_key)
        divided = name == partitions.PARENT
        kind, by = ("pp", " by RANGE (seq)") if divided else ("rp", "")
        expected[f"table {name}"] = f"{kind} PRIMARY KEY ({columns}){by}"
    for part in PARTITIONS.values():
        place = f"{_PART_OF}{partitions.PARENT} {part.bounds}"
        expected[f"partition {part.name}"] = f"rp PRIMARY KEY (org, seq) {place}"
    for one in protection.triggers():
        when = _spelled(one.when, one.each, frozenset(one.events.split(" OR ")))
        definition = f"{_ALWAYS} {when} {one.function}"
        expected[f"trigger {one.name}"] = definition
        if one.table == partitions.PARENT and one.each == "ROW":
            expected |= {f"trigger {one.name} on {name}": definition for name in PARTITIONS}
    for name, source in protection.function_bodies().items():
        expected[f"function {name}"] = _plain(source)
    for on, rights in protection.rights().items():
        for right in rights:
            verb, _, column = right.partition(" ")
            expected[f"{_GRANT}{verb} on {on}{' ' + column if column else ''} to {role}"] = "given"
    return expected


def _kind(name: str) -> str:
    return "partition" if name in PARTITIONS else "table"


def _event_triggers(ask: Ask) -> tuple[Definitions, list[str]]:
    """Return our event triggers, and the names of others."""
    known = {one.name for one in definition_guard.EVENT_TRIGGERS}
    ours, beside = {}, []
    for name, definition, source in ask(_EVENT_TRIGGERS_THERE):
        if name in known:
            ours[f"event trigger {name}"] = f"{definition} {_plain(source)}"
        else:
            beside.append(name)
    return ours, beside


def _expected_event_triggers() -> Definitions:
    does = f"{definition_guard.FUNCTION} {_plain(definition_guard.function_body())}"
    triggers = definition_guard.EVENT_TRIGGERS
    return {f"event trigger {one.name}": f"{_ALWAYS} {one.event} {does}" for one in triggers}


def _when(kind: int) -> str:
    """Return what `pg_trigger.tgtype` says: bit 0 for each row, bit 1 before."""
    events = frozenset(word for bit, word in _TIMES if kind & bit)
    return _spelled("BEFORE" if kind & 2 else "AFTER", "ROW" if kind & 1 else "STATEMENT", events)


def _spelled(when: str, each: str, events: frozenset[str]) -> str:
    return f"{when} {' OR '.join(sorted(events))} EACH {each}"
