"""The event loop of a server: one in which TLS has to begin as soon as a request has to.

Left alone, a loop waits a minute for a client's part in it, before it tells anybody of the connection.
"""

from typing import Any

import uvloop

from app.commands.protocol import HEAD_S


class Loop(uvloop.Loop):
    """The usual loop, but for what it waits for."""

    async def create_server(self, *args: Any, **named: Any) -> Any:
        """Return a server whose clients have a bounded time to begin TLS."""
        if named.get("ssl") is not None:
            named["ssl_handshake_timeout"] = HEAD_S
        return await super().create_server(*args, **named)
