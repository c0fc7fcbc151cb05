"""Triggers and rules on tables beside the trail's, made behind the service's back, on the real databases."""

import pytest
from sqlalchemy import text

from app.audit.checkpoint import Notary
from app.audit.database_check import check_database
from app.audit.schema_digest import check_schema, refuse_changed_schema
from app.core.errors import StartRefusedError
from app.storage.base import metadata
from app.storage.engine import open_engine
from app.storage.migration import migrate
from app.storage.schema import SERVICE_ROLE
from tests.support.postgresql import make_database

NOTARY = Notary("care.example", bytes(range(32)))
FUNCTION = "CREATE FUNCTION elsewhere() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"


@pytest.fixture(params=["sqlite", "postgresql"])
def owner(request, tmp_path, worker_id):
    """A connection of the owner's to a migrated database; what it does is taken back."""
    url = f"sqlite:///{tmp_path}/care.db"
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql_url")
        url = make_database(server, f"other_tables_{worker_id}").owner
    engine = open_engine(url, patient=True)
    migrate(engine)
    with engine.connect() as connection:
        if request.param == "postgresql":
            connection.exec_driver_sql(FUNCTION)
        yield connection
        connection.rollback()
    engine.dispose()


def trigger(connection, name, table):
    """Make one trigger."""
    does = "BEGIN SELECT 1; END"
    if connection.dialect.name == "postgresql":
        does = "FOR EACH ROW EXECUTE FUNCTION elsewhere()"
    connection.exec_driver_sql(f"CREATE TRIGGER {name} AFTER UPDATE ON {table} {does}")


def checked(connection):
    def ask(statement):
        return [tuple(row) for row in connection.exec_driver_sql(statement)]

    return check_schema(ask, connection.dialect.name, SERVICE_ROLE)


def test_a_trigger_on_any_table_is_named(owner):
    """A trigger on each of our tables is named with it, and nothing serves on such a database."""
    before = checked(owner)
    tables = sorted(name for name in [*metadata.tables, "alembic_version"] if not name.startswith("audit_"))
    for number, table in enumerate(tables):
        trigger(owner, f"zz_{number}", f'"{table}"')
    found = checked(owner)
    with pytest.raises(StartRefusedError, match="trigger zz_0 on access_request was added"):
        refuse_changed_schema(owner, SERVICE_ROLE)

    assert [] == before.differences
    assert 40 == len(tables)
    assert found.differences == sorted(f"trigger zz_{n} on {one} was added" for n, one in enumerate(tables))
    assert (found.definitions, found.digest != before.digest) == (before.definitions + len(tables), True)


def test_a_trigger_called_as_one_of_ours_is_named(owner):
    """A name that one of the trail's triggers has hides none on another table."""
    ours = "audit_head_delete" if owner.dialect.name == "sqlite" else "audit_head_growth"
    if owner.dialect.name == "sqlite":
        owner.exec_driver_sql(f"DROP TRIGGER {ours}")
    trigger(owner, ours, "session")

    assert f"trigger {ours} on session was added" in checked(owner).differences


def test_a_trigger_on_somebody_elses_table_is_no_finding(owner):
    """What an operator keeps beside our tables is not judged."""
    owner.exec_driver_sql("CREATE TABLE of_the_operator (a INTEGER)")
    trigger(owner, "theirs", "of_the_operator")

    assert [] == checked(owner).differences


@pytest.mark.parametrize("owner", ["postgresql"], indirect=True)
def test_a_rule_on_another_table_is_named(owner):
    """A rule of PostgreSQL that swallows what is written is named with its table."""
    owner.exec_driver_sql("CREATE RULE swallow AS ON UPDATE TO session DO INSTEAD NOTHING")

    assert ["rule swallow on session was added"] == checked(owner).differences


@pytest.mark.parametrize("owner", ["sqlite"], indirect=True)
def test_a_table_in_capitals_hides_no_trigger(owner):
    """A trigger of the trail is found however its table was typed."""
    trigger(owner, "zz", "AUDIT_EVENT")
    trigger(owner, "zzz", "Session")

    assert ["trigger zz on AUDIT_EVENT was added", "trigger zzz on Session was added"] == checked(
        owner
    ).differences


@pytest.mark.parametrize("owner", ["sqlite"], indirect=True)
def test_the_check_of_the_database_reports_it(owner):
    """`audit verify` ends with 1 and names the trigger."""
    owner.execute(text("CREATE TRIGGER zz AFTER UPDATE ON session BEGIN SELECT 1; END"))
    owner.commit()
    report = check_database(owner.engine, NOTARY)

    assert 1 == report.exit_code
    assert "SCHEMA: trigger zz on session was added" in report.as_text()
