"""What protects the trail, changed behind the service's back: found by name, on the real databases."""

import pytest
from sqlalchemy import text

from app.audit import schema_digest
from app.audit.checkpoint import Notary
from app.audit.database_check import check_database
from app.audit.schema_digest import SchemaCheck, check_schema, check_snapshot, refuse_changed_schema
from app.core.errors import StartRefusedError
from app.storage.engine import open_engine
from app.storage.migration import migrate
from app.storage.schema import SERVICE_ROLE
from app.storage.snapshot import open_snapshot
from tests.support.postgresql import make_database

NOTARY = Notary("care.example", bytes(range(32)))
SQLITE = {
    "DROP TRIGGER audit_event_update": "trigger audit_event_update is missing",
    "DROP TRIGGER audit_name_insert": "trigger audit_name_insert is missing",
    "CREATE TRIGGER swallow BEFORE INSERT ON audit_event BEGIN SELECT RAISE(IGNORE); END": (
        "trigger swallow was added"
    ),
    "CREATE UNIQUE INDEX one_each ON audit_event (org)": "index one_each was added",
    "ALTER TABLE audit_checkpoint ADD COLUMN hidden TEXT": "table audit_checkpoint was altered",
    "DROP TABLE audit_value": "table audit_value is missing",
}
SQLITE_TWO = {
    (
        "DROP TRIGGER audit_head_update",
        "CREATE TRIGGER audit_head_update BEFORE UPDATE ON audit_head WHEN 0 BEGIN SELECT 1; END",
    ): "trigger audit_head_update was altered",
    (
        "DROP TABLE audit_name",
        "CREATE TABLE audit_name (org TEXT, seq INTEGER, user_id TEXT, ct BLOB, PRIMARY KEY (org, seq))",
    ): "table audit_name was altered",
}
_REPLACED = """
    CREATE OR REPLACE FUNCTION caretrail_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RETURN OLD; END $$"""
POSTGRESQL = {
    "ALTER TABLE ONLY audit_event DISABLE TRIGGER audit_event_change": (
        "trigger audit_event_change is disabled"
    ),
    "ALTER TABLE audit_name ENABLE TRIGGER audit_name_truncate": (
        "trigger audit_name_truncate is no longer enabled always"
    ),
    "ALTER TABLE audit_name ENABLE REPLICA TRIGGER audit_name_change": (
        "trigger audit_name_change is no longer enabled always"
    ),
    "DROP TRIGGER audit_head_growth ON audit_head": "trigger audit_head_growth is missing",
    _REPLACED: "function caretrail_refuse_change was altered",
    "ALTER FUNCTION caretrail_refuse_shrinking() SECURITY DEFINER": (
        "function caretrail_refuse_shrinking was altered"
    ),
    "CREATE RULE swallow AS ON INSERT TO audit_event DO INSTEAD NOTHING": (
        "rule swallow on audit_event was added"
    ),
    "ALTER TABLE audit_value ENABLE ROW LEVEL SECURITY": "table audit_value was altered",
    "ALTER TABLE audit_checkpoint SET UNLOGGED": "table audit_checkpoint was altered",
    "ALTER TABLE audit_name DROP CONSTRAINT pk_audit_name": "table audit_name was altered",
    "CREATE TABLE elsewhere () INHERITS (audit_value)": "table elsewhere was added",
    "ALTER TABLE audit_event_p1 DISABLE TRIGGER audit_event_change": (
        "trigger audit_event_change on audit_event_p1 is disabled"
    ),
    "ALTER TABLE audit_event_p2 ENABLE TRIGGER audit_event_p2_link": (
        "trigger audit_event_p2_link is no longer enabled always"
    ),
    "DROP TRIGGER audit_event_rest_truncate ON audit_event_rest": (
        "trigger audit_event_rest_truncate is missing"
    ),
    "ALTER TABLE audit_event_rest ENABLE ROW LEVEL SECURITY": "partition audit_event_rest was altered",
    f"GRANT INSERT ON audit_event_p0 TO {SERVICE_ROLE}": (
        f"grant of INSERT on audit_event_p0 to {SERVICE_ROLE} goes beyond what serving needs"
    ),
    f"GRANT DELETE ON audit_event TO {SERVICE_ROLE}": (
        f"grant of DELETE on audit_event to {SERVICE_ROLE} goes beyond what serving needs"
    ),
    f"GRANT UPDATE (line) ON audit_event TO {SERVICE_ROLE}": (
        f"grant of UPDATE on audit_event (line) to {SERVICE_ROLE} goes beyond what serving needs"
    ),
    f"GRANT INSERT ON audit_event TO {SERVICE_ROLE} WITH GRANT OPTION": (
        f"grant of INSERT on audit_event to {SERVICE_ROLE} was altered"
    ),
    "GRANT SELECT ON audit_name TO PUBLIC": (
        "grant of SELECT on audit_name to everybody goes beyond what serving needs"
    ),
    "GRANT TRUNCATE ON audit_head TO pg_monitor": (
        "grant of TRUNCATE on audit_head to pg_monitor goes beyond what serving needs"
    ),
}
POSTGRESQL_SEVERAL = {
    ("ALTER TABLE audit_event DETACH PARTITION audit_event_p3",): "partition audit_event_p3 is detached",
    ("DROP TABLE audit_event_rest",): "partition audit_event_rest is missing",
    (
        "ALTER TABLE audit_event DETACH PARTITION audit_event_p7",
        "ALTER TABLE audit_event ATTACH PARTITION audit_event_p7 FOR VALUES FROM (58720256) TO (67108863)",
    ): "partition audit_event_p7 was altered",
    (
        "CREATE TABLE more PARTITION OF audit_event FOR VALUES FROM (67108864) TO (67108900)",
    ): "table more was added",
    ("ALTER TABLE audit_event DROP CONSTRAINT pk_audit_event",): "table audit_event was altered",
    ("DROP TRIGGER audit_event_link ON audit_event",): "trigger audit_event_link is missing",
    (
        "ALTER TABLE audit_event DISABLE TRIGGER USER",
        "ALTER TABLE audit_event_p4 ENABLE ALWAYS TRIGGER audit_event_change",
    ): "trigger audit_event_change on audit_event_p5 is disabled",
}


