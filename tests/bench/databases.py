"""The databases of a run: a fresh PostgreSQL server and a SQLite file, migrated and filled alike.

Nothing is tuned for one side: the server runs with its defaults (`fsync`, `full_page_writes` and
`synchronous_commit` on, asserted below), reached over its socket by all; SQLite runs in WAL with
`synchronous=FULL` for all. The plain records stand in a database of their own, and so does each service
whose housekeeping would otherwise run while another one is measured.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import create_engine, insert, make_url, text

from app.core.settings import load
from app.storage.engine import open_engine
from app.storage.migration import migrate
from tests.bench.plain_model import Base, PlainRecord
from tests.bench.sample import RESIDENTS, Sample, fill, found
from tests.support import postgresql

COPIES = {"postgresql": ("two", "naive", "judging"), "sqlite": ("naive",)}
NOT_CHECKED = {"self_check_rows": "0"}
"""The sample's staff came past the door: a self-check would raise the alarm. It takes 1/20 core at most."""
DURABLE = ("fsync", "full_page_writes", "synchronous_commit")


@dataclass
class Family:
    """One database engine of the run: the service's database, the plain one, what is in them."""

    chosen: dict[str, str]
    plain_url: str
    sample: Sample
    copies: dict[str, dict[str, str]] = field(default_factory=dict)

    def settings(self, copy: str = "") -> dict[str, str]:
        """Return the settings of the service's database or of a copy of it."""
        return self.copies[copy] if copy else self.chosen


def on_postgresql(folder: Path) -> tuple[Family, str]:
    """Return the PostgreSQL family, and a superuser's URL at its server."""
    server = postgresql.start(folder / "postgresql")
    _assert_durable(server)
    own = postgresql.make_database(server, "bench")
    plain = postgresql.make_database(server, "bench_plain")
    chosen = {
        "data_dir": str(folder / "data-postgresql"),
        "database_url": own.service,
        "owner_database_url": own.owner,
        **NOT_CHECKED,
    }
    family = _made(chosen, plain.owner)
    for copy in COPIES["postgresql"]:
        family.copies[copy] = _postgresql_copy(server, chosen, copy)
    return family, server


def on_sqlite(folder: Path, residents: int = RESIDENTS) -> Family:
    """Return the SQLite family."""
    data = folder / "data-sqlite"
    data.mkdir(parents=True)
    family = _made({"data_dir": str(data), **NOT_CHECKED}, f"sqlite:///{data}/plain.db", residents)
    for copy in COPIES["sqlite"]:
        family.copies[copy] = _sqlite_copy(data, copy)
    return family


def _postgresql_copy(server: str, chosen: dict[str, str], copy: str) -> dict[str, str]:
    name = f"bench_{copy}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE bench OWNER bench_owner"))
    engine.dispose()
    url = make_url(chosen["database_url"]).set(database=name).render_as_string(hide_password=False)
    return {**chosen, "database_url": url, "guard_dir": f"{chosen['data_dir']}/guard-{copy}"}


def _sqlite_copy(data: Path, copy: str) -> dict[str, str]:
    with (
        closing(sqlite3.connect(data / "caretrail.db")) as source,
        closing(sqlite3.connect(data / f"{copy}.db")) as target,
    ):
        source.backup(target)
    return {
        **NOT_CHECKED,
        "data_dir": str(data),
        "database_url": f"sqlite:///{data}/{copy}.db",
        "guard_dir": f"{data}/guard-{copy}",
    }


def _made(chosen: dict[str, str], plain_url: str, residents: int = RESIDENTS) -> Family:
    settings = load(**chosen)
    owner = open_engine(settings.owner_database_url.get_secret_value(), patient=True)
    migrate(owner)
    owner.dispose()
    found(settings)
    sample = fill(settings, residents)
    plain = create_engine(plain_url)
    with plain.begin() as connection:
        Base.metadata.create_all(connection)
        connection.execute(insert(PlainRecord), sample.plain_rows())
    plain.dispose()
    return Family(chosen, plain_url, sample)


def _assert_durable(server: str) -> None:
    engine = create_engine(server)
    with engine.connect() as connection:
        for name in DURABLE:
            shown = connection.execute(text(f"SHOW {name}")).scalar_one()
            if shown != "on":
                raise RuntimeError(f"this PostgreSQL runs with {name}={shown}: nothing to compare")
    engine.dispose()


def asynchronous(url: str) -> str:
    """Return the same PostgreSQL database for asyncpg."""
    return make_url(url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
