"""HTTP/1.1 with bounds on what a client may leave unfinished.

uvicorn waits for ever for the rest of a request. Here a request's head has a size and a time, and the
pieces of its body may not be far apart: thousands of sockets that dribble hold little memory, and not
for long. Bodies themselves are bounded at the application's edge, connections in `connections`.
"""

import asyncio
from typing import Any, Literal, NoReturn, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.commands.below_http import (
    HEAD_BYTES,
    TOO_LATE,
    BodyError,
    CodingError,
    HeadError,
    HeadTooLargeError,
    HostError,
    refusal,
)
from app.commands.connections import giving_way, most_connections
from app.core.identifiers import new_id
from app.core.logs import logger
from app.http.edge import REQUEST_ID
from app.http.lasting import CUT, STOPS
from app.http.strict_json import request_id

HEAD_S = 10.0
"""From a request's first byte to the end of its headers; from the connection for the first request."""
BODY_PAUSE_S = 30.0
"""Between two pieces of a body."""
BODY_S = 300.0
"""For a whole body: 8 MiB over a bad line, not a byte a second for ever."""
FAREWELL_S = 1.0
"""For a client to close its side, after a refusal or when the service stops."""
MOST_AHEAD = 32
"""Requests a client may have sent while an earlier one is answered."""
HEADER_BYTES = 64
"""What a header counts beside its letters: many short ones take up more than a few long ones."""
_BLANK = b" \t"


class BoundedProtocol(HttpToolsProtocol):
    """One connection. It waits for a head, for more of a body, or - with a whole request - for us."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._state: Literal["head", "body", "ours"] = "head"
        self._head_bytes = 0
        self._frame_bytes = 0
        self._begun = 0
        self._body_until = 0.0
        self._waiting: asyncio.TimerHandle | None = None
        self._leaving = False
        self._stops = False
        self._problem = HeadError()
        self._waiting_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to wait for the first head, in the place of somebody else if there are too many."""
        super().connection_made(transport)
        self._waiting_since = self.loop.time()
        self._wait(HEAD_S)
        if len(self.connections) > (most := most_connections()):
            self._take_a_place(most)

    def connection_lost(self, exc: Exception | None) -> None:
        """End all waiting."""
        self._wait(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, then see what it leaves unfinished."""
        if self._leaving:
            return
        before, begun, self._frame_bytes = self._state, self._begun, len(data)
        super().data_received(data)
        if self._leaving:
            return
        if self.transport.is_closing():
            self._wait(None)
        elif before == self._state == "body" and self._grown(self._frame_bytes):
            self._refuse(HeadTooLargeError.status, HeadTooLargeError.said)
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
        if len(self.pipeline) >= MOST_AHEAD:
            self._stop(HeadError())
        super().on_message_begin()
        self.scope["state"] |= {STOPS: lambda: self._stops, CUT: self.transport.abort}

    def on_url(self, url: bytes) -> None:
        """Take a piece of the address."""
        self._take(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; all of them together are bounded, also when they come in one piece.

        Blanks after a value are no part of it (RFC 9110, section 5.5); the parser drops those before it.
        What comes behind a body is no header (section 6.5.1): it counts, and is dropped.
        """
        self._take(len(name) + len(value) + HEADER_BYTES)
        if self._state == "head":
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
        super().on_headers_complete()  # may stop at the address: until then it is no request
        self._state, self._problem = "body", BodyError()
        self._waiting_since = self.loop.time()
        self._body_until = self._waiting_since + BODY_S

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body. What frames the next one, or trails the last, is bounded like a head."""
        self._head_bytes = self._frame_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        self._state = "ours"
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on to the next request, or wait for one."""
        super().on_response_complete()
        self._waiting_since = self.loop.time()

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
            self._refuse(b"408 Request Timeout", TOO_LATE)

    @property
    def waited_since(self) -> float | None:
        """Return since when the client keeps us waiting; None if it is we who owe an answer."""
        theirs = self._answered or self._state == "body" or self.flow.write_paused
        return self._waiting_since if theirs else None

    @property
    def idle(self) -> bool:
        """Say whether no request is under way."""
        return self._answered

    def _take_a_place(self, most: int) -> None:
        others = cast("set[BoundedProtocol]", self.connections) - {self}
        leaving = giving_way(others, most) or [self]
        logger.warning("connections-crowded", extra={"count": len(leaving)})
        for one in leaving:
            one.let_go()

    def let_go(self) -> None:
        """Close at once, without a word. The descriptor is free when the loop comes round."""
        self._leaving = True
        self.connections.discard(self)
        self._wait(None)
        self.transport.abort()

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
        self.transport.write(refusal(status, detail, self._request_id()))
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