@pytest.fixture
def on_sqlite(tmp_path):
    """A migrated SQLite database, as its owner opens it."""
    engine = open_engine(f"sqlite:///{tmp_path}/care.db", patient=True)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def postgresql(postgresql_url, worker_id):
    """A migrated PostgreSQL database, as its owner opens it."""
    engine = open_engine(make_database(postgresql_url, f"schema_{worker_id}").owner, patient=True)
    migrate(engine)
    yield engine
    engine.dispose()


def checked(engine) -> SchemaCheck:
    with open_snapshot(engine) as snapshot:
        return check_snapshot(snapshot, engine.dialect.name, SERVICE_ROLE)


def within(connection) -> SchemaCheck:
    """Return what a check finds inside a transaction."""

    def ask(statement):
        return [tuple(row) for row in connection.exec_driver_sql(statement)]

    return check_schema(ask, connection.dialect.name, SERVICE_ROLE)


def refusal(connection) -> str:
    with pytest.raises(StartRefusedError) as refused:
        refuse_changed_schema(connection, SERVICE_ROLE)
    return str(refused.value)


def test_a_migrated_sqlite_is_as_expected(on_sqlite):
    """What the migrations leave behind on SQLite is what the code expects, table by table."""
    found = checked(on_sqlite)

    assert ([], len(schema_digest.TABLES) + 15) == (found.differences, found.definitions)


def test_a_migrated_postgresql_is_as_expected(postgresql):
    """What the migrations leave behind on PostgreSQL is what the code expects: triggers, rights, all."""
    found = checked(postgresql)

    assert [] == found.differences
    triggers, taken_over, functions, columns = 11 + 10 + 9, 9, 3, 5
    tables = len(schema_digest.TABLES) + len(schema_digest.PARTITIONS)
    rights = len(schema_digest.TABLES) + columns + 1
    assert found.definitions == tables + triggers + taken_over + functions + rights == 73
    assert "not stopped, only found" in found.as_text()
    assert "is not" not in found.as_text()


