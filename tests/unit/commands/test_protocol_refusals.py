"""What is refused below HTTP is told as it is, under the id the request has in the trail."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.commands import protocol
from app.core.identifiers import is_id, new_id
from app.http.edge import REQUEST_ID, Edge
from tests.support.sockets import rest
from tests.unit.commands.bounded_server import serving

SHORT_S = 0.3
POST = b"POST / HTTP/1.1\r\nhost: x\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
GARBAGE = b"zz\r\nabc\r\n0\r\n\r\n"
SEEN: list[tuple[str, str]] = []
"""(request id, kind of what came last) of every request the application was handed."""


async def _reader(scope: Any, receive: Any, send: Any) -> None:
    """Read the body, slowly where the path says so, and answer."""
    message = await receive()
    while message.get("more_body", False):
        message = await receive()
    SEEN.append((scope["state"][REQUEST_ID], message["type"]))
    if scope["path"] == "/slow":
        time.sleep(SHORT_S / 3)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server with the protocol, the edge and short patience."""
    patient = protocol.BODY_PAUSE_S
    protocol.BODY_PAUSE_S = SHORT_S  # type: ignore[misc]
    with serving(Edge(_reader, make_request_id=new_id)) as chosen:
        yield chosen
    protocol.BODY_PAUSE_S = patient  # type: ignore[misc]


