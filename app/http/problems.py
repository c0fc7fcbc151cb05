"""Problems: what a caller is told when a request was not carried out (RFC 9457).

Everything said here comes from our own code: sentences, names the API declares, ids. Nothing a
client sent comes back - not a value, not the name of an unknown field, not an address that is
none of ours - because answers end up in the logs and tickets of others.
"""

import functools
import html
import json
import logging
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from app.core.errors import (
    CaretrailError,
    InvalidRequestError,
    NotFoundError,
    PayloadTooLargeError,
    UnsupportedMediaTypeError,
)
from app.core.identifiers import is_id
from app.http.edge import ANSWER_STARTED, REQUEST_ID
from app.residents.refusals import sentence_of

MOST_ERRORS = 50
"""More would let a small request ask for a large answer."""

Record = Callable[[Request, CaretrailError], Awaitable[tuple[CaretrailError, Mapping[str, str]]]]
"""Makes the one entry of a refused request, if its caller is known.

Returns the error to answer - an ended session is told before a bad body - and headers to add.
"""
Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]
_log = logging.getLogger("caretrail.http")
MEDIA_TYPE = "application/problem+json"
_NUMBER = re.compile(r"[0-9]{1,19}")
_ABSENT = {"missing", "union_tag_not_found"}
_PAGES = Path(__file__).parent / "assets" / "problems.json"


class MethodNotAllowedError(CaretrailError):
    """The address exists, the method does not. Only HTTP knows this problem."""

    slug = "method-not-allowed"
    status = 405
    title = "Method not allowed"
    detail = "Use one of the methods named in the Allow header."

    def __init__(self, allow: str = "") -> None:
        super().__init__()
        self.allow = allow


