"""A destroyed key is in none of the database's files: searched for, byte by byte."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from app.residents.table import resident
from app.storage import forgetting
from app.storage.engine import open_engine
from app.storage.forgetting import StillReadError, cut_log, write_anew
from tests.support.postgresql import make_database
from tests.support.served import Database, Deployment, Served
from tests.unit.residents.conftest import NUMBER, Provider

MANY = 60
"""Residents of the house: their rows fill many pages, which split and are written again."""


def where(key: bytes, files: list[Path]) -> list[str]:
    """Return the names of the files that hold a key."""
    return sorted(file.name for file in files if file.is_file() and key in file.read_bytes())


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A server on SQLite."""
    url = f"sqlite:///{tmp_path}/caretrail.db"
    with Served(Deployment.on(Database("sqlite", url, url), tmp_path)) as served:
        yield served


def full_house(provider: Provider) -> tuple[str, bytes]:
    """Let many people come and go and one have the key that is searched for; return id and wrapped key."""
    crowd = [provider.admit(number=None) for _ in range(MANY)]
    chosen = provider.admit(number=NUMBER)
    crowd += [provider.admit(number=None, left_on=None) for _ in range(MANY)]
    assert len(crowd) == 2 * MANY
    [row] = [row for row in provider.world.rows(resident) if row["id"] == chosen]
    return chosen, bytes(row["wrapped_key"])


def test_sqlite_forgets_the_key_with_the_answer(served: Served, tmp_path: Path) -> None:
    """When the approval is answered, neither the file nor its write-ahead log holds the key."""
    provider = Provider(served.world)
    chosen, key = full_house(provider)
    files = [tmp_path / f"caretrail.db{end}" for end in ("", "-wal", "-shm")]
    assert cut_log(served.world.engine)
    assert ["caretrail.db"] == where(key, files)
    asked = provider.ask(chosen)

    approved = served.ask("POST", f"/v1/erasures/{asked['id']}/approve", provider.manager)

    assert 200 == approved.status_code
    assert [] == where(key, files)


def test_the_files_hold_the_key_until_the_log_is_cut(served: Served, tmp_path: Path) -> None:
    """An approval past the server leaves the key in a file: what the server does afterwards is needed."""
    provider = Provider(served.world)
    chosen, key = full_house(provider)
    files = [tmp_path / f"caretrail.db{end}" for end in ("", "-wal")]
    provider.erase(chosen)

    assert where(key, files)
    assert cut_log(served.world.engine)
    assert [] == where(key, files)


def test_postgresql_forgets_when_the_owner_writes_anew(
    postgresql_url: str, worker_id: str, tmp_path: Path
) -> None:
    """The table's files hold the key until their owner has them written anew; the service may not."""
    made = make_database(postgresql_url, f"forgetting_{worker_id}")
    world = Deployment.on(Database("postgresql", made.owner, made.service), tmp_path)
    try:
        provider = Provider(world)
        chosen, key = full_house(provider)
        analyse(made.owner)
        provider.erase(chosen)
        assert where(key, files_of(made.superuser))

        assert not write_anew(open_engine(made.service, patient=True))
        assert write_anew(open_engine(made.owner, patient=True))

        assert [] == where(key, files_of(made.superuser))
    finally:
        world.close()


def test_postgresql_does_not_say_it_forgot_while_somebody_reads_an_older_state(
    postgresql_url: str, worker_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup under way, a sample being taken: the old row is carried along, and the owner is told so."""
    monkeypatch.setattr(forgetting, "PATIENCE_S", 0.01)
    made = make_database(postgresql_url, f"older_{worker_id}")
    world = Deployment.on(Database("postgresql", made.owner, made.service), tmp_path)
    reading = open_engine(made.superuser, patient=True)
    owner = open_engine(made.owner, patient=True)
    try:
        provider = Provider(world)
        chosen, key = full_house(provider)
        with reading.connect().execution_options(isolation_level="REPEATABLE READ") as reader:
            reader.execute(text("SELECT 1"))
            provider.erase(chosen)
            with pytest.raises(StillReadError):
                write_anew(owner)
            assert where(key, files_of(made.superuser))

        assert write_anew(owner)
        assert [] == where(key, files_of(made.superuser))
    finally:
        for engine in (reading, owner):
            engine.dispose()
        world.close()


def analyse(owner: str) -> None:
    """Have the database sample its columns, as it does by itself now and then."""
    engine = open_engine(owner, patient=True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    engine.dispose()


def files_of(superuser: str) -> list[Path]:
    """Return the files of a PostgreSQL database, written out."""
    engine = open_engine(superuser, patient=True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))
        data = connection.execute(text("SHOW data_directory")).scalar_one()
        found = text("SELECT oid FROM pg_database WHERE datname = current_database()")
        oid = connection.execute(found).scalar_one()
    engine.dispose()
    return list((Path(data) / "base" / str(oid)).iterdir())
