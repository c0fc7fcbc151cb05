"""HTTP/1.1 with bounds on what a client may leave unfinished.

uvicorn waits for ever for the rest of a request. Here a request's head has a size and a time, and the
pieces of its body may not be far apart: thousands of sockets that dribble hold little memory, and not
for long. Bodies themselves are bounded at the application's edge.
"""

import asyncio
from typing import Any, Literal, NoReturn

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.core.errors import InvalidRequestError
from app.core.identifiers import new_id
from app.http import problems
from app.http.edge import REQUEST_ID
from app.http.lasting import CUT, STOPS
from app.http.strict_json import request_id

HEAD_BYTES = 64 * 1024
HEAD_S = 10.0
"""From a request's first byte to the end of its headers; from the connection for the first request."""
BODY_PAUSE_S = 30.0
"""Between two pieces of a body."""
BODY_S = 300.0
"""For a whole body: 8 MiB over a bad line, not a byte a second for ever."""
FAREWELL_S = 1.0
"""For a client to close its side, after a refusal or when the service stops."""
_BLANK = b" \t"
_REFUSAL = (
    b"HTTP/1.1 %b\r\ncontent-type: application/problem+json\r\ncontent-length: %d\r\nx-request-id: %b\r\n"
    b"x-content-type-options: nosniff\r\ncache-control: no-store\r\nconnection: close\r\n\r\n%b"
)
_BAD_REQUEST = b"400 Bad Request"
_NO_REQUEST = "What came is no HTTP/1.1 request: look at its method and its headers."
_NO_BODY = "The body is not framed as the headers say: look at Content-Length, or at the size of each chunk."
_NO_HOST = "Name one host in the header Host."
_NO_CODING = "This service understands no Transfer-Encoding but chunked: send the body as it is."
_TOO_LARGE = f"The headers are larger than {HEAD_BYTES // 1024} KiB together: send fewer or shorter ones."
_TOO_LATE = "The request did not come to its end in time: send it again, whole."


class HeadError(ValueError):
    """The head of a request is not taken; said is what the client is told."""

    status = _BAD_REQUEST
    said = _NO_REQUEST


class HeadTooLargeError(HeadError):
    """The head of a request is larger than any this service understands."""

    status = b"431 Request Header Fields Too Large"
    said = _TOO_LARGE


class HostError(HeadError):
    """A request names no host, or several."""

    said = _NO_HOST


class CodingError(HeadError):
    """A body comes in a coding this service cannot undo (RFC 9112, section 6.1)."""

    status = b"501 Not Implemented"
    said = _NO_CODING