def answer(
    error: CaretrailError, request_id: str, instance_path: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the RFC 9457 answer of an error."""
    return Response(
        orjson.dumps(document(error, request_id, instance_path)),
        status_code=error.status,
        headers={**_headers(error), **(headers or {})},
        media_type=MEDIA_TYPE,
    )


def document(error: CaretrailError, request_id: str, instance_path: str) -> dict[str, object]:
    """Return the RFC 9457 problem document of an error."""
    problem: dict[str, object] = {
        "type": f"/problems/{error.slug}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": instance_path,
        "request_id": request_id,
    }
    if error.status == InvalidRequestError.status:
        # the contract promises the list for every 422; "" points at the request as a whole
        places = getattr(error, "errors", ()) or (("", error.detail),)
        problem["errors"] = [{"pointer": pointer, "detail": detail} for pointer, detail in places]
    return problem


def _headers(error: CaretrailError) -> dict[str, str]:
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, MethodNotAllowedError) and error.allow:
        headers["Allow"] = error.allow
    return headers


def request_id_of(request: Request) -> str:
    """Return the id of a request; the edge gave it one."""
    given: str = getattr(request.state, REQUEST_ID, "")
    return given


def instance_of(request: Request) -> str:
    """Return the path of a request as far as it is ours to repeat.

    Ids and numbers stay; any other value in the place of one becomes `-`, and an address that
    matches no route at all becomes `/`.
    """
    if "route" not in request.scope:
        return "/"
    given = {str(value) for value in request.path_params.values()}
    foreign = {value for value in given if not (is_id(value) or _NUMBER.fullmatch(value))}
    path: str = request.scope["path"]
    return "/".join("-" if segment in foreign else segment for segment in path.split("/"))


def invalid_request(
    errors: Iterable[Mapping[str, Any]], body: object = None, names: frozenset[str] = frozenset()
) -> CaretrailError:
    """Return our error for the findings of pydantic, in our words.

    Args:
        errors: As pydantic lists them.
        body: The value they were found in.
        names: The field names the operation declares; no other name gets into a pointer.
    """
    findings = list(errors)
    if any(finding["loc"][:1] == ("path",) for finding in findings):
        return NotFoundError()
    shown = findings[:MOST_ERRORS]
    return InvalidRequestError(*dict.fromkeys((_pointer(f, body, names), sentence_of(f)) for f in shown))


def _pointer(finding: Mapping[str, Any], body: object, names: frozenset[str]) -> str:
    place, *steps = finding["loc"]
    if finding["type"].startswith("union_tag"):
        steps.append(finding["ctx"]["discriminator"].strip("'"))  # the field that tells the kinds apart
    if place == "body":
        return _body_pointer(steps, body, names, finding["type"])
    # a parameter that was found wrong is a declared one: undeclared ones are refused before
    return f"/{place}/{_escaped(steps[0])}"


def _body_pointer(steps: Sequence[object], body: object, names: frozenset[str], kind: str) -> str:
    """Follow the steps into the body; the tags of unions, which are no part of it, fall out."""
    pointer, here = "", body
    for step in steps:
        if isinstance(here, list) and isinstance(step, int):
            here = here[step]
        elif step not in names:
            continue
        elif isinstance(here, dict) and step in here:
            here = here[step]
        elif kind not in _ABSENT or step is not steps[-1]:
            continue
        pointer += f"/{_escaped(step)}"
    return pointer


def _escaped(step: object) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")


def exception_handlers(record: Record) -> dict[int | type[Exception], Handler]:
    """Return the handlers that turn every exception of the application into a problem.

    `record` is awaited once for each problem, before it is answered. If it raises an error of
    ours (the trail cannot be written), that error is answered instead.
    """

    async def told(request: Request, error: CaretrailError) -> Response:
        """Have an error recorded, then answer it."""
        headers: Mapping[str, str] = {}
        try:
            error, headers = await record(request, error)
        except CaretrailError as instead:
            error = instead
        return answer(error, request_id_of(request), instance_of(request), headers)

    async def invalid(request: Request, error: RequestValidationError) -> Response:
        """Answer input that FastAPI found wrong on a route that is not strict."""
        return await told(request, invalid_request(error.errors(), error.body))

    async def unmatched(request: Request, error: HTTPException) -> Response:
        """Answer an unknown address or a wrong method."""
        return await told(request, _of_status(error, request))

    async def crashed(request: Request, _: Exception) -> Response:
        """Answer a crash; a stream that broke has told the trail itself, and this is never sent."""
        if getattr(request.state, ANSWER_STARTED, False):
            return Response(status_code=500)
        return await told(request, CaretrailError())

    return {
        CaretrailError: told,
        RequestValidationError: invalid,
        HTTPException: unmatched,
        Exception: crashed,
    }


def _methods_at(request: Request) -> str:
    """Return the methods of every route with the path of the one that a request came to."""
    if "route" not in request.scope:
        return ""
    path, routes = request.scope["route"].path, iter_route_contexts(request.app.routes)
    return ", ".join(sorted({method for one in routes if one.path == path for method in one.methods or ()}))


def _of_status(error: HTTPException, request: Request) -> CaretrailError:
    """Return our error for one that the framework raises by itself."""
    known: dict[int, CaretrailError] = {
        404: NotFoundError(),
        405: MethodNotAllowedError(_methods_at(request)),
        413: PayloadTooLargeError(),
        415: UnsupportedMediaTypeError(),
    }
    invalid = InvalidRequestError(detail="The request cannot be read.")
    return known.get(error.status_code, invalid if error.status_code < 500 else CaretrailError())


@functools.cache
def pages() -> Mapping[str, Mapping[str, Any]]:
    """Return what there is to say about each problem, by slug."""
    read: dict[str, dict[str, Any]] = json.loads(_PAGES.read_text(encoding="utf-8"))
    return read


def page(slug: str) -> Response | None:
    """Return the page of a problem, or None when there is no such problem."""
    if slug not in pages():
        return None
    about = {name: html.escape(str(text)) for name, text in pages()[slug].items()}
    title = html.escape(slug)
    return HTMLResponse(
        f'<!doctype html>\n<html lang="en-GB">\n<head><meta charset="utf-8"><title>{title}</title></head>\n'
        f"<body>\n<h1>{title}</h1>\n<p>Status {about['status']}</p>\n"
        f"<h2>What it means</h2>\n<p>{about['means']}</p>\n"
        f"<h2>What to do next</h2>\n<p>{about['next']}</p>\n</body>\n</html>\n"
    )


def router() -> APIRouter:
    """Return the route of the problem pages. It is not audited, so it raises nothing."""
    routes = APIRouter()

    @routes.get("/problems/{slug}", include_in_schema=False)
    async def problem_page(request: Request, slug: str) -> Response:
        """Explain one problem."""
        unknown = NotFoundError()
        return page(slug) or answer(unknown, request_id_of(request), instance_of(request))

    return routes
