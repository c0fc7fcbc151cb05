"""Idle sockets, however many, neither keep anybody out nor take what files are read with."""

import asyncio
import json
import resource
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.commands import connections, event_loop
from app.commands.connections import giving_way, most_connections
from tests.unit.commands.bounded_server import serving
from tests.unit.commands.certificates import write_certificate
from tests.unit.commands.conftest import Line, free_port

MOST = 20
GET = b"GET /%b HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n"
IDLE = 1150
LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 1024))
os.execv(sys.executable, [sys.executable, "-m", "app", "serve"])
"""


@dataclass(eq=False)
class Waiter:
    """A connection of which only this matters."""

    waited_since: float | None
    idle: bool = True


def test_who_waits_for_longest_gives_way() -> None:
    """A sixteenth of the places at once, half of the idle at most; nobody to whom we owe an answer."""
    idle = [Waiter(float(since)) for since in range(64)]
    owed = [Waiter(None, idle=False) for _ in range(64)]
    slow = [Waiter(-1.0, idle=False), Waiter(-2.0, idle=False)]

    assert idle[:8] == giving_way([*owed, *reversed(idle), *slow], 128)
    assert idle[:2] == giving_way([*owed, *reversed(idle[:4]), *slow], 128)
    assert idle[:1] == giving_way([*owed, *idle[:1], *slow], 128)
    assert slow[1:] == giving_way([*owed, *slow], 128)
    assert [] == giving_way(owed, 128)


@pytest.mark.parametrize(
    ("soft", "most"), [(resource.RLIM_INFINITY, 1024), (65_536, 1024), (1024, 768), (300, 150)]
)
def test_connections_stay_below_the_descriptors(
    monkeypatch: pytest.MonkeyPatch, soft: int, most: int
) -> None:
    """However few the system allows, some are left for files."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))

    assert most == most_connections()


