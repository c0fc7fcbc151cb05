"""Bringing the schema up.

On PostgreSQL each revision is a transaction of its own under an advisory lock, on SQLite the whole run is one
transaction that holds the writer's lock: a crash leaves the schema at a revision, never between two, and a
second run waits for the first.
"""

from typing import Any

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from app.storage.schema import (
    MIGRATIONS,
    damage_told,
    head_revision,
    present_revision,
    refuse_lacking,
    refuse_newer,
)


def migrate(engine: Engine) -> tuple[str | None, str]:
    """Bring the schema to the newest revision and return where it was and where it is.

    Raises:
        StartRefusedError: The schema was made by a newer version, or by an unfinished one, or is damaged.
    """
    head = head_revision()
    with damage_told(), engine.connect() as connection:
        refuse_newer(present_revision(connection))
        connection.rollback()
        before = _upgrade(connection)
        refuse_lacking(connection)
    return before, head


def _upgrade(connection: Connection) -> str | None:
    """Return where the schema was once the run's lock was held: of several runs at once one moves it."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    found: list[str] = []

    def steps(heads: Any, _context: MigrationContext) -> Any:
        """Return the revisions to be run, given where the schema stands. Called under the lock."""
        found.extend(heads)
        refuse_newer(", ".join(found) or None)
        return scripts._upgrade_revs("head", heads)  # as Alembic's own description of `fn` does

    with EnvironmentContext(config, scripts, fn=steps, destination_rev="head"):
        scripts.run_env()
    return ", ".join(found) or None
