"""A process does not go on where lines that it was told are committed do not stand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from app.access.visit import System, Visit
from app.access.witness import ServerSetBackError, Witness
from app.commands.calling import sign_what_moved
from app.core.identifiers import SYSTEM
from app.main import Service
from app.trail.readiness import READY, ProbeReadiness
from tests.door.conftest import Ward, outcomes
from tests.support.postgresql import make_database
from tests.support.served import Database, Deployment


class Past:
    """A database that can be put back to what it was, as a standby that lagged is when it is promoted."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._name = str(make_url(url).database)

    def _run(self, *statements: str) -> None:
        engine = create_engine(make_url(self._url).set(database="postgres"), isolation_level="AUTOCOMMIT")
        both = f"('{self._name}', '{self._name}_past')"
        end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN {both}"
        with engine.connect() as connection:
            for statement in (end, *statements):
                connection.execute(text(statement))
        engine.dispose()

    def keep(self) -> None:
        """Keep it as it is now."""
        self._run(
            f'DROP DATABASE IF EXISTS "{self._name}_past"',
            f'CREATE DATABASE "{self._name}_past" TEMPLATE "{self._name}"',
        )

    def swap(self) -> None:
        """Put what was kept in its place, or back."""
        there, kept, aside = (f'"{self._name}{which}"' for which in ("", "_past", "_aside"))
        self._run(
            f"ALTER DATABASE {there} RENAME TO {aside}",
            f"ALTER DATABASE {kept} RENAME TO {there}",
            f"ALTER DATABASE {aside} RENAME TO {kept}",
        )

    def drop(self) -> None:
        """Forget it."""
        self._run(f'DROP DATABASE IF EXISTS "{self._name}_past"')


@pytest.fixture
def past(failing_database: str) -> Iterator[Past]:
    past = Past(failing_database)
    yield past
    past.drop()


def served(ward: Ward) -> list[str]:
    """Return what comes of three turns: the first meets the lost connection, the others a new one."""
    return [outcome for _ in range(3) for outcome in _one(ward)]


def _one(ward: Ward) -> list[str]:
    visits = [ward.reading(0)]
    ward.turn.serve(visits)
    return outcomes(visits)


def test_a_server_without_an_acknowledged_line_serves_nobody(postgresql_ward, past, caplog):
    """After a line was told of, a server that lacks it is refused, at every attempt, until it is back."""
    ward = postgresql_ward
    past.keep()
    assert served(ward)[-1] == "ok"
    past.swap()

    assert ["audit-unavailable"] * 3 == served(ward)
    (told,) = [record for record in caplog.records if record.message == "server-set-back"]
    place = ward.engine.url
    assert (place.query.get("host", place.host), True) == (told.host, told.port > 0)
    past.swap()
    assert "ok" == served(ward)[-1]
    assert [] == ward.sound().problems


def test_a_server_with_another_line_in_its_place_serves_nobody(postgresql_ward, caplog):
    """A line of the same number is not the acknowledged one: its leaf has to be the same."""
    ward = postgresql_ward
    visits = [ward.reading(0)]
    ward.turn.serve(visits)
    stamp = visits[0].stamp
    assert stamp is not None
    witness = Witness(None)
    witness.saw([stamp])
    witness.connect(ward.engine).close()
    witness.saw([stamp._replace(leaf=bytes(32))])

    with pytest.raises(ServerSetBackError):
        witness.connect(ward.engine)
    assert [ward.org] == [record.chain for record in caplog.records if record.message == "server-set-back"]
    witness.saw([stamp])
    witness.connect(ward.engine).close()


def test_without_the_question_a_second_history_would_begin(postgresql_ward, past, monkeypatch):
    """A process that does not ask writes on where the line is missing: two lines have one number."""
    ward = postgresql_ward
    past.keep()
    assert served(ward)[-1] == "ok"
    acknowledged = ward.entries()
    past.swap()
    monkeypatch.setattr(Witness, "ask", lambda _self, _connection: None)

    assert "ok" == served(ward)[-1]
    assert acknowledged != ward.entries()[: len(acknowledged)]
    past.swap()
    assert "ok" == served(ward)[-1]


def test_a_server_that_takes_no_writes_is_left_for_another(postgresql_ward):
    """When a server is fenced off, its connection is given up: what comes next goes to one that writes."""
    ward = postgresql_ward
    assert served(ward)[-1] == "ok"
    first = ward.turn._connection
    ward.turn._connected().connection.driver_connection.execute("SET default_transaction_read_only = on")

    visits = [ward.reading(0)]
    ward.turn.serve(visits)
    assert ["audit-unavailable"] == outcomes(visits)
    assert ["ok"] * 3 == served(ward)
    assert ward.turn._connection is not first
    assert [] == ward.sound().problems


def probe(service: Service) -> list[str]:
    visit = Visit(System("health", SYSTEM), READY, ProbeReadiness())
    service.turn.serve([visit])
    return outcomes([visit])


@pytest.fixture
def two(postgresql_url: str, worker_id: str, tmp_path: Path) -> Iterator[tuple[Deployment, Past]]:
    """A deployment with guard files, and its past."""
    made = make_database(postgresql_url, f"witness_{worker_id}")
    past = Past(made.superuser)
    world = Deployment.on(Database("postgresql", made.owner, made.service), tmp_path)
    yield world, past
    world.close()
    past.drop()


def test_what_another_process_acknowledged_stands_in_the_guard(two: tuple[Deployment, Past]):
    """A process that wrote nothing itself refuses a server the guard files know more of."""
    world, past = two
    writing, idle = world.assembled(), world.assembled()
    past.keep()
    world.turn.close()
    world.open_home(world.org, "Fern House")
    sign_what_moved(writing)
    assert ["ok"] == probe(idle)
    past.swap()

    assert ["audit-unavailable"] * 3 == [probe(idle)[0] for _ in range(3)]
    past.swap()
    probe(idle)
    assert ["ok"] == probe(idle)
    for service in (writing, idle):
        service.turn.close()
        service.engine.dispose()
