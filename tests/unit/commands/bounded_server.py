"""A server with the bounded protocol in a thread, before an application of a test."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from app.commands.protocol import BoundedProtocol
from tests.unit.commands.conftest import free_port


@contextmanager
def serving(app: Any) -> Iterator[int]:
    """Serve while the block lasts, on the port it is given."""
    chosen = free_port()
    config = uvicorn.Config(
        app, port=chosen, http=BoundedProtocol, ws="none", log_config=None, lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield chosen
    server.should_exit = True
    thread.join(10)
