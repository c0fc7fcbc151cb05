"""Alerts as they happen: server-sent events, in constant memory.

`begin` takes a turn: the entry is committed before the first byte. Then about every second another turn
looks what happened, for as long as session, permission and place still allow it. Whatever ends it - a lost
client, an ended session, a stopping server - one more entry says so.

Each event has the number of its entry for an id: who comes back with it (`Last-Event-ID`) is told everything
since, and nothing twice. A crash of this process leaves an entry that a stream began and none that it ended.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from math import inf
from typing import Final

import orjson

from app.access.operation import Operation
from app.access.visit import Visited, VisitRefusedError
from app.access.work import Work
from app.alerts.stream_works import (
    STREAM,
    STREAM_END,
    Event,
    Seen,
    StreamEnd,
    StreamLook,
    Streams,
    StreamStart,
    Ticket,
)
from app.audit.entry import Stamp
from app.core.clock import monotonic
from app.core.identifiers import new_id

logger = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
HEARTBEAT_EVERY_S: Final = 15.0
EVENTS_AT_ONCE: Final = 100
HEARTBEAT: Final = b": still here\n\n"
HELLO: Final = b"retry: 3000\n\n"
STOPPING: Final = "stopping"
OVER: Final = "over"

Serve = Callable[[Operation, Work], Awaitable[Visited]]
"""Runs one work through the door for whoever listens."""


async def begin(
    serve: Serve, streams: Streams, after: int | None = None, for_s: float | None = None
) -> "Stream":
    """Begin a stream: take the turn that decides and writes the first entry.

    Args:
        serve: Runs a work through the door with the caller's credential.
        streams: Which are open.
        after: The number of the event the client saw last; None for from now on.
        for_s: After how many seconds it ends by itself, once it told what was missed; None for never.

    Raises:
        VisitRefusedError: The caller may not, or has too many open.
    """
    ticket = Ticket(new_id())
    begun = False
    try:
        visited = await serve(STREAM, StreamStart(ticket, after, streams))
        begun = True
    finally:
        if not begun:
            streams.leave(ticket)
    return Stream(serve, streams, ticket, visited, for_s)


class Stream:
    """A stream under way. Hand out `parts()`; then, or whenever it breaks off, `close()`.

    Attributes:
        stamp: The receipt of its first entry.
        broken: Why it broke off, so far.
    """

    def __init__(
        self, serve: Serve, streams: Streams, ticket: Ticket, visited: Visited, for_s: float | None
    ) -> None:
        self.stamp: Stamp | None = visited.stamp
        self.broken: str | None = None
        self._serve, self._streams, self._ticket = serve, streams, ticket
        self._after: int = visited.answer.payload
        self._events = 0
        self._spoke = monotonic()
        self._until = self._spoke + for_s if for_s is not None else inf
        self._ending: asyncio.Task[None] | None = None

    async def parts(self, stops: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Yield the bytes of the stream until it ends; the last event says why.

        Args:
            stops: Says whether the server is about to stop.
        """
        yield HELLO
        try:
            while True:
                async for part in self._look(stops):
                    yield part
                left = self._until - monotonic()
                if left <= 0 or stops():
                    break
                await asyncio.sleep(min(LOOK_EVERY_S, left))
        except VisitRefusedError as refused:
            self.broken = refused.error.why
            yield _farewell(refused.error.slug)
            return
        yield _farewell(STOPPING if stops() else OVER)

    async def _look(self, stops: Callable[[], bool]) -> AsyncIterator[bytes]:
        more = True
        while more and not stops():
            work = StreamLook(self._after, EVENTS_AT_ONCE)
            seen: Seen = (await self._serve(STREAM, work)).answer.payload
            if seen.events:
                yield b"".join(map(_spelled, seen.events))
                self._events += len(seen.events)
                self._spoke = monotonic()
            self._after, more = seen.onward, seen.more
        if monotonic() - self._spoke >= HEARTBEAT_EVERY_S:
            self._spoke = monotonic()
            yield HEARTBEAT

    async def close(self) -> None:
        """Record the end, once. It is recorded even when whoever waits for it is cancelled."""
        if self._ending is None:
            self._streams.leave(self._ticket)
            self._ending = asyncio.create_task(self._end())
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        try:
            await self._serve(STREAM_END, StreamEnd(self._ticket.stream_id, self._events, self.broken))
        except VisitRefusedError as refused:
            if self.broken is None or refused.stamp is None:
                logger.error("alert-stream-end-not-recorded", extra={"why": refused.error.why})  # noqa: TRY400


def _spelled(event: Event) -> bytes:
    return b"id: %d\nevent: alert\ndata: %b\n\n" % (event.entry, orjson.dumps(event.shown))


def _farewell(reason: str) -> bytes:
    return b"event: end\ndata: %b\n\n" % orjson.dumps({"reason": reason})
