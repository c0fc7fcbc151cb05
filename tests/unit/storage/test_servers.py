"""Of several PostgreSQL servers the newest primary is taken, and nobody goes back behind it."""

import contextlib
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import Engine, make_url
from sqlalchemy.exc import OperationalError

from app.core.errors import StartRefusedError
from app.storage.copying import conninfo
from app.storage.engine import cut, open_engine
from app.storage.servers import Address, Servers, StaleServerError, addresses_in, survey
from app.storage.snapshot import postgresql_snapshot
from tests.support.replication import Pair


@pytest.fixture(scope="module")
def url(pair: Pair) -> str:
    """The URL of both servers, the old primary first."""
    return pair.url_of(pair.primary.url)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with Pair() as pair:
        yield pair


def name_of(engine: Engine) -> str:
    """Return which server an engine connects to."""
    with engine.connect() as connection:
        return str(connection.exec_driver_sql("SHOW cluster_name").scalar_one())


def plainly(url: str) -> str:
    """Return where libpq goes by itself."""
    with psycopg.connect(url.replace("+psycopg", "")) as line:
        return str(line.execute("SHOW cluster_name").fetchone()[0])


def roles(url: str) -> list[tuple[str, int | None]]:
    return [(one.role, one.timeline) for one in survey(url)]


def test_the_newest_primary_is_taken_though_the_old_one_is_named_first_and_takes_writes(pair, url):
    """Before a fail-over the primary, after it the promoted one; when only the old one answers, nobody."""
    engine = open_engine(url)
    assert "alder" == name_of(engine)
    assert [("primary", 1), ("standby", None)] == roles(url)

    pair.fail_over()
    assert "birch" == name_of(engine)
    pair.standby.wait_until_gone()
    pair.standby.start()
    assert [("primary", 1), ("primary", 2)] == roles(url)
    assert "alder" == plainly(url)  # which is why it is not left to libpq
    assert "birch" == name_of(engine)
    assert "birch" == name_of(open_engine(url))
    with postgresql_snapshot(engine) as view:  # what is copied beside it has to come from the same server
        assert "birch" == plainly(conninfo(make_url(url), **view.server))

    pair.primary.stop()
    assert [("primary", 1), ("unreachable", None)] == roles(url)
    with pytest.raises(OperationalError) as refused:
        name_of(engine)
    assert isinstance(refused.value.orig, StaleServerError)
    pair.standby.stop()
    with pytest.raises(OperationalError) as nobody:
        name_of(engine)
    said = str(nobody.value.orig)
    assert [True, True] == [str(one.sockets) in said for one in (pair.primary, pair.standby)], said
    assert said.endswith("see The primary is lost in the operations guide")


def test_a_connection_is_cut_only_if_its_server_is_older(url, pair):
    """Of a process on the newest timeline nothing is broken off; of one behind it, its connection."""
    pair.primary.start()
    with open_engine(url).connect() as connection:
        cut(connection, older_than=2)
        assert 1 == connection.exec_driver_sql("SELECT 1").scalar_one()
        cut(connection, older_than=3)
        with pytest.raises(OperationalError):
            connection.exec_driver_sql("SELECT 1")
    pair.primary.stop()


def test_copies_of_two_databases_are_refused(pair):
    """Two servers that take writes and are no copies of each other: a mistake in the URL."""
    with Pair() as other, contextlib.ExitStack() as both:
        both.callback(pair.primary.stop)
        pair.primary.start()
        servers = Servers([Address(str(one.primary.sockets), "5432") for one in (pair, other)])
        with pytest.raises(StaleServerError, match="not copies"):
            servers.connect({"user": "postgres", "dbname": "postgres"})


def test_servers_are_read_from_a_url():
    """Hosts and ports as libpq has them; no ports are the usual ones."""
    several = make_url("postgresql+psycopg://u@/d?host=a,b&port=1,2")
    assert [Address("a", "1"), Address("b", "2")] == addresses_in(several)
    assert [Address("a", None), Address("b", None)] == addresses_in(
        make_url("postgresql+psycopg://u@/d?host=a,b")
    )
    assert [Address("h", "7")] == addresses_in(make_url("postgresql+psycopg://u@h:7/d"))
    assert "a:1" == str(Address("a", "1"))


@pytest.mark.parametrize(
    "query",
    ["host=localhost:1&host=localhost:2", "host=localhost,::1&port=1,2,3", "target_session_attrs=standby"],
)
def test_a_url_that_means_something_else_is_refused(query):
    """Another spelling, a wrong count of ports, a standby to serve from: refused at start."""
    with pytest.raises(StartRefusedError):
        open_engine(f"postgresql+psycopg://u@/d?{query}")


def test_a_server_that_lets_nobody_ask_it_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that answers and refuses the question is told as one that cannot be had, with its own words."""

    class Refusing:
        def execute(self, *_):
            raise errors.InsufficientPrivilege("permission denied for function pg_control_system")

        def close(self):
            pass

    monkeypatch.setattr(psycopg, "connect", lambda **_: Refusing())
    engine = open_engine("postgresql://api@/care?host=localhost,127.0.0.1&port=5432,5432")

    with pytest.raises(OperationalError, match="permission denied"):
        engine.connect()
