"""One server of a run, in a process of its own: `python -m tests.bench.serving`, its order on standard input.

Every side runs in the same way: uvicorn on uvloop and httptools, no access log, one worker (two where
said: two such processes on one listening socket), and a settled garbage collector.
"""

import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app import main, serving
from app.access.door import Door
from app.commands.protocol import BoundedProtocol
from app.commands.serving import freeze
from app.core.settings import Settings, load
from app.http.factory import application
from app.http.presenting import Desk
from app.main import assemble
from app.storage.engine import open_engine
from tests.bench.like_for_like import PlainDesk, PlainTurn
from tests.bench.naive import NaiveDoor
from tests.bench.plain_async import orm_async
from tests.bench.plain_parts import static
from tests.bench.plain_sync import orm_sync

PLAIN = ("static", "orm_async", "orm_sync")


def controlled(settings: Settings) -> ASGIApp:
    """Return the service as it is."""
    service = assemble(settings)
    return serving.http(service, main.desk(service))


def naive(settings: Settings) -> ASGIApp:
    """Return the service with a transaction, a commit and a chain lock for each request."""
    service = assemble(settings)
    shared = main.desk(service)
    shared.door = NaiveDoor(service.turn)
    return _opened(shared)


def like_for_like(settings: Settings, plain_url: str) -> ASGIApp:
    """Return the service's routes and door over a turn without controls."""
    service = assemble(settings)
    full = main.desk(service)
    parts = {part.name: getattr(full, part.name) for part in fields(full)}
    turn = PlainTurn(open_engine(plain_url), service.clock)
    return _opened(PlainDesk(**parts | {"door": Door(turn)}))  # type: ignore[arg-type]


def _opened(shared: Desk) -> ASGIApp:
    """Return the service's routes over another door, without the service's own housekeeping."""

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        shared.door.open()
        yield
        await shared.door.close()

    return application(shared, lifespan)


def build(order: dict[str, Any]) -> ASGIApp:
    """Return the application of an order."""
    plain_url = order.get("plain_url", "")
    match order["kind"]:
        case "static":
            return static(order["answer"].encode())
        case "orm_async":
            return orm_async(plain_url)
        case "orm_sync":
            return orm_sync(plain_url)
    settings = load(**order["settings"])
    match order["kind"]:
        case "controlled":
            return controlled(settings)
        case "naive":
            return naive(settings)
        case "like_for_like":
            return like_for_like(settings, plain_url)
    raise ValueError(order["kind"])


class Server(uvicorn.Server):
    """A server that settles its memory once it has started."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then keep the collector from walking through everything that was loaded."""
        await super().startup(sockets)
        freeze()
        print("ready", flush=True)


def run() -> None:
    """Serve until the process is told to stop."""
    order = json.loads(sys.stdin.readline())
    plain = order["kind"] in PLAIN
    config = uvicorn.Config(
        build(order),
        loop="uvloop",
        http=HttpToolsProtocol if plain else BoundedProtocol,  # the service's own is httptools with bounds
        ws="none",
        lifespan="on",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_level="warning",
    )
    Server(config).run(sockets=[socket.socket(fileno=order["socket"])])


if __name__ == "__main__":
    run()
