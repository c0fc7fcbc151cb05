"""The schema: bringing it up, and refusing one this code does not know.

Revisions stand in `migrations/`, next to this package. On PostgreSQL each revision is a transaction of
its own under an advisory lock, on SQLite the whole run is one transaction that holds the writer's lock:
a crash leaves the schema at a revision, never between two, and a second run waits for the first.
"""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

import app
from app.core.errors import StartRefusedError

MIGRATIONS = Path(app.__file__).resolve().parent.parent / "migrations"
SERVICE_ROLE = "caretrail_service"
"""The PostgreSQL role whose rights are what serving needs. Log-ins of the service are its members."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _scripts() -> ScriptDirectory:
    if not (MIGRATIONS / "env.py").is_file():
        raise StartRefusedError(f"the folder {MIGRATIONS} is missing: install Caretrail whole")
    return ScriptDirectory.from_config(_config())


def head_revision() -> str:
    """Return the revision this code works with."""
    head = _scripts().get_current_head()
    if head is None:
        raise StartRefusedError(f"the folder {MIGRATIONS} holds no revision: install Caretrail whole")
    return head


def migrate(engine: Engine) -> tuple[str | None, str]:
    """Bring the schema to the newest revision and return where it was and where it is.

    Raises:
        StartRefusedError: The schema was made by a newer version.
    """
    with engine.connect() as connection:
        before = _present_revision(connection)
        connection.rollback()
        if before is not None and before not in _known():
            raise StartRefusedError(_NEWER.format(before=before))
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before, head_revision()


def _present_revision(connection: Connection) -> str | None:
    return ", ".join(MigrationContext.configure(connection).get_current_heads()) or None


def _known() -> set[str]:
    return {script.revision for script in _scripts().walk_revisions()}


_NEWER = (
    "the schema is at revision {before}, which this version of Caretrail does not know: "
    "it was made by a newer version. Run that version."
)


def refuse_unknown_schema(connection: Connection) -> None:
    """Refuse to serve a schema this code was not written for.

    Raises:
        StartRefusedError: There is no schema, or an older or a newer one.
    """
    present = _present_revision(connection)
    if present == head_revision():
        return
    if present is None:
        raise StartRefusedError("the database has no schema yet: run `caretrail migrate`")
    if present in _known():
        raise StartRefusedError(f"the schema is at revision {present}, an older one: run `caretrail migrate`")
    raise StartRefusedError(_NEWER.format(before=present))


# What would let the serving log-in rewrite the trail, each with the sentence that names it. Membership is
# asked with 'MEMBER', not 'USAGE': SET ROLE needs no inherited right.
_SELF = "FROM pg_roles WHERE rolname = session_user"
_BECOMES = "FROM pg_roles WHERE pg_has_role(session_user, oid, 'MEMBER')"
_POWERS = {
    "it is a superuser": f"SELECT rolsuper {_SELF}",
    "it bypasses row security": f"SELECT rolbypassrls {_SELF}",
    "it may replicate": f"SELECT rolreplication {_SELF}",
    "it may make roles": f"SELECT rolcreaterole {_SELF}",
    "it is, or can become, the owner of the trail": """
        SELECT pg_has_role(session_user, relowner, 'MEMBER') FROM pg_class
        WHERE oid = to_regclass('audit_event')""",
    "it is, or can become, the owner of the database": """
        SELECT pg_has_role(session_user, datdba, 'MEMBER') FROM pg_database
        WHERE datname = current_database()""",
    "it can become a role that is more powerful": f"""
        SELECT bool_or(rolsuper OR rolbypassrls OR rolreplication OR rolcreaterole
            OR rolname IN ('pg_execute_server_program', 'pg_write_server_files')) {_BECOMES}""",
    "it may change the trail": f"""
        SELECT bool_or(has_any_column_privilege(oid, to_regclass(kept), 'UPDATE')
            OR has_table_privilege(oid, to_regclass(kept), 'DELETE, TRUNCATE, TRIGGER'))
        FROM (SELECT oid {_BECOMES}) AS roles,
             unnest(ARRAY['audit_event', 'audit_value', 'audit_name', 'audit_checkpoint']) AS kept""",
}


def refuse_powerful_role(connection: Connection) -> None:
    """Refuse, on PostgreSQL, to serve as a role that could rewrite the trail or take its triggers off.

    SQLite has no roles: there the triggers, the chain and the checkpoints kept elsewhere stand alone.

    Raises:
        StartRefusedError: The log-in is more powerful than serving needs.
    """
    if connection.dialect.name != "postgresql":
        return
    power = power_of(lambda question: connection.execute(text(question)).scalar())
    if power is not None:
        raise StartRefusedError(
            f"this database log-in must not serve: {power}. "
            f"Use one that is a member of {SERVICE_ROLE} and of nothing else."
        )


def power_of(ask: Callable[[str], object]) -> str | None:
    """Return what makes a PostgreSQL log-in more powerful than serving needs; None if nothing does.

    Args:
        ask: Returns the first value of a SELECT.
    """
    return next((power for power, question in _POWERS.items() if ask(question)), None)
