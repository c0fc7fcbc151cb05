"""The schema comes up from nothing, is what the models say, and is brought down by nobody."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from importlib import import_module

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from app.audit import protection
from app.audit.partitions import partitions
from app.core.errors import StartRefusedError
from app.storage.base import metadata
from app.storage.engine import open_engine
from app.storage.migration import migrate
from app.storage.schema import MIGRATIONS, head_revision, refuse_unknown_schema
from tests.support.postgresql import Database

for table_module in (MIGRATIONS.parent / "app").glob("*/table.py"):
    import_module(f"app.{table_module.parent.name}.table")

_RUN = """
import sys
from app.storage.engine import open_engine
from app.storage.migration import migrate
print(*migrate(open_engine(sys.argv[1], patient=True)))
"""
_OTHER_ROLE = "caretrail_made_by_migration"
_COLUMNS = """
    SELECT table_name, column_name, data_type, character_maximum_length, collation_name, is_nullable,
           column_default
    FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, ordinal_position"""
_INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname"
_CONSTRAINTS = """
    SELECT conname, conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"""
_COMMENTS = """
    SELECT relname, obj_description(oid) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"""
_TRIGGERS = """
    SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"""
_FUNCTIONS = """
    SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1"""


def test_head_equals_models(empty: Engine) -> None:
    """The newest revision makes exactly what the models describe."""
    migrate(empty)

    with empty.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_name": _is_no_partition}
        )
        assert [] == compare_metadata(context, metadata)


def test_migrated_sqlite_equals_made_from_models(tmp_path) -> None:
    """On SQLite the statements of the migrations are those of the models and of the protection."""
    migrated, made = (open_engine(f"sqlite:///{tmp_path}/{name}.db") for name in ("migrated", "made"))
    migrate(migrated)
    with made.begin() as connection:
        _make_from_models(connection)

    assert _sqlite_schema(made) == _sqlite_schema(migrated)
    assert Counter(table=47, index=40, trigger=15) == Counter(kind for kind, _, _ in _sqlite_schema(migrated))


def test_migrated_postgresql_equals_made_from_models(
    migrated: Database, fresh: Callable[[], Database]
) -> None:
    """On PostgreSQL columns, collations, keys, indexes, comments, triggers and functions agree."""
    other = open_engine(fresh().owner)
    with other.begin() as connection:
        _make_from_models(connection)

    for question in (_COLUMNS, _INDEXES, _CONSTRAINTS, _COMMENTS, _TRIGGERS, _FUNCTIONS):
        with other.connect() as made, open_engine(migrated.owner).connect() as run:
            expected = [tuple(row) for row in made.execute(text(question))]
            actual = [tuple(row) for row in run.execute(text(question)) if "alembic_version" not in str(row)]
        assert expected == actual
        assert expected


def test_migrating_again_changes_nothing(empty: Engine) -> None:
    """A second run finds the newest revision and leaves it."""
    assert (None, head_revision()) == migrate(empty)
    assert (head_revision(), head_revision()) == migrate(empty)


def test_two_runs_at_once_make_one_schema(empty: Engine) -> None:
    """Of two runs started together one waits, then finds nothing to do, and says so."""
    url = empty.url.render_as_string(hide_password=False)
    runs = [
        subprocess.Popen([sys.executable, "-c", _RUN, url], stdout=subprocess.PIPE, cwd=MIGRATIONS.parent)
        for _ in range(2)
    ]
    told = [run.communicate(timeout=60)[0].decode().strip() for run in runs]

    assert {f"{before} {head_revision()}" for before in (None, head_revision())} == set(told)
    assert [0, 0] == [run.returncode for run in runs]


def test_failed_migration_leaves_nothing(empty: Engine) -> None:
    """A revision that fails in its midst leaves no table of it behind."""
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE record (in_the_way INTEGER)"))
    with pytest.raises(DBAPIError):
        migrate(empty)

    with empty.connect() as connection:
        assert {"record"} == set(inspect(connection).get_table_names()) - {"alembic_version"}
        with pytest.raises(StartRefusedError, match="no schema yet"):
            refuse_unknown_schema(connection)


@pytest.mark.parametrize("reached", ["2026_11_21_01", "2026_11_21_02"])
def test_migration_goes_on_where_it_was_broken_off(empty: Engine, reached: str) -> None:
    """A schema between two revisions is not served, and the next run brings it to the newest."""
    config = _config()
    with empty.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, reached)
    with empty.connect() as connection, pytest.raises(StartRefusedError, match="older"):
        refuse_unknown_schema(connection)

    assert (reached, head_revision()) == migrate(empty)
    with empty.connect() as connection:
        refuse_unknown_schema(connection)


@pytest.mark.parametrize("target", ["base", "2026_11_21_01", "2026_11_21_02"])
def test_downgrade_is_refused(empty: Engine, target: str) -> None:
    """Nothing of the trail, its protection or its rights can be migrated away."""
    migrate(empty)
    config = _config()
    with empty.connect() as connection:
        config.attributes["connection"] = connection
        with pytest.raises(RuntimeError, match="refused"):
            command.downgrade(config, target)

    with empty.connect() as connection:
        refuse_unknown_schema(connection)


def test_schema_at_head_is_served(empty: Engine) -> None:
    """The newest revision is the one that is served."""
    migrate(empty)

    with empty.connect() as connection:
        refuse_unknown_schema(connection)


def test_missing_schema_is_refused(empty: Engine) -> None:
    """An empty database is not served; the message names the command that helps."""
    with empty.connect() as connection, pytest.raises(StartRefusedError, match="run `caretrail migrate`"):
        refuse_unknown_schema(connection)


def test_older_schema_is_refused(empty: Engine) -> None:
    """An older revision is not served; the message names the command that helps."""
    _stamp(empty, "2026_11_21_01")

    with empty.connect() as connection, pytest.raises(StartRefusedError, match=r"older.*caretrail migrate"):
        refuse_unknown_schema(connection)


def test_newer_schema_is_neither_served_nor_migrated(empty: Engine) -> None:
    """A revision this code does not know is left alone."""
    _stamp(empty, "2099_01_01_01")

    with empty.connect() as connection, pytest.raises(StartRefusedError, match="newer version"):
        refuse_unknown_schema(connection)
    with pytest.raises(StartRefusedError, match="newer version"):
        migrate(empty)


def test_migration_makes_the_role_where_it_is_missing(fresh: Callable[[], Database]) -> None:
    """An owner who may make roles gets the service's role made, once, and without a log-in."""
    database = fresh()
    statement = _service_role_migration()["_MAKE_ROLE"].replace("caretrail_service", _OTHER_ROLE)
    with open_engine(database.superuser).connect() as connection:
        connection.execute(text(f"DROP ROLE IF EXISTS {_OTHER_ROLE}"))
        connection.execute(text(f"ALTER ROLE {connection.engine.url.database}_owner CREATEROLE"))
        connection.commit()
    with open_engine(database.owner).connect() as connection:
        for _ in range(2):
            connection.execute(text(statement))
        made = text("SELECT rolcanlogin, rolinherit FROM pg_roles WHERE rolname = :role")
        assert (False, True) == tuple(connection.execute(made, {"role": _OTHER_ROLE}).one())


def _is_no_partition(name: str | None, _kind: str, _parents: object) -> bool:
    return name not in {one.name for one in partitions()}


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def _make_from_models(connection: Connection) -> None:
    metadata.create_all(connection)
    for statement in protection.statements(connection.dialect.name):
        connection.execute(text(statement))


def _sqlite_schema(engine: Engine) -> list[tuple[str, str, str]]:
    listed = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'"
    with engine.connect() as connection:
        rows = connection.execute(text(f"{listed} ORDER BY type, name")).all()
    return [(kind, name, " ".join(sql.split())) for kind, name, sql in rows]


def _stamp(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})


def _service_role_migration() -> dict[str, str]:
    names: dict[str, str] = {"__name__": "service_role"}
    path = MIGRATIONS / "versions" / "2026_11_21_03_service_role.py"
    exec(compile(path.read_text(), str(path), "exec"), names)
    return names
