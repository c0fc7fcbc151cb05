"""Routes that read a request strictly before anything else sees it.

FastAPI reads bodies with Python's JSON reader, drops query parameters it does not know, takes
the last of a repeated one and ignores a body nobody asked for. Each of these is how two readers
of one request come to differ, so each is refused here (422, or 415 for the media type).

FastAPI declares and documents these routes; the reading is ours, in place of its own handler.
"""

import functools
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from types import NoneType
from typing import Any, get_args, get_origin

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from app.core.errors import InvalidRequestError, UnsupportedMediaTypeError
from app.http import strict_json
from app.http.arguments import NOTHING, Arguments
from app.http.edge import NAMED_CATEGORY, REFUSED_INPUT
from app.http.problems import invalid_request

JSON = frozenset({"application/json", "application/json;charset=utf-8"})
MERGE_PATCH = frozenset({"application/merge-patch+json", "application/merge-patch+json;charset=utf-8"})

_UNKNOWN = "There is a parameter here that this operation does not take."

Answer = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictRoute(APIRoute):
    """A route whose query, media type and JSON body are read strictly.

    A route that describes its own `requestBody` in `openapi_extra` (a form) reads its body itself.
    What an endpoint takes are parameters in path and query and one body; `answer` is the whole route.
    """

    answer: Answer

    def get_route_handler(self) -> Answer:
        """Return what reads a request strictly and has it answered."""
        intake, endpoint = _Intake.of(self), self.endpoint
        arguments = Arguments.of(self, [name for name, repeats in intake.query.items() if repeats])

        async def strict(request: Request) -> Response:
            """Read one request strictly, then have it answered."""
            refused: Exception | None = request.scope.get("state", {}).get(REFUSED_INPUT)
            if refused is not None:
                raise refused
            if request.scope["query_string"]:
                _refuse_query(request, intake.query)
            body = await intake.take(request)
            given, findings = arguments.read(request, body)
            if findings:
                if isinstance(body, dict):
                    request.scope["state"][NAMED_CATEGORY] = body.get("category")
                raise invalid_request(findings, body, intake.names())
            answered: Response = await endpoint(**given)
            return answered

        self.answer = strict
        return strict


def strict_router(prefix: str = "", *, tags: list[str] | None = None) -> APIRouter:
    """Return a router whose routes are all strict."""
    return APIRouter(prefix=prefix, tags=list(tags or ()), route_class=StrictRoute)


@dataclass(frozen=True, slots=True)
class _Intake:
    """What one route takes."""

    query: dict[str, bool]
    """Declared query parameters; True for those that may come more than once."""
    media: frozenset[str]
    body: str
    """`json`, `none`, or `own` where the endpoint reads the body itself."""
    names: Callable[[], frozenset[str]]

    @classmethod
    def of(cls, route: APIRoute) -> "_Intake":
        own = "requestBody" in (route.openapi_extra or {})
        return cls(
            query={f.alias: _is_sequence(f.field_info.annotation) for f in route.dependant.query_params},
            media=JSON | MERGE_PATCH if "PATCH" in (route.methods or ()) else JSON,
            body="own" if own else "json" if route.body_field else "none",
            # only asked for when a body is refused, so not worked out at every start
            names=functools.cache(functools.partial(_declared_names, route)),
        )

    async def take(self, request: Request) -> object:
        """Return the value of a request's body, as far as this route has one."""
        if self.body == "own" or (self.body == "none" and not _announces_body(request)):
            return NOTHING
        raw = await _read(request)
        if raw or (self.body == "json" and "content-type" in request.headers):
            self._refuse_media_type(request)
        if not raw:
            return NOTHING
        if self.body == "none":
            raise InvalidRequestError(("", "This operation takes no body."))
        return strict_json.loads(raw)

    def _refuse_media_type(self, request: Request) -> None:
        types = request.headers.getlist("content-type")
        if len(types) != 1 or types[0].lower().replace(" ", "").replace('"', "") not in self.media:
            raise UnsupportedMediaTypeError


def _announces_body(request: Request) -> bool:
    """Say whether there may be a body: without either header HTTP/1.1 has none (RFC 9112, 6.3)."""
    headers = request.headers
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


async def _read(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect:
        raise InvalidRequestError(detail="The body ended before it was complete.") from None


def _refuse_query(request: Request, declared: dict[str, bool]) -> None:
    seen: set[str] = set()
    for name, value in request.query_params.multi_items():
        if name not in declared:
            # without the name: it is input
            raise InvalidRequestError(("/query", f"{_UNKNOWN} {_taken(declared)}"))
        if name in seen and not declared[name]:
            raise InvalidRequestError((f"/query/{name}", "Send this parameter once."))
        # U+FFFD stands where the percent-encoded bytes were not UTF-8
        if not value.isprintable() or "\ufffd" in value:
            raise InvalidRequestError((f"/query/{name}", "Send printable UTF-8."))
        seen.add(name)


def _taken(declared: Iterable[str]) -> str:
    names = ", ".join(sorted(declared))
    return f"It takes: {names}." if names else "It takes none."


def _is_sequence(annotation: Any) -> bool:
    choices = [choice for choice in get_args(annotation) if choice is not NoneType]
    origin = get_origin(annotation) or annotation
    return origin in (list, tuple, set, frozenset) or any(map(_is_sequence, choices))


def _declared_names(route: APIRoute) -> frozenset[str]:
    """Return every field name that the body of a route declares, at any depth."""
    if route.body_field is None:
        return frozenset()
    names: set[str] = set()
    declared: Any = route.body_field.field_info.annotation
    parts: list[Any] = [TypeAdapter(declared).json_schema()]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            properties = part.get("properties")
            names |= properties.keys() if isinstance(properties, dict) else set()
            parts += part.values()
        elif isinstance(part, list):
            parts += part
    return frozenset(names)
