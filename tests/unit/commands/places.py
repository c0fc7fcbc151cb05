"""A founded deployment on each database, with room to bring a backup of it back."""

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


def found_place(request: pytest.FixtureRequest, tmp_path: Path, database: str) -> Place:
    """A founded deployment whose backups open with an identity beside it."""
    line, target = Line(tmp_path / "data"), Line(tmp_path / "data")
    if database == "postgresql":
        server, worker = (request.getfixturevalue(name) for name in ("postgresql_url", "worker_id"))
        for one, name in ((line, "backup"), (target, "restored")):
            database = postgresql.make_database(server, f"{name}_{worker}")
            _let_make_databases(database)
            one.variables["CARETRAIL_DATABASE_URL"] = database.service
            one.variables["CARETRAIL_OWNER_DATABASE_URL"] = database.owner
            if programs := postgresql.programs():
                one.variables["CARETRAIL_POSTGRESQL_PROGRAMS"] = str(programs)
        assert 0 == line.run("migrate").code
    told = line.run("init", "--organisation", "Sample Care", "--admin", "maria.sample", "--json")
    assert 0 == told.code, told.err
    secret, recipient = sealing.new_identity()
    (line.data_dir / "backup-identity.txt").write_text(secret)
    (line.data_dir / "backup-recipients.txt").write_text(f"# the manager's\n{recipient}\n")
    return Place(line, target, told.json)


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
