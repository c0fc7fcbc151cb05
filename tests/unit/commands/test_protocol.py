"""A connection may leave a request unfinished for a bounded time and in bounded size, no more."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.commands import protocol
from app.core.identifiers import is_id
from tests.support.sockets import rest
from tests.unit.commands.bounded_server import serving

SHORT_S = 0.3
GET = b"GET /%s HTTP/1.1\r\nhost: x\r\n\r\n"


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the size of the body; `/slow` thinks first, `/headers` answers with those named `x-`."""
    if scope["type"] == "lifespan":
        return
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    if scope["path"] == "/slow":
        await asyncio.sleep(SHORT_S * 3)
    body = str(size).encode()
    if scope["path"] == "/headers":
        body = repr([value for name, value in scope["headers"] if name.startswith(b"x-")]).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]}
    )
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server with the protocol and short patience."""
    patient = (protocol.HEAD_S, protocol.BODY_PAUSE_S)
    protocol.HEAD_S, protocol.BODY_PAUSE_S = SHORT_S, SHORT_S  # type: ignore[misc]
    with serving(_echo) as chosen:
        yield chosen
    protocol.HEAD_S, protocol.BODY_PAUSE_S = patient  # type: ignore[misc]


@pytest.fixture
def line(port: int) -> Iterator[socket.socket]:
    """A raw connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connected:
        yield connected


def _answer(line: socket.socket) -> bytes:
    """Return one answer of the echo."""
    told = b""
    while b"\r\n\r\n" not in told or told.endswith(b"\r\n\r\n"):
        told += line.recv(65536)
    return told


def _status(told: bytes) -> bytes:
    return told.split(b"\r\n", 1)[0]


@pytest.mark.parametrize("begun", [b"", b"GET", b"GET / HTTP/1.1\r\nhost: x\r\nx-a: b", b"\r\n\r\n"])
def test_head_has_to_come_in_time(line: socket.socket, begun: bytes) -> None:
    """A connection that says nothing, or only begins a request, is answered 408 and closed."""
    began = time.monotonic()
    line.sendall(begun)

    assert b"HTTP/1.1 408 Request Timeout" == _status(rest(line))
    assert SHORT_S * 0.8 < time.monotonic() - began < SHORT_S * 5


def test_dribbling_a_head_gains_no_time(line: socket.socket) -> None:
    """The time for a head is counted from its start, not from its last byte."""
    began = time.monotonic()
    told = b""
    line.sendall(b"GET /")
    line.settimeout(SHORT_S / 6)
    while not told and time.monotonic() - began < SHORT_S * 5:
        try:
            line.sendall(b"x")
            told = line.recv(1000)
        except TimeoutError:
            continue
    assert b"HTTP/1.1 408 Request Timeout" == _status(told)
    assert time.monotonic() - began < SHORT_S * 3


def test_body_has_to_go_on(line: socket.socket) -> None:
    """A body whose next piece does not come is answered 408; pieces in time may take longer in all."""
    line.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\n")
    for piece in (b"a", b"b", b"c"):
        time.sleep(SHORT_S * 0.6)
        line.sendall(piece)

    assert b"HTTP/1.1 408 Request Timeout" == _status(rest(line))


def test_slow_whole_body_is_taken(line: socket.socket) -> None:
    """Pieces that come in time make a body, however many there are."""
    line.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n")
    for piece in (b"a", b"b", b"c", b"d"):
        time.sleep(SHORT_S * 0.6)
        line.sendall(piece)

    assert _answer(line).endswith(b"\r\n\r\n4")


def test_endless_head_is_refused(line: socket.socket) -> None:
    """A head that goes on beyond its bound is refused while it comes, in whatever pieces."""
    line.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ")
    try:
        for _ in range(200):
            line.sendall(b"y" * 1024)
            time.sleep(0.0005)
        told = rest(line)
    except (ConnectionResetError, BrokenPipeError):
        told = b"HTTP/1.1 431 Request Header Fields Too Large\r\n"  # closed while we were still talking

    assert b"HTTP/1.1 431 Request Header Fields Too Large" == _status(told)


def test_large_head_in_one_piece_is_refused(line: socket.socket) -> None:
    """Many headers that come at once are bounded like those that come slowly."""
    headers = b"".join(b"x-%d: %s\r\n" % (n, b"y" * 1000) for n in range(80))
    line.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n" + headers + b"\r\n")

    assert b"431" == _status(rest(line)).split(b" ")[1]


def test_large_address_is_refused(line: socket.socket) -> None:
    """An address longer than a head may be is refused."""
    line.sendall(GET % (b"a" * 70_000))

    assert b"431" == _status(rest(line)).split(b" ")[1]


