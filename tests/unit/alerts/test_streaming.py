"""A stream by itself: its place, and its end while it is catching up."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from app.access.operation import Operation
from app.access.visit import Visited
from app.access.work import Answer, Work
from app.alerts.stream_works import Event, Seen, StreamLook, Streams, StreamStart, Ticket
from app.alerts.streaming import begin
from app.core.errors import ConflictError


def test_a_place_that_was_left_is_not_taken() -> None:
    """A turn that comes to a stream its client was refused already takes no place for it."""
    streams, given_up, waiting = Streams(), Ticket("a"), Ticket("b")
    streams.leave(given_up)
    streams.take(given_up, "s", "u")
    assert 0 == len(streams)
    for ticket in (waiting, Ticket("c"), Ticket("d")):
        streams.take(ticket, "s", "u")
    with pytest.raises(ConflictError):
        streams.take(Ticket("e"), "s", "u")
    streams.leave(waiting)
    assert 2 == len(streams)


def test_a_start_that_is_given_up_leaves_no_place() -> None:
    """The door answered, the turn goes on all the same: nothing is taken for good."""
    streams, late = Streams(), list[Work]()

    async def serve(_row: Operation, work: Work) -> Visited:
        late.append(work)
        raise TimeoutError

    with pytest.raises(TimeoutError):
        asyncio.run(begin(serve, streams))
    [start] = late
    assert isinstance(start, StreamStart)
    streams.take(start.ticket, "s", "u")
    assert 0 == len(streams)


def test_a_stream_that_is_catching_up_hears_that_the_server_stops() -> None:
    """However much there is to catch up with, the next look is the last."""
    looks = 0

    async def serve(_row: Operation, work: Work) -> Visited:
        nonlocal looks
        looks += isinstance(work, StreamLook)
        assert looks < 10
        found: Any = Seen([Event(looks, {})], looks, more=True) if isinstance(work, StreamLook) else 0
        return Visited(Answer(found), None, datetime(2026, 3, 2, tzinfo=UTC))

    async def listen() -> list[bytes]:
        stream = await begin(serve, Streams(), 0)
        return [part async for part in stream.parts(lambda: looks >= 3)]

    heard = asyncio.run(listen())
    assert 3 == looks
    assert b'{"reason":"stopping"}' in heard[-1]
