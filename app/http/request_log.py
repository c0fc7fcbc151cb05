"""A line in the log for each request, for who looks after the service: which route, how it ended, how long.

The trail says who did what to whose data; this says how the service fares. So a line names the route as it
is declared, never the address that was asked for: addresses hold ids of residents. A request id leads from
the line to the entry of the trail.

Source: LOG-1 (ASVS 5.0 16.2.5, no sensitive data in logs).
"""

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.clock import monotonic
from app.http.edge import REQUEST_ID

_log = logging.getLogger("caretrail.http")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""What may stand in a line; anything else a client made up is `other`."""
UNMATCHED = "none"


class RequestLog:
    """The application with a line for each request when its answer is sent: a stream's when it ends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request in, and say how it ended; `status` is null if the client left before."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = monotonic(), None

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            _log.info("request", extra=_line(scope, status, monotonic() - begun))


def _line(scope: Scope, status: int | None, seconds: float) -> dict[str, str | int | None]:
    return {
        "method": scope["method"] if scope["method"] in METHODS else "other",
        "route": getattr(scope.get("route"), "path", UNMATCHED),
        "status": status,
        "ms": round(seconds * 1000),
        "rid": scope.get("state", {}).get(REQUEST_ID, ""),
    }
