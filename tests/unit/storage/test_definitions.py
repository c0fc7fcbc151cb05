"""A connection that serves defines nothing, on either database."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from app.storage.definitions import forbid_definitions
from app.storage.engine import open_engine
from app.storage.migration import migrate

REFUSED = [
    "DROP TRIGGER audit_event_update",
    "DROP TABLE audit_event",
    "ALTER TABLE audit_event RENAME TO gone",
    "ALTER TABLE audit_event ADD COLUMN more TEXT",
    "CREATE TABLE more (n INTEGER)",
    "CREATE TEMP TABLE audit_event (n INTEGER)",
    "CREATE TRIGGER swallow BEFORE INSERT ON audit_event BEGIN SELECT RAISE(IGNORE); END",
    "CREATE TEMP TRIGGER swallow BEFORE INSERT ON audit_event BEGIN SELECT RAISE(IGNORE); END",
    "CREATE VIEW more AS SELECT 1",
    "CREATE INDEX more ON audit_event (leaf)",
    "ATTACH ':memory:' AS other",
    "PRAGMA writable_schema = ON",
    "PRAGMA recursive_triggers = OFF",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA synchronous = OFF",
    "PRAGMA Trusted_Schema = ON",
    "PRAGMA schema_version = 7",
    "PRAGMA secure_delete = OFF",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA ignore_check_constraints = ON",
    "PRAGMA legacy_alter_table = ON",
    "PRAGMA user_version = 7",
    "PRAGMA query_only = 1",
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA max_page_count = 1",
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA busy_timeout = 0",
    "PRAGMA read_uncommitted = 1",
    "PRAGMA auto_vacuum = 1",
    "PRAGMA main.query_only(1)",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA wal_checkpoint",
    "PRAGMA incremental_vacuum",
    "DETACH other",
    "CREATE VIRTUAL TABLE v USING fts5(a)",
    "CREATE VIRTUAL TABLE v USING fts5vocab(audit_event, 'row')",
]
ON_POSTGRESQL = [
    "DROP TABLE audit_event",
    "ALTER TABLE audit_event DISABLE TRIGGER ALL",
    "ALTER TABLE audit_event RENAME TO gone",
    "DROP TRIGGER audit_event_change ON audit_event",
    "DROP FUNCTION caretrail_refuse_change() CASCADE",
    "CREATE TRIGGER t BEFORE INSERT ON audit_event EXECUTE FUNCTION caretrail_refuse_change()",
    "CREATE RULE swallow AS ON INSERT TO audit_event DO INSTEAD NOTHING",
    "SET session_replication_role = replica",
    "TRUNCATE audit_event",
    "CREATE TABLE public.more (n integer)",
]


@pytest.fixture
def serving(tmp_path):
    """A connection as the service has it, on a migrated SQLite database."""
    url = f"sqlite:///{tmp_path}/care.db"
    migrate(open_engine(url))
    engine = open_engine(url)
    forbid_definitions(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.mark.parametrize("statement", REFUSED)
def test_nothing_is_defined_on_sqlite(serving, statement):
    """No table, trigger, view, index or database is made, changed or dropped, no safeguard switched off."""
    with pytest.raises(DBAPIError, match="not authorized"):
        serving.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM audit_event",
        "PRAGMA journal_mode",
        "PRAGMA synchronous",
        "PRAGMA main.table_info(audit_event)",
        "INSERT INTO audit_indexed (org, size) VALUES ('a', 0)",
        "UPDATE audit_indexed SET size = 1",
        "DELETE FROM audit_index",
    ],
)
def test_serving_goes_on(serving, statement):
    """What serving needs is let through."""
    serving.execute(text(statement))


def test_safeguards_are_on(serving):
    """The safeguards that cannot be switched off are the ones that are on."""
    pragmas = ("recursive_triggers", "trusted_schema", "synchronous", "writable_schema", "secure_delete")
    found = [serving.execute(text(f"PRAGMA {name}")).scalar_one() for name in pragmas]

    assert [1, 0, 2, 0, 1] == found


@pytest.mark.parametrize("statement", ON_POSTGRESQL)
def test_nothing_is_defined_on_postgresql(migrated, statement):
    """The service's log-in is refused every way to take the protection off, by PostgreSQL itself."""
    with (
        open_engine(migrated.service).connect() as connection,
        pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
    ):
        connection.execute(text(statement))
