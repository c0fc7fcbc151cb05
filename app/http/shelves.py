"""All routes, found by the shape of a path.

Starlette asks each route in turn whether it matches, and FastAPI does so again for every router that was
included: with some fifty routes that costs more than all controls together. Here the routes stand on
shelves by the number of segments and the first words of their path, and only those of one shelf are asked,
in the order in which they were given.
"""

from collections.abc import Iterable

from fastapi import APIRouter
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

_CHOSEN = "caretrail_route"


class Shelves(BaseRoute):
    """The routes of several routers as one."""

    def __init__(self, routers: Iterable[APIRouter]) -> None:
        self.routes = [route for router in routers for route in router.routes]
        self._shelves: dict[tuple[int, str], list[Route]] = {}
        for route in self.routes:
            assert isinstance(route, Route)  # noqa: S101 - no mounts, no sockets
            self._shelves.setdefault(_shape(route.path), []).append(route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Say whether a route of ours answers; one that knows the path but not the method says 405."""
        if scope["type"] != "http":
            return Match.NONE, {}
        partly: tuple[Match, Scope] = Match.NONE, {}
        for route in self._shelves.get(_shape(scope["path"]), ()):
            match, child = route.matches(scope)
            if match is Match.FULL:
                return match, {**child, _CHOSEN: route}
            if match is Match.PARTIAL and partly[0] is Match.NONE:
                partly = match, {**child, _CHOSEN: route}
        return partly

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request to the route that was found."""
        await scope[_CHOSEN].handle(scope, receive, send)


def _shape(path: str) -> tuple[int, str]:
    """Return how many segments a path has, and its first word; under a version, the one after it."""
    segments = path.split("/")
    place = 2 if segments[1:2] == ["v1"] and len(segments) > 2 else 1
    return len(segments), segments[place] if len(segments) > place else ""
