"""What comes behind a body is no header: it is counted, and dropped."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from app.commands import protocol
from app.core.identifiers import new_id
from app.http.edge import Edge
from tests.support.sockets import rest
from tests.unit.commands.bounded_server import serving

CHUNKED = b"POST /%b HTTP/1.1\r\nhost: x\r\nx-a: b\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
BODY = b"2\r\nab\r\n0\r\n"
FIELDS = b"authorization: Bearer t\r\nidempotency-key: k\r\nX-Request-ID: mine\r\nexpect: 100-continue\r\n"


async def _names(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the names of the headers, at once or when the body has come."""
    while scope["path"] != "/early" and (await receive()).get("more_body", False):
        pass
    names = [name.decode() for name, _ in scope["headers"]]
    head = {"type": "http.response.start", "status": 200, "headers": []}
    await send(head)
    await send({"type": "http.response.body", "body": orjson.dumps(names)})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server with the protocol and the edge."""
    with serving(Edge(_names, make_request_id=new_id)) as chosen:
        yield chosen


@pytest.fixture
def line(port: int) -> Iterator[socket.socket]:
    """A raw connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connected:
        yield connected


@pytest.mark.parametrize("together", [True, False])
def test_fields_behind_a_body_are_no_headers(line: socket.socket, *, together: bool) -> None:
    """RFC 9110, section 6.5.1: no credential, no key and no id of a request is taken from there."""
    pieces = [CHUNKED % b"", BODY, FIELDS + b"\r\n"]
    for piece in [b"".join(pieces)] if together else pieces:
        line.sendall(piece)
        time.sleep(0.05)
    told = rest(line)

    assert told.startswith(b"HTTP/1.1 200 OK")
    assert orjson.dumps(["host", "x-a", "transfer-encoding", "connection"]) in told
    assert b"mine" not in told


@pytest.mark.parametrize(
    "fields",
    [
        b"x: " + b"y" * 80_000,
        b"".join(b"x-%d: %s\r\n" % (n, b"y" * 1000) for n in range(80)),
        b"a:b\r\n" * 2000,
    ],
)
@pytest.mark.parametrize("step", [100_000, 10_000])
def test_fields_behind_a_body_are_bounded(line: socket.socket, fields: bytes, step: int) -> None:
    """In one piece or dribbled, complete or not, they are refused like headers of that size."""
    line.sendall(CHUNKED % b"" + BODY)
    time.sleep(0.05)
    for start in range(0, len(fields), step):
        line.sendall(fields[start : start + step])
        time.sleep(0.02)

    assert rest(line).startswith(b"HTTP/1.1 431 ")


def test_fields_behind_a_body_nobody_waits_for_are_bounded(line: socket.socket) -> None:
    """Whoever was answered already is cut off."""
    line.sendall(CHUNKED % b"early" + BODY + b"x: ")
    with pytest.raises(ConnectionError):
        for _ in range(100):
            line.sendall(b"y" * 10_000)
            time.sleep(0.01)


def test_what_frames_the_pieces_of_a_body_does_not_add_up(line: socket.socket) -> None:
    """A body in very many small chunks, its sizes in packets of their own, is taken."""
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.sendall(CHUNKED % b"")
    for _ in range(protocol.HEAD_BYTES // 500):
        for piece in (b"1;" + b"x" * 600 + b"\r\n", b"a\r\n"):
            line.sendall(piece)
            time.sleep(0.003)
    line.sendall(b"0\r\n\r\n")

    assert rest(line).startswith(b"HTTP/1.1 200 OK")


def test_many_short_headers_are_bounded_as_well(line: socket.socket) -> None:
    """Each header counts more than its letters: two thousand of them are too many, two hundred are not."""
    for count, status in ((200, b"200"), (2000, b"431")):
        with socket.create_connection(line.getpeername(), timeout=5) as another:
            another.sendall(CHUNKED[:-2] % b"" + b"a:b\r\n" * count + b"\r\n0\r\n\r\n")
            assert status == rest(another)[9:12]