@pytest.mark.parametrize(
    ("soft", "hard", "becomes"),
    [(64, 512, 512), (64, 100_000, 65_536), (512, 512, 512), (70_000, 80_000, 70_000)],
)
def test_the_limit_is_raised_as_far_as_it_may_be(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, becomes: int
) -> None:
    """Never lowered, never beyond the hard one; where a sandbox forbids it, it stays."""
    now = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: now[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: now.append(limits))
    connections.raise_descriptors()
    assert (becomes, hard) == now[-1]

    def forbidden(*_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(resource, "setrlimit", forbidden)
    now[:] = [(soft, hard)]
    connections.raise_descriptors()


# --- a server ---------------------------------------------------------------------------------------


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Read the body and answer; `/slow` thinks first."""
    while (message := await receive()).get("more_body", False):
        pass
    if message["type"] == "http.disconnect":
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(1.5)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server that takes few connections."""
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", MOST)
    with serving(_app) as chosen:
        yield chosen


class Crowd(ExitStack):
    """Connections that are closed in the end."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def line(self, said: bytes = b"") -> socket.socket:
        """Open one and say something."""
        line = self.enter_context(socket.create_connection(("127.0.0.1", self._port), timeout=5))
        line.sendall(said)
        return line


def answered(line: socket.socket) -> bool:
    """Say whether an answer came; False where the other side closed."""
    told = b""
    try:
        while not told.endswith(b"ok"):
            if not (piece := line.recv(1000)):
                return False
            told += piece
    except ConnectionError:
        return False
    return told.startswith(b"HTTP/1.1 200 OK")


def _closed(line: socket.socket) -> bool:
    """Say whether the other side has closed a connection on which nothing comes."""
    line.setblocking(False)
    try:
        return line.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_a_newcomer_takes_the_place_of_who_is_idle(port: int) -> None:
    """Nobody is kept out by idle sockets, and nobody cut off who waits for an answer or sends a body."""
    with Crowd(port) as crowd:
        slow, sending = crowd.line(GET % b"slow"), crowd.line(POST + b"a")
        time.sleep(0.1)
        idle = [crowd.line(b"GET / HT" if number % 2 else b"") for number in range(5 * MOST)]
        asked = [crowd.line(GET % b"") for _ in range(3)]
        time.sleep(0.2)
        sending.sendall(b"b")

        assert [True] * 3 == [answered(one) for one in asked]
        assert answered(sending)
        assert answered(slow)
        assert not answered(idle[0])


def test_kept_connections_are_as_good_as_new_ones(port: int) -> None:
    """Whoever made a request before and has been idle since gives way as well."""
    with Crowd(port) as crowd:
        for _ in range(3 * MOST):
            assert answered(crowd.line(GET % b""))


def test_bodies_that_dribble_give_way_where_nobody_is_idle(port: int) -> None:
    """The first of them; whoever waits for us is not touched, and a probe is still answered."""
    with Crowd(port) as crowd:
        bodies = [crowd.line(POST + b"a")]
        time.sleep(0.1)
        bodies += [crowd.line(POST + b"a") for _ in range(MOST - 3)]
        slow = [crowd.line(GET % b"slow") for _ in range(2)]
        time.sleep(0.1)

        assert answered(crowd.line(GET % b""))
        assert [True] * 2 == [answered(one) for one in slow]
        assert not answered(bodies[0])
        bodies[-1].sendall(b"b")
        assert answered(bodies[-1])


def test_where_all_are_served_a_newcomer_is_closed(port: int) -> None:
    """The bound holds; those inside are answered."""
    with Crowd(port) as crowd:
        slow = [crowd.line(GET % b"slow") for _ in range(MOST)]
        time.sleep(0.3)

        assert not answered(crowd.line())
        assert [True] * MOST == [answered(one) for one in slow]


# --- `caretrail serve` ------------------------------------------------------------------------------


def test_idle_sockets_leave_a_service_its_files(founded: tuple[Line, dict[str, str]]) -> None:
    """With few descriptors and more sockets than that, probes are answered and entries are signed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < IDLE + 200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(IDLE + 200, hard), hard))
    line, told = founded
    port = free_port()
    running = subprocess.Popen(
        [sys.executable, "-c", LIMITED],
        env=line.environment | {"CARETRAIL_PORT": str(port)},
        cwd=line.data_dir.parent,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line.variables["CARETRAIL_PORT"] = str(port)
        until = time.monotonic() + 60
        while line.run("ready").code != 0:
            assert time.monotonic() < until
            time.sleep(0.2)
        with Crowd(port) as crowd:
            idle = [crowd.line() for _ in range(IDLE)]
            time.sleep(0.2)
            assert sum(map(_closed, idle)) < IDLE / 2, "as many as the hard limit allows are kept"
            body = json.dumps({"username": told["username"], "password": "wrong"}).encode()
            sign_in = b"POST /v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            asked = crowd.line(sign_in + b"content-length: %d\r\n\r\n" % len(body) + body)
            assert asked.recv(1000).startswith(b"HTTP/1.1 401 ")
            time.sleep(2.5)  # what moved is signed once a second
            assert 0 == line.run("ready").code
    finally:
        running.terminate()
        _, log = running.communicate(timeout=30)
    levels = {json.loads(one)["level"] for one in log.splitlines()}

    assert levels <= {"info", "warning"}
    assert "connections-crowded" in log


def test_tls_has_to_begin_in_the_time_of_a_head(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever opens a connection and does not begin TLS is let go; a plain server knows no such time."""
    monkeypatch.setattr(event_loop, "HEAD_S", 0.3)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*write_certificate(tmp_path))

    async def waited(tls: ssl.SSLContext | None) -> float:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0, ssl=tls)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        began = loop.time()
        try:
            await asyncio.wait_for(reader.read(), 2)
        except (ConnectionError, TimeoutError):
            pass
        writer.close()
        server.close()
        return loop.time() - began

    with asyncio.Runner(loop_factory=event_loop.Loop) as runner:
        assert 0.2 < runner.run(waited(context)) < 1.5
        assert runner.run(waited(None)) > 1.5
