"""The short way: a request for one of our routes, past what the framework wraps around every request.

Between the socket and an endpoint FastAPI and Starlette put eight wrappers - telemetry, body limits, exit
stacks, two kinds of exception handling - and ask every router in turn. With all of them, asking a route
costs more than deciding, unsealing and recording together (decision 0011). None is needed by a route that
reads its request itself and answers with a response. So whatever matches one of these routes goes straight
to it, and all else - unknown addresses, wrong methods, probes, pages - to the application.
"""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from app.http.edge import ANSWER_STARTED
from app.http.problems import Handler
from app.http.strict_route import StrictRoute


class Lane:
    """Routes in front of an application, found by the shape of a path."""

    def __init__(self, app: FastAPI, routes: Iterable[StrictRoute]) -> None:
        self._app = app
        self._handlers: dict[Any, Any] = dict(app.exception_handlers)
        self._shelves: dict[tuple[str, int, str], list[StrictRoute]] = {}
        for route in routes:
            for method in route.methods or ():
                self._shelves.setdefault(_shape(method, route.path), []).append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or hand it on."""
        route = self._find(scope) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["app"] = self._app
        request = Request(scope, receive, send)
        try:
            answer = await route.answer(request)
            await answer(scope, receive, send)
        except Exception as error:
            if scope["state"].get(ANSWER_STARTED):
                raise  # a stream that broke: there is nothing left to say
            handler, known = self._handler(error)
            refusal: ASGIApp = await handler(request, error)
            await refusal(scope, receive, send)
            if not known:
                raise

    def _find(self, scope: Scope) -> StrictRoute | None:
        for route in self._shelves.get(_shape(scope["method"], scope["path"]), ()):
            match, found = route.matches(scope)
            if match is Match.FULL:
                scope.update(found)
                return route
        return None

    def _handler(self, error: Exception) -> tuple[Handler, bool]:
        """Return who answers an error, and whether it is one of the known ones."""
        kind = next(kind for kind in type(error).__mro__ if kind in self._handlers)
        handler: Handler = self._handlers[kind]
        return handler, kind is not Exception


def _shape(method: str, path: str) -> tuple[str, int, str]:
    """Return the method, how many segments a path has, and the one after the version."""
    segments = path.split("/", 3)
    return method, path.count("/"), segments[2] if len(segments) > 2 else ""
