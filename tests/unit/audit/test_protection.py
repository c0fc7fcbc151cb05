"""Append-only inside the databases."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.audit import partitions, protection
from app.storage import schema
from app.storage.engine import open_engine
from app.storage.migration import migrate
from tests.support.chains import ORG, OTHER, Chains, on_postgresql
from tests.support.postgresql import make_database
from tests.support.unprotected import removal

ROWS = {
    "audit_event": f"('{ORG}', 0, 'line', '00')",
    "audit_value": f"('{ORG}', 0, 0, 'text', 'a', '{OTHER}', 'box')",
    "audit_name": f"('{ORG}', 0, '{OTHER}', 'box')",
    "audit_checkpoint": f"('{ORG}', 1, '00', '2026-03-01T10:00:00.000000Z', 'a note')",
    "audit_head": f"('{ORG}', 1, '00', '2026-03-01T10:00:00.000000Z', '00')",
}


@pytest.fixture
def filled(chains: Chains) -> Chains:
    """A trail with one row in each table that is protected."""
    return fill(chains)


def fill(chains: Chains) -> Chains:
    chains.found(ORG)
    chains.append(1)
    with chains.turn() as connection:
        for table in ("audit_value", "audit_name", "audit_checkpoint"):
            connection.execute(text(f"INSERT INTO {table} VALUES {ROWS[table]}"))
    return chains


def refused(chains: Chains, statement: str) -> str:
    with pytest.raises(DBAPIError) as caught, chains.turn() as connection:
        connection.execute(text(statement))
    return str(caught.value.orig)


@pytest.mark.parametrize("table", protection.TABLES)
def test_rows_cannot_be_removed(filled, table):
    """No row of the trail can be deleted, on either database."""
    assert protection.REFUSED in refused(filled, f"DELETE FROM {table}")


@pytest.mark.parametrize("table", protection.APPEND_ONLY)
def test_rows_cannot_be_changed(filled, table):
    """No row of an append-only table can be updated, not even to itself."""
    assert protection.REFUSED in refused(filled, f"UPDATE {table} SET org = org")


@pytest.mark.parametrize("table", protection.TABLES)
def test_replacing_does_not_walk_through(filled, table):
    """Inserting over an existing row is refused, even with the pragma off that guards REPLACE."""
    insert = f"INSERT INTO {table} VALUES {ROWS[table]}"
    if filled.engine.dialect.name == "sqlite":
        with filled.turn() as connection:
            connection.connection.driver_connection.execute("PRAGMA recursive_triggers=OFF")
        told = refused(filled, insert.replace("INSERT", "INSERT OR REPLACE"))
    else:
        told = refused(filled, f"{insert} ON CONFLICT ON CONSTRAINT pk_{table} DO UPDATE SET org = 'x'")

    assert protection.REFUSED in told


@pytest.mark.parametrize("seq", [0, 2, 7])
def test_only_the_next_line_is_taken(sqlite_chains, seq):
    """On SQLite a line must have the number after the last one of its chain."""
    sqlite_chains.found(ORG)
    sqlite_chains.append(1)
    told = refused(sqlite_chains, f"INSERT INTO audit_event VALUES ('{ORG}', {seq}, 'line', '00')")

    assert protection.REFUSED in told


@pytest.mark.parametrize("change", ["size = size", "size = size - 1", "size = 9, org = 'another'"])
def test_a_head_only_grows(filled, change):
    """A head takes no smaller size, no equal one and no other chain's name."""
    assert protection.REFUSED in refused(filled, f"UPDATE audit_head SET {change}")


def test_the_append_itself_passes(filled):
    """What the door does to the trail is still possible under all protections."""
    filled.append(3)
    with filled.turn() as connection:
        assert connection.execute(text("SELECT count(*) FROM audit_event")).scalar_one() == 4


@pytest.fixture
def on_the_server(postgresql_url, worker_id):
    made = on_postgresql(postgresql_url, f"chains_{worker_id}")
    yield fill(made)
    made.engine.dispose()


@pytest.mark.parametrize("table", protection.TABLES)
def test_tables_cannot_be_truncated_even_as_a_replica(on_the_server, table):
    """TRUNCATE is refused on PostgreSQL, and session_replication_role does not switch that off."""
    statement = f"SET LOCAL session_replication_role = replica; TRUNCATE {table}"

    assert protection.REFUSED in refused(on_the_server, statement)
    assert protection.REFUSED in refused(on_the_server, statement.replace("TRUNCATE", "DELETE FROM"))


def test_the_service_role_may_add_and_read_only(on_the_server):
    """The service may read and add; it has no right to change, remove or truncate a line."""
    with on_the_server.turn() as connection:
        for statement in protection.grants(schema.SERVICE_ROLE):
            connection.execute(text(statement))
        rows = connection.execute(
            text(
                "SELECT table_name, string_agg(privilege_type, ' ' ORDER BY privilege_type)"
                " FROM information_schema.role_table_grants WHERE grantee = :role GROUP BY 1"
            ),
            {"role": schema.SERVICE_ROLE},
        ).all()
        columns = connection.execute(
            text(
                "SELECT table_name, string_agg(column_name, ' ' ORDER BY column_name)"
                " FROM information_schema.role_column_grants"
                " WHERE grantee = :role AND privilege_type = 'UPDATE' GROUP BY 1"
            ),
            {"role": schema.SERVICE_ROLE},
        ).all()

    assert dict(map(tuple, rows)) == {
        **dict.fromkeys([*protection.TABLES, "audit_indexed", "audit_tile"], "INSERT SELECT"),
        **dict.fromkeys([one.name for one in partitions.partitions()], "SELECT"),
        "audit_index": "DELETE INSERT SELECT",
    }
    assert dict(map(tuple, columns)) == {"audit_head": "leaf peaks size ts", "audit_indexed": "size"}


def test_a_role_that_needs_quoting_is_not_granted_anything():
    """A role's name is put into statements only if it needs no quoting."""
    with pytest.raises(ValueError, match="lower-case"):
        protection.grants('service"; DROP TABLE audit_event; --')


def _triggers(engine) -> dict[str, str]:
    catalogue = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        if engine.dialect.name == "sqlite"
        else "SELECT tgname, tgenabled::text || pg_get_triggerdef(oid) || (SELECT prosrc FROM pg_proc p"
        " WHERE p.oid = tgfoid) FROM pg_trigger WHERE tgparentid = 0 AND tgname LIKE 'audit_%'"
    )
    with engine.connect() as connection:
        return dict(map(tuple, connection.execute(text(catalogue)).all()))


def _migrated(request, tmp_path, dialect: str) -> str:
    if dialect == "sqlite":
        return f"sqlite:///{tmp_path}/migrated.db"
    return make_database(request.getfixturevalue("postgresql_url"), "protection_migrated").superuser


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_the_migration_makes_exactly_these_triggers(request, tmp_path, dialect):
    """The schema a migration leaves behind has the protections written down here, each switched on."""
    engine = open_engine(_migrated(request, tmp_path, dialect), patient=True)
    migrate(engine)
    found = _triggers(engine)
    with engine.begin() as connection:
        if dialect == "postgresql":
            connection.execute(text("SET LOCAL caretrail.migration = 'on'"))
        for statement in (*removal(dialect), *protection.statements(dialect)):
            connection.execute(text(statement))

    assert sorted(found) == sorted(protection.trigger_names(dialect))
    assert found == _triggers(engine)
    engine.dispose()