def test_a_refusal_reaches_whoever_is_still_sending(line: socket.socket) -> None:
    """A client that goes on sending after it was refused reads the refusal, not a reset connection."""
    line.sendall(GET % (b"a" * 70_000))
    for _ in range(5):
        time.sleep(0.05)
        line.sendall(b"a" * 70_000)

    assert b"431" == _status(rest(line)).split(b" ")[1]


def test_ordinary_head_passes(line: socket.socket) -> None:
    """Sixteen KiB of headers, twice what browsers send at most, are no reason to refuse."""
    headers = b"".join(b"x-%d: %s\r\n" % (n, b"y" * 1000) for n in range(16))
    line.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n" + headers + b"\r\n")

    assert b"HTTP/1.1 200 OK" == _status(_answer(line))


def test_our_slowness_is_not_theirs(line: socket.socket) -> None:
    """Whoever has sent a whole request waits for the answer as long as it takes."""
    line.sendall(GET % b"slow")

    assert b"HTTP/1.1 200 OK" == _status(_answer(line))


def test_begun_next_request_does_not_spoil_the_answer(line: socket.socket) -> None:
    """A request whose successor was begun and left is answered before anything else is said."""
    line.sendall(GET % b"slow" + b"GET / HT")
    told = rest(line)

    assert b"HTTP/1.1 200 OK" == _status(told)
    assert told.rindex(b"HTTP/1.1 200") < told.rindex(b"HTTP/1.1 408")


def test_connection_is_kept_between_requests(line: socket.socket) -> None:
    """Between whole requests the short times do not count; each new head has its own."""
    for _ in range(2):
        line.sendall(GET % b"")
        assert b"HTTP/1.1 200 OK" == _status(_answer(line))
        time.sleep(SHORT_S * 2)
    line.sendall(b"GET")

    assert b"HTTP/1.1 408 Request Timeout" == _status(rest(line))


def test_line_breaks_keep_nothing_open(line: socket.socket) -> None:
    """Empty lines between requests are no request and do not hold a connection."""
    line.sendall(GET % b"")
    assert b"HTTP/1.1 200 OK" == _status(_answer(line))
    line.sendall(b"\r\n")

    assert b"" == rest(line)


def test_requests_in_one_piece_are_all_answered(line: socket.socket) -> None:
    """Several whole requests sent at once get their answers in order."""
    line.sendall(
        (GET % b"slow")
        + (GET % b"")
        + b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nconnection: close\r\n\r\nab"
    )
    told = rest(line)

    assert 3 == told.count(b"HTTP/1.1 200 OK")
    assert told.endswith(b"\r\n\r\n2")


def test_blanks_around_a_value_are_no_part_of_it(line: socket.socket) -> None:
    """Spaces and tabs before and after the value of a header are not handed on; those inside it are."""
    line.sendall(
        b"GET /headers HTTP/1.1\r\nhost: x\r\nx-a: \t b c \t \r\nx-b:d\t\r\nx-c: \r\nx-d:\r\nx-e: e\r\n\r\n"
    )

    assert _answer(line).endswith(repr([b"b c", b"d", b"", b"", b"e"]).encode())


def test_http_1_0_names_a_host_or_none(line: socket.socket) -> None:
    """Older clients and some load balancers send none; of HTTP/1.1 it is demanded (RFC 9112, section 3.2)."""
    line.sendall(b"GET / HTTP/1.0\r\n\r\n")

    assert _status(rest(line)).endswith(b"200 OK")


NO_REQUESTS = {
    "an unknown method": b"FOO / HTTP/1.1\r\nhost: x\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00",
    "two lengths": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "no host": b"GET / HTTP/1.1\r\nx-a: b\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
    "two hosts of HTTP/1.0": b"GET / HTTP/1.0\r\nhost: x\r\nhost: x\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nhost: x\r\nx-a: b\r\n c\r\n\r\n",
    "a head of 70 kB": b"GET / HTTP/1.1\r\nhost: x\r\nx-a: " + b"b" * 70_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("what", [*NO_REQUESTS, "half a request"])
def test_what_is_no_request_is_told_a_problem(line: socket.socket, what: str) -> None:
    """Bytes below HTTP, too, are answered with a problem document and a request id, and not kept."""
    line.sendall(NO_REQUESTS.get(what, b"GET / HT"))
    head, _, body = rest(line).partition(b"\r\n\r\n")
    headers = dict(one.split(": ", 1) for one in head.decode().split("\r\n")[1:])
    problem = json.loads(body)

    assert int(_status(head).split(b" ")[1]) == problem["status"] in {400, 408, 431}
    assert ("/problems/invalid-request", "/") == (problem["type"], problem["instance"])
    assert is_id(problem["request_id"])
    assert [{"pointer": "", "detail": problem["detail"]}] == problem["errors"]
    assert headers == {
        "content-type": "application/problem+json",
        "content-length": str(len(body)),
        "x-request-id": problem["request_id"],
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
        "connection": "close",
    }