class BoundedProtocol(HttpToolsProtocol):
    """One connection. It waits for a head, for more of a body, or - with a whole request - for us."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._state: Literal["head", "body", "ours"] = "head"
        self._head_bytes = 0
        self._begun = 0
        self._body_until = 0.0
        self._waiting: asyncio.TimerHandle | None = None
        self._leaving = False
        self._stops = False
        self._problem = HeadError()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._wait(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """End all waiting."""
        self._wait(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, then see what it leaves unfinished."""
        if self._leaving:
            return
        before, begun = self._state, self._begun
        super().data_received(data)
        if self._leaving:
            return
        if self.transport.is_closing():
            self._wait(None)
        elif self._state == "body":
            self._wait(max(0.0, min(BODY_PAUSE_S, self._body_until - self.loop.time())))
        elif self._state == "ours":
            # Nothing but line breaks between requests: uvicorn has stopped its keep-alive timer for them
            self._wait(HEAD_S if self._answered else None)
        elif before != "head" or self._begun > begun > 0:
            self._wait(HEAD_S)
        elif self._grown(len(data)):
            self._refuse(HeadTooLargeError.status, HeadTooLargeError.said)

    def on_message_begin(self) -> None:
        """Go on to a head."""
        self._state, self._head_bytes, self._problem = "head", 0, HeadError()
        self._begun += 1
        super().on_message_begin()
        self.scope["state"] |= {STOPS: lambda: self._stops, CUT: self.transport.abort}

    def on_url(self, url: bytes) -> None:
        """Take a piece of the address."""
        self._take(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; all of them together are bounded, also when they come in one piece.

        Blanks after a value are no part of it (RFC 9110, section 5.5); the parser drops those before it.
        """
        self._take(len(name) + len(value))
        super().on_header(name, value.rstrip(_BLANK) if value[-1:] in _BLANK else value)

    def on_headers_complete(self) -> None:
        """Go on to the body, if one host is named and the body is in no coding but chunks.

        RFC 9112, sections 3.2 (in HTTP/1.0 it may be no host) and 6.1.
        """
        hosts = 0
        for name, value in self.headers:
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding" and value.lower() != b"chunked":
                self._stop(CodingError())
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() != "1.0"):
            self._stop(HostError())
        self._state = "body"
        self._body_until = self.loop.time() + BODY_S
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        self._state = "ours"
        super().on_message_complete()

    def shutdown(self) -> None:
        """Let go of an idle client at once: TLS would wait for its farewell as long as for an answer.

        A stream that would go on for ever is told, and ends itself.
        """
        self._stops = True
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(FAREWELL_S, self.transport.abort)

    def send_400_response(self, _msg: str) -> None:
        """Refuse what the parser cannot take, or what one of the above stopped it at."""
        if self._state == "body":
            self._refuse(_BAD_REQUEST, _NO_BODY)
        else:
            self._refuse(self._problem.status, self._problem.said)

    def _stop(self, problem: HeadError) -> NoReturn:
        self._problem = problem  # the parser tells that it was stopped, not by what
        raise problem

    def _take(self, count: int) -> None:
        if self._grown(count):
            self._stop(HeadTooLargeError())

    def _grown(self, count: int) -> bool:
        # Pieces of one header wait in the parser until it is whole: only the bytes received show them.
        # Those and the parsed ones are counted together, so the bound is met at half of it at the latest.
        self._head_bytes += count
        return self._head_bytes > HEAD_BYTES

    def _wait(self, seconds: float | None) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = self.loop.call_later(seconds, self._give_up) if seconds is not None else None

    def _give_up(self) -> None:
        self._waiting = None
        if self.flow.read_paused or (self._state == "head" and not self._answered):
            self._wait(BODY_PAUSE_S)  # it is we who are slow: with the body, or with an earlier request
        else:
            self._refuse(b"408 Request Timeout", _TOO_LATE)

    @property
    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _refuse(self, status: bytes, detail: str) -> None:
        """Close, with an answer if one is due. Of a head nothing is recorded: no session is known of it."""
        self._wait(None)
        if self._state == "head" and not self._answered:
            # the answer to the request before goes first, and is the last on this connection
            self._leaving, self.cycle.keep_alive = True, False
        elif self._state == "head" or (self._state == "body" and self._unanswered_body):
            self._leave(status, detail)
        else:
            self.transport.close()

    @property
    def _unanswered_body(self) -> bool:
        return not self.pipeline and not self.cycle.response_started

    def _leave(self, status: bytes, detail: str) -> None:
        """Answer, then let the rest of what was sent go by for a moment before closing.

        A socket closed with bytes unread resets the connection, and the answer is lost on its way. Where the
        application waits for a body it hears that there is no more of it, and records the request.
        """
        self.transport.write(_refusal(status, detail, self._request_id()))
        self._leaving = True
        if self._state == "body":
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._wait(None)
        self._waiting = self.loop.call_later(FAREWELL_S, self.transport.close)

    def _request_id(self) -> str:
        """Return the id of the request that is refused: the one its entry has, or is going to have."""
        if self.scope is None:  # not a byte of a request came
            return new_id()
        state = self.scope["state"]
        if REQUEST_ID not in state:
            state[REQUEST_ID] = request_id([v for name, v in self.headers if name == b"x-request-id"], new_id)
        told: str = state[REQUEST_ID]
        return told


def _refusal(status: bytes, detail: str, named: str) -> bytes:
    """Return a whole answer: the problem of invalid input, with the status of what stays below HTTP."""
    problem = problems.document(InvalidRequestError(detail=detail), named, "/")
    body = orjson.dumps(problem | {"status": int(status[:3])})
    return _REFUSAL % (status, len(body), named.encode(), body)
