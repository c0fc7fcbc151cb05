"""The edge: what every request meets first and every answer passes last.

A plain ASGI wrapper around the whole application, so that no answer escapes it: 404, 405, 422,
500 and streams carry the same headers as the rest. It refuses bodies that are too large or
encoded, or for which there is no room (`unfinished`), but answers nothing itself: a refusal to
someone this service knows is an entry of the trail, and only the application can write one. So the
refusal waits in the scope and is raised to whoever reads the body; nothing more is taken from the wire.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import (
    CaretrailError,
    InvalidRequestError,
    PayloadTooLargeError,
    UnsupportedMediaTypeError,
)
from app.core.identifiers import canonical
from app.http.strict_json import request_id
from app.http.unfinished import STRANGER_BODY_BYTES, CrowdedError, Known, Rooms, Share, anybody

REQUEST_ID = "request_id"
REFUSED_INPUT = "refused_input"
ANSWER_STARTED = "answer_started"
BODY_BYTES = "body_bytes"
"""The keys the edge keeps in `scope["state"]`; the last says how much of the body was read."""
NAMED_CATEGORY = "named_category"
"""The key of what a refused body named as its category, which may be anything."""

ORDINARY_BODY_BYTES = 1024 * 1024
RECORD_BODY_BYTES = 8 * 1024 * 1024
"""A document of 5 MiB in base64, with room for what stands around it."""

_SIGN_IN = ("POST", "/v1/sessions")
"""The one operation whose caller need not be known: a stranger's body may be as large there as anybody's."""
_RECORD_PATH = re.compile(r"/v1/residents/[^/]+/records(?:/[^/]+)?")
_LENGTH = re.compile(rb"[0-9]{1,15}")
_POLICY = b"content-security-policy"
_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_STRICT_POLICY = (_POLICY, b"default-src 'none'; frame-ancestors 'none'")
_NO_LENGTH = "Content-Length is not a number of bytes."
_TLS_ONLY = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_OWN = frozenset({b"x-request-id", _TLS_ONLY[0], *(name for name, _ in _HEADERS)})

BodyLimit = Callable[[str, str], int]
"""(method, path) -> the greatest number of bytes a body may have."""


def body_limit(method: str, path: str) -> int:
    """Return how many bytes the body of a request may have: more where documents are recorded."""
    if method in ("POST", "PUT") and _RECORD_PATH.fullmatch(path):
        return RECORD_BODY_BYTES
    return ORDINARY_BODY_BYTES


class Edge:
    """The outermost ASGI application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        make_request_id: Callable[[], str],
        limit: BodyLimit = body_limit,
        known: Known = anybody,
        over_tls: bool = False,
    ) -> None:
        self._app = app
        self._make_request_id = make_request_id
        self._limit = limit
        self._rooms = Rooms(known)
        self._headers = (*_HEADERS, _TLS_ONLY) if over_tls else _HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request in and its answer out."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        _settle_path(scope)
        limit = self._limit(scope["method"], scope["path"])
        state = scope.setdefault("state", {})
        _look_at_headers(scope["headers"], state, limit, self._make_request_id)
        own = (*self._headers, (b"x-request-id", state[REQUEST_ID].encode("ascii")))
        passage = _Passage(receive, send, scope, limit, own, self._rooms)
        try:
            await self._app(scope, passage.receive, passage.send)
        finally:
            passage.end()


def _settle_path(scope: Scope) -> None:
    """Have one path for one thing: ids in lower case, and no separator in a percent-encoded slash."""
    raw: bytes = scope.get("raw_path") or b""
    if b"%2" in raw and b"%2f" in raw.lower():
        scope["path"] = raw.decode("latin-1")  # undone, it would lead to what lies behind another segment
    path: str = scope["path"]
    if path != path.lower():
        scope["path"] = canonical(path)


def _look_at_headers(
    headers: Iterable[tuple[bytes, bytes]], state: dict[str, Any], limit: int, make_id: Callable[[], str]
) -> None:
    """Note the request id and, where the headers alone already say so, the refusal.

    The server notes the id itself where it has refused the rest of a request before it came here.
    """
    given: list[bytes] = []
    refused: CaretrailError | None = None
    for name, value in headers:
        if name == b"x-request-id":
            given.append(value)
        elif name == b"content-encoding":
            refused = UnsupportedMediaTypeError()
        elif name == b"content-length" and refused is None:
            refused = _refused_length(value, limit)
    if REQUEST_ID not in state:
        state[REQUEST_ID] = request_id(given, make_id)
    if refused is not None:
        state[REFUSED_INPUT] = refused


def _refused_length(value: bytes, limit: int) -> CaretrailError | None:
    if not _LENGTH.fullmatch(value):
        return PayloadTooLargeError() if value.isdigit() else InvalidRequestError(detail=_NO_LENGTH)
    return PayloadTooLargeError() if int(value) > limit else None


class _Passage:
    """One request on its way in and its answer on the way out."""

    __slots__ = ("_headers", "_limit", "_receive", "_rooms", "_scope", "_send", "_share", "_state", "_taken")

    def __init__(
        self,
        receive: Receive,
        send: Send,
        scope: Scope,
        limit: int,
        headers: tuple[tuple[bytes, bytes], ...],
        rooms: Rooms,
    ) -> None:
        self._receive, self._send, self._scope = receive, send, scope
        self._state: dict[str, Any] = scope["state"]
        self._limit, self._taken = limit, 0
        self._headers = headers
        self._rooms = rooms
        self._share: Share | None = None

    async def receive(self) -> Message:
        """Hand on the next piece of the body, or raise the refusal."""
        refused: Exception | None = self._state.get(REFUSED_INPUT)
        if refused is not None:
            raise refused
        message = await self._receive()
        if message["type"] == "http.request":
            piece = len(message.get("body", b""))
            self._taken += piece
            self._state[BODY_BYTES] = self._taken
            if self._share is not None or message.get("more_body", False):
                self._hold(piece)
            if self._taken > self._limit:
                # a chunked body says its size only by being read
                self._refuse(PayloadTooLargeError())
        return message

    def _hold(self, piece: int) -> None:
        """Take room for a piece of a body that comes in several."""
        if self._share is None:
            self._share, known = self._rooms.enter(self._scope["headers"])
            if not known and (self._scope["method"], self._scope["path"]) != _SIGN_IN:
                self._limit = min(self._limit, STRANGER_BODY_BYTES)
        if self._taken <= self._limit:
            try:
                self._share.grow(piece)
            except CrowdedError as crowded:
                self._refuse(crowded)

    def _refuse(self, error: Exception) -> NoReturn:
        self._state[REFUSED_INPUT] = error
        raise error

    def end(self) -> None:
        """Give the room back."""
        if self._share is not None:
            self._share.end()

    async def send(self, message: Message) -> None:
        """Hand on the answer, with the headers every answer carries."""
        if message["type"] == "http.response.start":
            self._state[ANSWER_STARTED] = True
            message["headers"] = _completed(message.get("headers", ()), self._headers)
        await self._send(message)


def _completed(
    answered: Iterable[tuple[bytes, bytes]], own: tuple[tuple[bytes, bytes], ...]
) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer with ours in place; only the policy may be the page's own."""
    kept = [header for header in answered if header[0] not in _OWN]
    policy = () if any(name == _POLICY for name, _ in kept) else (_STRICT_POLICY,)
    return [*kept, *own, *policy]
