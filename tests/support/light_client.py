"""An HTTP/1.1 client that does little: most of what a test of many requests computes is its client.

Answers are `httpx2.Response`s, failures `httpx2`'s errors, addresses and connections are kept as httpx2
keeps them; nothing is followed, stored or decompressed on the way. What a test is about on the line
itself - halves of requests, heads, upgrades - it sends over a socket of its own.
"""

import asyncio
import re
import select
import socket
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, NamedTuple, Self

import httptools
import httpx2

LONGEST_S = 60
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9/_.~:?&=-]*")
_PIECE = 1 << 16
_NO_BODY = frozenset(("GET", "HEAD", "DELETE", "OPTIONS"))


class Request(NamedTuple):
    """What is sent: a path below the address of the server, headers as text, and a body."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes | None = None
    params: Mapping[str, str] | None = None

    def rendered(self, host: str) -> bytes:
        """Return the bytes of it."""
        target = self.path
        if self.params is not None or not _PLAIN_PATH.fullmatch(target):
            given = {} if self.params is None else {"params": self.params}
            target = httpx2.URL(f"http://{host}{self.path}", **given).raw_path.decode("ascii")
        lines = [f"{self.method} {target} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        measured = self.content is not None or self.method not in _NO_BODY
        if measured and not {"content-length", "transfer-encoding"} & {name.lower() for name in self.headers}:
            lines.append(f"Content-Length: {len(self.content or b'')}")
        return "\r\n".join((*lines, "", "")).encode("ascii") + (self.content or b"")


class _Incoming:
    """The answer to one request while it comes in."""

    def __init__(self, method: str) -> None:
        self._headless = method == "HEAD"
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)
        self._status = 0
        self.whole = False
        self.stays = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        self.stays = self._parser.should_keep_alive()
        self.whole = self._headless

    def on_body(self, piece: bytes) -> None:
        self._body.append(piece)

    def on_message_complete(self) -> None:
        if self._status < 200:
            self._headers.clear()  # the answer proper is to come
        else:
            self.whole = True

    def feed(self, piece: bytes) -> None:
        """Take in what came; nothing means that the other side has closed."""
        if not piece:
            raise httpx2.RemoteProtocolError("closed before the answer was whole")
        self._parser.feed_data(piece)

    def response(self) -> httpx2.Response:
        """Return the whole answer."""
        return httpx2.Response(self._status, headers=self._headers, content=b"".join(self._body))


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise httpx2.ReadTimeout("no answer in time") from error
    except ConnectionRefusedError as error:
        raise httpx2.ConnectError("nobody listens") from error
    except OSError as error:
        raise httpx2.ReadError(str(error)) from error


class Client:
    """Asks one server; any thread may. Connections stay open between requests, as with httpx2."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._host = f"127.0.0.1:{port}"
        self._idle: deque[socket.socket] = deque()

    def close(self) -> None:
        """Close what is open."""
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, request: Request) -> httpx2.Response:
        """Send a request and return its answer."""
        with _failures(), ExitStack() as broken_off:
            connection = broken_off.enter_context(self._connection())
            incoming = _Incoming(request.method)
            # A server may refuse before it has read all, and close; its answer says why
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(request.rendered(self._host))
            while not incoming.whole:
                incoming.feed(connection.recv(_PIECE))
            if incoming.stays:
                broken_off.pop_all()
                self._idle.append(connection)
        return incoming.response()

    def _connection(self) -> socket.socket:
        while self._idle:
            connection = self._idle.pop()
            if not select.select([connection], [], [], 0)[0]:
                return connection
            connection.close()  # the server has closed it meanwhile
        made = socket.create_connection(("127.0.0.1", self._port), LONGEST_S)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made


class OneOfMany(asyncio.Protocol):
    """One connection of a crowd; it opens another when the server closes it between two requests.

    async with OneOfMany(port) as one:
        response = await one.ask(request)
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._host = f"127.0.0.1:{port}"
        self._transport: Any = None
        self._incoming: _Incoming | None = None
        self._waiting: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._transport is not None:
            self._transport.close()

    async def ask(self, request: Request) -> httpx2.Response:
        """Send a request and return its answer."""
        with _failures():
            async with asyncio.timeout(LONGEST_S):
                if self._transport is None:
                    await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._port)
                self._incoming = incoming = _Incoming(request.method)
                self._waiting = asyncio.get_running_loop().create_future()
                self._transport.write(request.rendered(self._host))
                await self._waiting
        if not incoming.stays and self._transport is not None:
            self._transport.close()
            self._transport = None
        return incoming.response()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note where to write."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take in a piece of the answer that is waited for."""
        if self._incoming is None or self._waiting is None or self._waiting.done():
            return
        self._incoming.feed(data)
        if self._incoming.whole:
            self._waiting.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail who waits; the next request opens another connection."""
        self._transport = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(httpx2.RemoteProtocolError("closed before the answer was whole"))