def test_the_digest_is_that_of_the_version(on_sqlite, tmp_path):
    """Two databases of one version have one digest; one changed definition gives another."""
    other = open_engine(f"sqlite:///{tmp_path}/other.db", patient=True)
    migrate(other)
    same = checked(other).digest
    with other.begin() as connection:
        connection.execute(text("DROP TRIGGER audit_event_update"))

    assert same == checked(on_sqlite).digest != checked(other).digest
    other.dispose()


@pytest.mark.parametrize(
    ("statements", "told"), [*(((one,), told) for one, told in SQLITE.items()), *SQLITE_TWO.items()]
)
def test_a_change_on_sqlite_is_named(on_sqlite, statements, told):
    """A trigger, table or index of the trail that was changed is named, and nothing serves on it."""
    with on_sqlite.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
        assert told in within(connection).differences
        assert told in refusal(connection)
    assert told in checked(on_sqlite).differences


@pytest.mark.parametrize(("statement", "told"), POSTGRESQL.items())
def test_a_change_on_postgresql_is_named(postgresql, statement, told):
    """A trigger, function, rule, table or right that was changed is named, and nothing serves on it."""
    with postgresql.connect() as connection:
        connection.exec_driver_sql(statement)
        assert [told] == within(connection).differences
        assert told in refusal(connection)
        connection.rollback()
    assert [] == checked(postgresql).differences


@pytest.mark.parametrize(("statements", "told"), POSTGRESQL_SEVERAL.items())
def test_a_change_of_partitions_is_named(postgresql, statements, told):
    """A partition detached, dropped, added or bounded otherwise is named, and nothing serves on it."""
    with postgresql.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        assert told in within(connection).differences
        assert told in refusal(connection)
        connection.rollback()
    assert [] == checked(postgresql).differences


def test_another_owner_is_named(postgresql, postgresql_url):
    """A partition, table or function of the trail that changed hands is named."""
    engine = as_superuser(postgresql, postgresql_url)
    with engine.connect() as connection:
        connection.execute(text("ALTER TABLE audit_event_p0 OWNER TO pg_monitor"))
        connection.execute(text("ALTER FUNCTION caretrail_refuse_change() OWNER TO pg_monitor"))
        found = within(connection).differences
        connection.rollback()
    engine.dispose()

    assert [
        "function caretrail_refuse_change was altered",
        "partition audit_event_p0 was altered",
    ] == found


def as_superuser(postgresql, postgresql_url):
    superuser = postgresql.url.set(username=open_engine(postgresql_url).url.username, password=None)
    return open_engine(superuser.render_as_string(hide_password=False), patient=True)


def test_rights_to_read_and_rights_not_used_are_no_finding(postgresql):
    """A reading role of the operator's, or a right taken away, does the trail no harm."""
    with postgresql.connect() as connection:
        connection.execute(text("GRANT SELECT ON audit_event TO pg_monitor"))
        connection.execute(text(f"REVOKE DELETE ON audit_index FROM {SERVICE_ROLE}"))
        assert [] == within(connection).differences
        connection.rollback()


def test_event_triggers_are_named_and_not_judged(postgresql, postgresql_url):
    """What a superuser's event triggers do is for the superuser to say; the report names them."""
    engine = as_superuser(postgresql, postgresql_url)
    with engine.connect() as connection:
        connection.execute(
            text("CREATE FUNCTION look() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN NULL; END'")
        )
        connection.execute(text("CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION look()"))
        found = within(connection)
        connection.rollback()
    engine.dispose()

    assert ([], ["watch"]) == (found.differences, found.beside)
    assert "not judged: event triggers watch" in found.as_text()


def test_the_check_of_the_database_reports_it(on_sqlite):
    """`audit verify` ends with 1 when what protects the trail was changed, and says what."""
    assert [] == check_database(on_sqlite, NOTARY).schema.differences
    with on_sqlite.begin() as connection:
        connection.execute(text("DROP TRIGGER audit_event_delete"))
    report = check_database(on_sqlite, NOTARY)

    assert 1 == report.exit_code
    assert "SCHEMA: trigger audit_event_delete is missing" in report.as_text()
    assert "trigger audit_event_delete is missing" in report.as_json()