def told(port: int, *pieces: bytes) -> tuple[list[str], dict[str, Any]]:
    """Send pieces one after the other; return the status lines that came and the last problem."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        for piece in pieces:
            line.sendall(piece)
            time.sleep(SHORT_S / 3)
        came = rest(line)
    statuses = [one.decode() for one in came.split(b"\r\n") if one.startswith(b"HTTP/1.1 ")]
    _, _, body = came.rpartition(b"\r\n\r\n")
    problem: dict[str, Any] = json.loads(body) if body else {}
    if problem:
        assert f"x-request-id: {problem['request_id']}".encode() in came
    return statuses, problem


def heard() -> list[tuple[str, str]]:
    """Return what the application was told, which it may be a moment after the client had its answer."""
    until = time.monotonic() + 5
    while not SEEN and time.monotonic() < until:
        time.sleep(0.01)
    return SEEN


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("named", [b"", b"x-request-id: mine-1\r\n", b"x-request-id: not one\r\n"])
@pytest.mark.parametrize("broken", [GARBAGE, b""])
def test_a_body_that_breaks_off_has_one_id(port: int, named: bytes, broken: bytes, *, together: bool) -> None:
    """The answer to a wrong chunk, or to none, names the request the application knows."""
    SEEN.clear()
    head = POST + named + CHUNKED + b"\r\n"
    statuses, problem = told(port, *([head + broken] if together else [head, broken]))

    assert ["HTTP/1.1 400 Bad Request" if broken else "HTTP/1.1 408 Request Timeout"] == statuses
    assert [(problem["request_id"], "http.disconnect")] == heard()
    assert problem["request_id"] == "mine-1" if b"mine" in named else is_id(problem["request_id"])


def test_an_id_that_came_is_told_of_a_head_as_well(port: int) -> None:
    """What cannot be a request is answered under the id it gave itself."""
    _, problem = told(port, b"POST / HTTP/1.1\r\nx-request-id: mine-2\r\n\r\n")

    assert "mine-2" == problem["request_id"]


@pytest.mark.parametrize(
    ("sent", "status", "word"),
    [
        (POST + CHUNKED + b"\r\n" + GARBAGE, 400, "framed"),
        (POST + b"x-a: " + b"b" * 66_000 + b"\r\n\r\n", 431, "64 KiB"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", 431, "64 KiB"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "Host"),
        (b"FOO / HTTP/1.1\r\nhost: x\r\n\r\n", 400, "no HTTP/1.1 request"),
        (POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab", 400, "no HTTP/1.1 request"),
    ],
)
def test_what_is_wrong_is_said(port: int, sent: bytes, status: int, word: str) -> None:
    """A body, a large head, a missing host and what is no request at all are told apart."""
    _, problem = told(port, sent)

    assert (status, "/problems/invalid-request") == (problem["status"], problem["type"])
    assert word in problem["detail"]


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"gzip,chunked", b"identity", b"gzip"])
def test_a_coding_nobody_undoes_is_refused(port: int, coding: bytes) -> None:
    """A compressed body is not taken for a plain one: 501 (RFC 9112, section 6.1), and nothing is started."""
    SEEN.clear()
    statuses, problem = told(port, POST + b"transfer-encoding: " + coding + b"\r\n\r\n0\r\n\r\n")

    assert ["HTTP/1.1 501 Not Implemented"] == statuses
    assert (501, []) == (problem["status"], SEEN)
    assert "Transfer-Encoding" in problem["detail"]


@pytest.mark.parametrize("coding", [b"chunked", b"  Chunked  ", b"CHUNKED"])
def test_chunks_are_taken(port: int, coding: bytes) -> None:
    """The one coding there is may be spelled as it likes."""
    closing = b"connection: close\r\ntransfer-encoding: "
    statuses, _ = told(port, POST + closing + coding + b"\r\n\r\n1\r\na\r\n0\r\n\r\n")

    assert ["HTTP/1.1 200 OK"] == statuses


def test_an_answer_that_is_due_goes_before_a_refusal(port: int) -> None:
    """Garbage behind a whole request does not take its answer's place: it is the last on the connection."""
    statuses, _ = told(port, b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\nFOO / HTTP/1.1\r\n\r\n")

    assert ["HTTP/1.1 200 OK"] == statuses


def test_garbage_behind_an_answer_is_refused(port: int) -> None:
    """Once the answer has left, the next thing on the connection is answered by itself."""
    statuses, _ = told(port, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"FOO / HTTP/1.1\r\n\r\n")

    assert ["HTTP/1.1 200 OK", "HTTP/1.1 400 Bad Request"] == statuses


NO_ADDRESSES = [
    b"CONNECT x:443",
    b"GET http://",
    b"GET http:///x",
    b"GET http://a:999999/x",
    b"GET http://[::1/x",
    b"GET http://x?y",
]


@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_an_address_that_is_none_is_refused(
    port: int, address: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What only the end of a head shows to be no request is told so, first on a connection as later."""
    SEEN.clear()
    request = address + b" HTTP/1.1\r\nhost: x\r\n\r\n"
    statuses, problem = told(port, request)
    later, _ = told(port, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", request)

    assert ["HTTP/1.1 400 Bad Request"] == statuses
    assert (400, "/problems/invalid-request") == (problem["status"], problem["type"])
    assert "address" in problem["detail"]
    assert ["HTTP/1.1 200 OK", "HTTP/1.1 400 Bad Request"] == later
    assert [] == [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}]


@pytest.mark.parametrize("address", [*NO_ADDRESSES, b"FOO /"])
@pytest.mark.parametrize("path", [b"/", b"/slow"])
def test_what_was_done_is_told_before_what_is_none(port: int, path: bytes, address: bytes) -> None:
    """A whole request with garbage right behind it is answered; nothing takes the place of its answer."""
    SEEN.clear()
    whole = b"POST " + path + b" HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab"
    statuses, _ = told(port, whole + address + b" HTTP/1.1\r\nhost: x\r\n\r\n")

    assert ["HTTP/1.1 200 OK"] == statuses
    assert ["http.request"] == [kind for _, kind in heard()]


def test_of_too_many_at_once_the_first_are_answered(port: int) -> None:
    """Who sends requests without waiting for answers gets as many as may wait, in order, and no more."""
    SEEN.clear()
    statuses, _ = told(port, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 1000)

    assert ["HTTP/1.1 200 OK"] * (1 + protocol.MOST_AHEAD) == statuses
    assert 1 + protocol.MOST_AHEAD == len(SEEN)
