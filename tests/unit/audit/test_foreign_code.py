"""Code that runs whenever a row of ours is written, put on a table behind the service's back."""

import pytest

from app.audit.schema_digest import check_schema, refuse_changed_schema
from app.core.errors import StartRefusedError
from app.storage.base import metadata
from app.storage.engine import open_engine
from app.storage.migration import migrate
from app.storage.schema import SERVICE_ROLE
from tests.support.postgresql import make_database

SPY = "CREATE FUNCTION spy(a text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN true; END'"
POSTGRESQL = {
    "ALTER TABLE session ADD CONSTRAINT zz CHECK (spy(id)) NOT VALID": "constraint zz on session",
    "ALTER TABLE audit_event ADD CONSTRAINT zz CHECK (spy(org)) NOT VALID": "constraint zz on audit_event",
    "ALTER TABLE session ADD CONSTRAINT zz EXCLUDE ((spy(id)::int) WITH =)": "index zz on session",
    "ALTER TABLE session ADD CONSTRAINT zz FOREIGN KEY (id) REFERENCES organisation (id) NOT VALID": (
        "constraint zz on session"
    ),
    "ALTER TABLE session ALTER COLUMN end_reason SET DEFAULT spy('x')::text": (
        "default of end_reason on session"
    ),
    "ALTER TABLE session ADD COLUMN zz bool GENERATED ALWAYS AS (spy(id)) STORED": "default of zz on session",
    "ALTER TABLE session ENABLE ROW LEVEL SECURITY": "row security on session",
    "ALTER TABLE session FORCE ROW LEVEL SECURITY": "row security on session",
    "CREATE POLICY zz ON session USING (spy(id))": "policy zz on session",
    "CREATE POLICY zz ON audit_value USING (spy(org))": "policy zz on audit_value",
    "CREATE INDEX zz ON session (spy(id))": "index zz on session",
    "CREATE INDEX zz ON session (id) WHERE spy(id)": "index zz on session",
    "ALTER TABLE session ALTER COLUMN end_reason TYPE spied": "type of end_reason on session",
}
SQLITE = {
    "end_reason TEXT, CHECK (id <> 'mine')": "clause CHECK on session",
    "end_reason TEXT check(id <> 'mine')": "clause CHECK on session",
    "end_reason TEXT DEFAULT 'mine'": "clause DEFAULT on session",
    "end_reason TEXT COLLATE NOCASE": "clause COLLATE on session",
    "end_reason TEXT REFERENCES home (id)": "clause REFERENCES on session",
    "end_reason TEXT, UNIQUE (user_id) ON CONFLICT REPLACE": "clause CONFLICT on session",
    "end_reason TEXT, zz TEXT AS (id)": "clause AS on session",
}


@pytest.fixture
def postgresql(postgresql_url, worker_id):
    """The owner's connection to a migrated database with a function of somebody's; all is taken back."""
    yield from _migrated(make_database(postgresql_url, f"foreign_code_{worker_id}").owner, SPY)


@pytest.fixture
def sqlite(tmp_path):
    """A connection to a migrated file; what it does is taken back."""
    yield from _migrated(f"sqlite:///{tmp_path}/care.db")


def _migrated(url, *statements):
    engine = open_engine(url, patient=True)
    migrate(engine)
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        yield connection
        connection.rollback()
    engine.dispose()


def _checked(connection):
    def ask(statement):
        return [tuple(row) for row in connection.exec_driver_sql(statement)]

    return check_schema(ask, connection.dialect.name, SERVICE_ROLE)


@pytest.mark.parametrize("done", POSTGRESQL)
def test_whatever_runs_a_function_with_our_rows_is_named(postgresql, done):
    """A constraint, a default, a policy, an index or a type that calls a function is named with its table."""
    before = _checked(postgresql)
    postgresql.exec_driver_sql("CREATE DOMAIN spied AS text CHECK (spy(VALUE))")
    postgresql.exec_driver_sql(done)
    found = _checked(postgresql)

    assert [] == before.differences
    assert [f"{POSTGRESQL[done]} was added"] == found.differences
    assert found.digest != before.digest


def test_nothing_serves_where_a_constraint_calls_a_function(postgresql):
    """A start is refused, and the constraint named."""
    postgresql.exec_driver_sql("ALTER TABLE session ADD CONSTRAINT zz CHECK (spy(id)) NOT VALID")

    with pytest.raises(StartRefusedError, match="SCHEMA: constraint zz on session was added"):
        refuse_changed_schema(postgresql, SERVICE_ROLE)


def test_every_table_of_ours_is_looked_at(postgresql):
    """A constraint on any of them is named."""
    ours = sorted([*metadata.tables, "alembic_version"])
    for table in ours:
        postgresql.exec_driver_sql(f"ALTER TABLE \"{table}\" ADD CONSTRAINT zz CHECK (spy('x')) NOT VALID")
    found = _checked(postgresql).differences

    assert {f"constraint zz on {table} was added" for table in ours} <= set(found)


@pytest.mark.parametrize(
    "done",
    [
        "CREATE INDEX theirs ON session (ended_at, lower(end_reason)) WHERE ended_at > '2026'",
        "CREATE TABLE of_the_operator (a text DEFAULT 'x' CHECK (spy(a)))",
        "CREATE VIEW session_ends AS SELECT ended_at FROM session",
    ],
)
def test_what_an_operator_adds_for_themselves_is_no_finding(postgresql, done):
    """An index that runs only what the database itself has, tables and views beside ours are not judged."""
    postgresql.exec_driver_sql(done)

    assert [] == _checked(postgresql).differences


@pytest.mark.parametrize("clause", SQLITE)
def test_a_clause_that_no_table_of_ours_has_is_named(sqlite, clause):
    """A constraint or a default in the definition of a table is named with it."""
    before = _checked(sqlite)
    [(sql,)] = sqlite.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'session'").all()
    sqlite.exec_driver_sql("DROP TABLE session")
    sqlite.exec_driver_sql(sql.replace("end_reason TEXT", clause))

    assert [] == before.differences
    assert [f"{SQLITE[clause]} was added"] == _checked(sqlite).differences


def test_a_clause_in_a_table_of_the_operators_is_no_finding(sqlite):
    """What somebody keeps beside our tables is not judged."""
    sqlite.exec_driver_sql("CREATE TABLE of_the_operator (a TEXT DEFAULT 'x' CHECK (a <> 'y'))")

    assert [] == _checked(sqlite).differences
