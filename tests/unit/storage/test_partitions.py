"""The lines in partitions: nothing is lost on the way there, and only the right one is read."""

import os
from collections.abc import Callable

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, text
from sqlalchemy.dialects import postgresql

from app.audit import stored, tiles
from app.audit.partitions import RANGES, REST, WIDTH
from app.storage.engine import open_engine
from app.storage.migration import migrate
from app.storage.schema import MIGRATIONS
from tests.support.postgresql import Database

BEFORE = "2026_11_22_02"
ORGS = ("0190a000-0000-7000-8000-00000000000a", "system")
PLACES = {
    0: "audit_event_p0",
    WIDTH - 1: "audit_event_p0",
    WIDTH: "audit_event_p1",
    RANGES * WIDTH - 1: f"audit_event_p{RANGES - 1}",
    RANGES * WIDTH: REST,
    10**15: REST,
}
STATEMENTS = {"one": stored._ONE, "range": stored._LINES, "leaves": tiles._LEAVES}


def upgrade(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_existing_lines_keep_every_byte(empty: Engine) -> None:
    """A database with lines, whatever stands in them, has exactly the same lines after the migration."""
    upgrade(empty, BEFORE)
    rows = [(org, seq, os.urandom(n), os.urandom(32)) for org in ORGS for n, seq in enumerate(PLACES)]
    if empty.dialect.name == "sqlite":  # there the trigger wants the next number
        rows = [(org, n, made, leaf) for n, (org, _, made, leaf) in enumerate(rows[: len(PLACES)])]
    insert = text("INSERT INTO audit_event VALUES (:org, :seq, :line, :leaf)")
    found = text("INSERT INTO audit_head VALUES (:org, 0, '', '', '')")
    with empty.begin() as connection:
        for org in ORGS:
            connection.execute(found, {"org": org})
        for row in rows:
            connection.execute(insert, dict(zip(("org", "seq", "line", "leaf"), row, strict=True)))
    migrate(empty)
    with empty.connect() as connection:
        kept = connection.execute(
            text("SELECT org, seq, line, leaf FROM audit_event ORDER BY org, seq")
        ).all()

    assert sorted(rows) == [(org, seq, bytes(line), bytes(leaf)) for org, seq, line, leaf in kept]


def test_each_line_stands_in_the_range_of_its_number(migrated: Database) -> None:
    """Lines go where their numbers belong; past the last range they go to the partition for the rest."""
    insert = text(
        "INSERT INTO audit_event VALUES ('system', :seq, '', '') RETURNING tableoid::regclass::text"
    )
    with open_engine(migrated.owner).connect() as connection:
        connection.execute(text("ALTER TABLE audit_event DISABLE TRIGGER USER"))
        found = {seq: connection.execute(insert, {"seq": seq}).scalar() for seq in PLACES}
        connection.rollback()

    assert PLACES == found


@pytest.mark.parametrize("plan", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("name", STATEMENTS)
def test_look_ups_read_their_partition_only(migrated: Database, name: str, plan: str) -> None:
    """A line or a range of lines is looked up in its partition, with a plan of its own or a prepared one."""
    asked = {"org": "system", "seq": WIDTH + 5, "start": WIDTH + 5, "end": WIDTH + 9}
    with open_engine(migrated.service).connect() as connection:
        connection.execute(text(f"SET LOCAL plan_cache_mode = {plan}"))
        told = _explained(connection, STATEMENTS[name], asked)

    assert "audit_event_p1" in told
    assert [] == [other for other in ("audit_event_p0", "audit_event_p2", REST) if other in told]


def _explained(connection: Connection, statement: object, asked: dict[str, object]) -> str:
    compiled = statement.compile(dialect=postgresql.dialect(paramstyle="named"))
    spelled = str(compiled)
    values = []
    for n, name in enumerate(compiled.positiontup or compiled.params, 1):
        spelled = spelled.replace(f":{name}", f"${n}")
        values.append(repr(asked[name]))
    kinds = ", ".join("text" if value.startswith("'") else "bigint" for value in values)
    connection.exec_driver_sql(f"PREPARE look ({kinds}) AS {spelled}")
    rows = connection.exec_driver_sql(f"EXPLAIN (ANALYZE) EXECUTE look ({', '.join(values)})").scalars()
    return "\n".join(rows)


def test_a_new_database_has_room_for_the_numbers_said(fresh: Callable[[], Database]) -> None:
    """Ranges follow each other without a gap, from the first line on."""
    engine = open_engine(fresh().owner, patient=True)
    migrate(engine)
    bounds = text(
        "SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = 'audit_event'::regclass ORDER BY c.relname"
    )
    with engine.connect() as connection:
        found = connection.execute(bounds).scalars().all()
    engine.dispose()

    ranges = [f"FOR VALUES FROM ('{n * WIDTH}') TO ('{(n + 1) * WIDTH}')" for n in range(RANGES)]
    assert [*ranges, "DEFAULT"] == found
