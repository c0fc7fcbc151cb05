"""A founded deployment on each database, with room to bring a backup of it back."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from app.backups import sealing
from tests.support import postgresql
from tests.unit.commands.conftest import Line


@dataclass
class Place:
    """A deployment, and where a backup of it may be brought back to.

    Attributes:
        line: The command line on the deployment.
        target: A command line on an empty place, with the same keys and guard.
        founded: What `init` told.
    """

    line: Line
    target: Line
    founded: dict[str, Any]


@dataclass
class Founding:
    """What `init` made on a database: copied for each test, because founding takes a third of a second.

    Attributes:
        data_dir: Its data directory, not used otherwise.
        told: What `init` told.
        database: Its database; None on SQLite, where it lies in the data directory.
    """

    data_dir: Path
    told: dict[str, Any]
    database: postgresql.Database | None = None


def founding_at(line: Line, database: postgresql.Database | None = None) -> Founding:
    """Found a deployment with a command line."""
    told = line.run("init", "--organisation", "Sample Care", "--admin", "maria.sample", "--json")
    assert 0 == told.code, told.err
    return Founding(line.data_dir, told.json, database)


def founding_on_postgresql(server: str, worker: str, data_dir: Path) -> Founding:
    """Found a deployment in a database of this test process."""
    database = postgresql.make_database(server, f"kept_founding_{worker}")
    _let_make_databases(database)
    line = Line(data_dir, _variables(database))
    assert 0 == line.run("migrate").code
    return founding_at(line, database)


def _variables(database: postgresql.Database) -> dict[str, str]:
    urls = {"CARETRAIL_DATABASE_URL": database.service, "CARETRAIL_OWNER_DATABASE_URL": database.owner}
    programs = postgresql.programs()
    return urls if programs is None else urls | {"CARETRAIL_POSTGRESQL_PROGRAMS": str(programs)}


def found_place(
    request: pytest.FixtureRequest, tmp_path: Path, database: str, founding: Founding | None = None
) -> Place:
    """A founded deployment whose backups open with an identity beside it; founded as all are, by default."""
    founding = founding or request.getfixturevalue(f"{database}_founding")
    assert founding is not None
    line, target = Line(tmp_path / "data"), Line(tmp_path / "data")
    if founding.database is not None:
        server, worker = (request.getfixturevalue(name) for name in ("postgresql_url", "worker_id"))
        line.variables |= _variables(postgresql.copy_database(server, f"backup_{worker}", founding.database))
        empty = postgresql.make_database(server, f"restored_{worker}")
        _let_make_databases(empty)
        target.variables |= _variables(empty)
    shutil.copytree(founding.data_dir, line.data_dir)
    secret, recipient = sealing.new_identity()
    (line.data_dir / "backup-identity.txt").write_text(secret)
    (line.data_dir / "backup-recipients.txt").write_text(f"# the manager's\n{recipient}\n")
    return Place(line, target, founding.told)


def _let_make_databases(database: postgresql.Database) -> None:
    """Let the owner make the database of a drill."""
    with create_engine(
        database.superuser, isolation_level="AUTOCOMMIT", poolclass=NullPool
    ).connect() as connection:
        owner = connection.execute(
            text(
                "SELECT rolname FROM pg_roles r JOIN pg_database d ON d.datdba = r.oid"
                " WHERE d.datname = current_database()"
            )
        ).scalar_one()
        connection.execute(text(f'ALTER ROLE "{owner}" CREATEDB'))


@contextmanager
def looking(line: Line) -> Iterator[Connection]:
    """Open the database a command line works on, as its owner."""
    url = line.variables.get("CARETRAIL_OWNER_DATABASE_URL", f"sqlite:///{line.data_dir}/caretrail.db")
    with create_engine(url, poolclass=NullPool).connect() as connection:
        yield connection
