"""Beside a process that writes without a pause, others come to write on SQLite as well."""

import fcntl
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from app.storage import turnstile
from app.storage.engine import open_engine
from app.storage.turnstile import Turnstile

TURN_S = 0.003
TRIES = 40
SPAWN = multiprocessing.get_context("spawn")
WRITE = text("INSERT INTO written VALUES (1)")


def write_without_pause(url: str, going: Event, over: Event) -> None:
    """Begin the next transaction as soon as one has ended, as a server does under load."""
    with open_engine(url).connect() as connection:
        while not over.is_set():
            with connection.begin():
                connection.execute(WRITE)
                until = time.monotonic() + TURN_S
                while time.monotonic() < until:
                    pass
            going.set()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database with one table."""
    url = f"sqlite:///{tmp_path}/busy.db"
    with open_engine(url).begin() as connection:
        connection.execute(text("CREATE TABLE written (n INTEGER)"))
    connection.engine.dispose()
    return url


@contextmanager
def beside_a_busy_one(url: str) -> Iterator[Connection]:
    """Have another process write without a pause."""
    going, over = SPAWN.Event(), SPAWN.Event()
    busy = SPAWN.Process(target=write_without_pause, args=(url, going, over))
    busy.start()
    try:
        assert going.wait(30)
        with open_engine(url).connect() as connection:
            yield connection
    finally:
        over.set()
        busy.join(30)


def times_written(connection: Connection) -> int:
    """Write as often as it may be, up to the first time that the database stays locked."""
    for done in range(TRIES):
        try:
            with connection.begin():
                connection.execute(WRITE)
        except OperationalError as error:
            assert "database is locked" in str(error.orig)  # noqa: PT017 - counted, not only raised
            return done
        time.sleep(0.005)
    return TRIES


def test_who_comes_beside_a_busy_process_writes_each_time(url: str) -> None:
    """Forty times in a row."""
    with beside_a_busy_one(url) as connection:
        assert TRIES == times_written(connection)


def test_without_the_turnstile_the_database_stays_locked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant: this process does not stand in line."""
    monkeypatch.setattr(Turnstile, "passed", lambda _self: nullcontext())
    with beside_a_busy_one(url) as connection:
        assert times_written(connection) < TRIES


def test_a_turnstile_that_is_never_given_back_holds_nobody_up_for_long(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a courtesy: who cannot pass in time writes nevertheless."""
    monkeypatch.setattr(turnstile, "_WAITS_S", 0.05)
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with open_engine(url).begin() as connection:
        connection.execute(WRITE)
        assert 1 == connection.execute(text("SELECT count(*) FROM written")).scalar_one()
    os.close(folder)


def test_where_folders_have_no_locks_nobody_waits(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system may know none."""

    def none(_handle: int, _how: int) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(fcntl, "flock", none)
    monkeypatch.setattr(time, "sleep", lambda _s: pytest.fail("waited for what cannot be had"))
    with open_engine(url).begin() as connection:
        connection.execute(WRITE)


def test_the_folder_is_given_back_with_the_connection(url: str, tmp_path: Path) -> None:
    """Nothing stays open after an engine was disposed of."""

    def held() -> int:
        return sum(one.resolve() == tmp_path for one in Path("/proc/self/fd").iterdir())

    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(WRITE)
        assert 1 == held()
    engine.dispose()
    assert 0 == held()
