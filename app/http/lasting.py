"""An answer that lasts: server-sent events, until who listens leaves, is too slow, or may not any more.

The server tells through the request's scope when it is about to stop, and lets a connection be cut whose
client takes nothing: without a cut the bytes it never took would keep the connection.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, Final, Protocol

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

STOPS: Final = "server_stops"
CUT: Final = "cut_connection"
"""Keys in `scope["state"]` of two functions: whether the server stops; cut the connection."""
SLOW_AFTER_S: Final = 10.0
"""How long a client may take for what it was sent."""
MEDIA_TYPE: Final = "text/event-stream"
SLOW: Final = "slow-reader"


class Lasting(Protocol):
    """What is streamed: parts, why it broke off, and an end that has to be told of."""

    broken: str | None

    def parts(self, stops: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Yield the bytes until it ends, or until the server stops."""
        ...

    async def close(self) -> None:
        """Tell of the end."""
        ...


class EventStream(Response):
    """A stream of events on its way. Its end is told of also when the client left before the first byte."""

    def __init__(self, lasting: Lasting, status: int, headers: Mapping[str, str]) -> None:
        own = {"Content-Type": MEDIA_TYPE, "X-Accel-Buffering": "no"}
        super().__init__(None, status, {**headers, **own})
        del self.headers["content-length"]
        self._lasting = lasting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until it ends or nobody listens any more."""
        try:
            await _first_of(self._send(scope, send), _gone(receive))
        finally:
            await self._lasting.close()

    async def _send(self, scope: Scope, send: Send) -> None:
        state: dict[str, Any] = scope.get("state", {})
        try:
            await self._parts(state.get(STOPS, _never), send)
        except TimeoutError:
            self._lasting.broken = SLOW
            state.get(CUT, _never)()

    async def _parts(self, stops: Callable[[], bool], send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await send(start)
        async for part in self._lasting.parts(stops):
            async with asyncio.timeout(SLOW_AFTER_S):
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await self._lasting.close()  # who got the whole answer finds its end in the trail
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class FileToCome(Protocol):
    """What is handed over as a file: its name, its kind, its bytes, and an end that has to be recorded."""

    filename: str
    media_type: str

    def stream(self) -> AsyncIterator[bytes]:
        """Yield the bytes."""
        ...

    async def close(self) -> None:
        """Record the end, if it is not."""
        ...


class FileAnswer(StreamingResponse):
    """A file on its way. Its end is recorded also when the client left before the first byte."""

    def __init__(self, file: FileToCome, status: int, headers: Mapping[str, str]) -> None:
        disposition = {"Content-Disposition": f'attachment; filename="{file.filename}"'}
        super().__init__(file.stream(), status, {**headers, **disposition}, file.media_type)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._file.close()


async def _first_of(*ways: Coroutine[Any, Any, None]) -> None:
    """Run until one is over, then have the others stop."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        over, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in over:
        task.result()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _never() -> bool:
    return False
