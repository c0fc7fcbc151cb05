"""The last net: a crash of the application is a problem for the caller and a place in the log."""

import logging
import traceback
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import CaretrailError
from app.http.edge import ANSWER_STARTED, REQUEST_ID
from app.http.problems import answer

_log = logging.getLogger("caretrail.http")


def contained(app: ASGIApp) -> ASGIApp:
    """Return the application with its crashes logged by place only; it goes inside the edge.

    The framework raises a crash on to the server, whose log would print the message - and with it
    whatever part of a record the message quotes.
    """

    async def outermost(scope: Scope, receive: Receive, send: Send) -> None:
        """Log which lines a crash went through: no message, no values."""
        try:
            await app(scope, receive, send)
        except Exception as crash:
            if scope["type"] != "http":
                raise
            request_id = scope["state"].get(REQUEST_ID, "")
            frames = traceback.extract_tb(crash.__traceback__)[-6:]
            where = " ".join(f"{Path(f.filename).name}:{f.lineno}:{f.name}" for f in frames)
            known = {"rid": request_id, "cause": type(crash).__name__, "where": where}
            _log.error("request-crashed", extra=known)
            if not scope["state"].get(ANSWER_STARTED):
                await answer(CaretrailError(), request_id, "/")(scope, receive, send)

    return outermost
