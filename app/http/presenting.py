"""From a request to a visit at the door, and from what came of it to an answer.

Routes stay a few lines: they name the work, everything else a request carries - credential, purpose,
reason, idempotency key, where it came from - is taken up here, the same for all.
"""

import hashlib
import hmac
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from app.access.door import Door
from app.access.operation import Operation
from app.access.operations import UNMATCHED, operation
from app.access.visit import Session, Stranger, Visit, Visited, VisitRefusedError
from app.access.work import Refused, Repeat, Work
from app.alerts.stream_works import Streams
from app.audit.checkpoint import Notary
from app.audit.guard_file import Guards
from app.core.clock import Clock
from app.core.entropy import Entropy
from app.core.errors import CaretrailError, InvalidRequestError, TokenInvalidError
from app.core.identifiers import UUID_SHAPE, is_id
from app.core.settings import DeviceKind
from app.http import strict_json
from app.http.describing import answer_class, extra, responses
from app.http.edge import BODY_BYTES, NAMED_CATEGORY
from app.http.problems import request_id_of
from app.identity.password_policy import NONE_BREACHED, BreachedPasswords
from app.identity.passwords import PasswordPool
from app.identity.tokens import TokenReader, TokenSigner
from app.webhooks.addresses import judge_url

OPERATION = "caretrail_operation"
Id = Annotated[str, Path(pattern=f"^{UUID_SHAPE.pattern}$", json_schema_extra={"format": "uuid"})]
"""An id in a path. One of another shape names nothing: 404."""

Endpoint = Callable[..., Coroutine[Any, Any, Response]]
Serve = Callable[[Operation, Work], Coroutine[Any, Any, Visited]]
Stamped = Mapping[str, str]
"""Headers with the receipt of an entry, or none."""


@dataclass(slots=True)
class Desk:
    """What the routes of one application share. `sound` says whether this process is fit to serve."""

    door: Door
    tokens: TokenReader
    signer: TokenSigner
    passwords: PasswordPool
    clock: Clock
    repeat_key: bytes
    deployment: str
    entropy: Entropy
    notary: Notary
    guards: Guards
    forget: Callable[[], Coroutine[Any, Any, None]]
    breached: BreachedPasswords = NONE_BREACHED
    idle_caps: Mapping[DeviceKind, timedelta] | None = None
    second_factor_required: bool = True
    metrics_token: bytes | None = None
    unrecognised: int = 0
    sound: Callable[[], bool] = field(default=lambda: True)
    metrics: Callable[[], Coroutine[Any, Any, str]] | None = None
    streams: Streams = field(default_factory=Streams)
    judge_url: Callable[[str], Coroutine[Any, Any, CaretrailError | None]] = judge_url

    async def answer(self, request: Request, work: Work) -> Response:
        """Present a work at the door and return its answer."""
        visited = await self.visit(request, work)
        return respond(visited, operation_of(request))

    async def visit(
        self, request: Request, work: Work, *, row: Operation | None = None, stranger: bool = False
    ) -> Visited:
        """Present a work at the door and return what came of it.

        Args:
            request: The request it is for.
            work: What is wanted.
            row: The operation, where it is not the request's own: the end of a stream.
            stranger: Nobody is signed in yet.
        """
        visit = self._visit(request, work, row=row, stranger=stranger)
        if (
            visit.operation.idempotent and not work.silent
        ):  # what only prepares is not the call to be repeated
            visit.repeat = await self._repeat(request, visit)
        return await self.door.visit(visit)

    def serving(self, request: Request) -> Serve:
        """Return what presents the parts of a stream at the door, as the caller of the request it answers."""

        async def serve(row: Operation, work: Work) -> Visited:
            """Present a part of the stream."""
            return await self.visit(request, work, row=row)

        return serve

    async def refuse(self, request: Request, error: CaretrailError) -> tuple[CaretrailError, Stamped]:
        """Have a refusal of the request itself recorded; return what to tell, and the receipt.

        Somebody unknown leaves no entry. Whoever is known may have a graver reason to be refused:
        then that is told instead, so that a broken body reveals nothing to a session that ended. Who
        signs in needs no session: one that is sent along has its entry, and changes nothing of what is told.
        """
        row = operation_of(request)
        for_anybody = row.permission == "none"
        if for_anybody and "authorization" not in request.headers:
            return error, {}
        category = getattr(request.state, NAMED_CATEGORY, None)
        work = Refused(error, _object_asked(request) if row is not UNMATCHED else None, category)
        try:
            await self.door.visit(self._visit(request, work, row=row, lenient=True))
        except TokenInvalidError as unknown:
            if for_anybody:
                return error, {}
            self.unrecognised += 1
            return unknown, {}
        except VisitRefusedError as refused:
            told = error if for_anybody and refused.error.status < 500 else refused.error
            return told, stamped(refused.stamp)
        return error, {}

    def version(self, request: Request) -> int:
        """Return the version `If-Match` names."""
        return strict_json.if_match(request.headers)

    def _visit(
        self,
        request: Request,
        work: Work,
        *,
        row: Operation | None = None,
        stranger: bool = False,
        lenient: bool = False,
    ) -> Visit:
        headers = request.headers
        credential = Stranger() if stranger else self._session(headers)
        reason, purpose = None, "care"
        try:
            reason = strict_json.audit_reason(headers)
            purpose = strict_json.audit_purpose(headers)
            if not stranger:
                strict_json.refuse_repeated_credential(headers)
        except CaretrailError:
            if not lenient:
                raise
        return Visit(
            credential,
            row or operation_of(request),
            work,
            request_id=request_id_of(request),
            purpose=purpose,
            reason=reason,
            address=request.client.host if request.client else "",
            background=headers.get("caretrail-background") == "1",
            bytes=getattr(request.state, BODY_BYTES, 0),
        )

    def _session(self, headers: Headers) -> Session:
        claims = self.tokens.read(strict_json.bearer_token(headers))
        return Session(claims.session_id, claims.org, claims.user_id)

    async def _repeat(self, request: Request, visit: Visit) -> Repeat | None:
        key = strict_json.idempotency_key(request.headers)
        if key is None:
            return None
        body = await request.body()
        asked = [request.method, request.url.path, request.url.query, request.headers.get("if-match", "")]
        told = "\n".join([*asked, hashlib.sha256(body).hexdigest(), visit.reason or ""])
        return Repeat(self._digest(key), self._digest(told))

    def _digest(self, text: str) -> str:
        return hmac.digest(self.repeat_key, text.encode(), "sha256").hex()


def desk_of(request: Request) -> Desk:
    """Return the desk of the application a request came to."""
    desk: Desk = request.app.state.desk
    return desk


async def answer(request: Request, work: Work) -> Response:
    """Present a work at the door and return its answer."""
    return await desk_of(request).answer(request, work)


def stamped(stamp: Any) -> Stamped:
    """Return the header with the receipt of an entry."""
    return {"Audit-Event": stamp.header()} if stamp is not None else {}


def respond(visited: Visited, row: Operation) -> Response:
    """Return the answer to a visit, with its ETag and its receipt."""
    answered = visited.answer
    headers = dict(stamped(visited.stamp))
    if answered.version is not None:
        headers["ETag"] = f'"{answered.version}"'
    status = answered.status or row.success
    if status == 204:
        return Response(status_code=204, headers=headers)
    return Response(
        orjson.dumps(answered.payload), status_code=status, headers=headers, media_type="application/json"
    )


def operation_of(request: Request) -> Operation:
    """Return the operation a request was routed to, or `UNMATCHED`."""
    row: Operation = getattr(request.scope.get("endpoint"), OPERATION, UNMATCHED)
    # a wrong method leads to the first route of its path: that operation was not asked for
    return row if row.method == request.method else UNMATCHED


def require_reason(request: Request) -> None:
    """Refuse a request without the `Audit-Reason` its operation wants."""
    if strict_json.audit_reason(request.headers) is None:
        raise InvalidRequestError(("/headers/Audit-Reason", "Say why, percent-encoded UTF-8."))


def _object_asked(request: Request) -> tuple[str, str | None] | None:
    """Return the object a refused request named in its path, if the path is well-formed."""
    for kind in ("record", "resident", "erasure", "shift", "session", "user", "alert", "webhook", "incident"):
        if f"{kind}_id" in request.path_params:
            given = str(request.path_params[f"{kind}_id"])
            return kind, given if is_id(given) else None
    return None


def route(
    router: APIRouter,
    method: str,
    path: str,
    answers: type[BaseModel] | Any = None,
    *,
    tag: str = "",
    media_types: Sequence[str] = (),
) -> Callable[[Endpoint], Endpoint]:
    """Register an endpoint for a row of the table of operations, and document it from that row."""
    row = operation(method, path)

    def register(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, OPERATION, row)
        router.add_api_route(
            path,
            endpoint,
            methods=[method],
            status_code=row.success,
            operation_id=endpoint.__name__,
            tags=[tag] if tag else None,
            response_model=None,
            response_class=answer_class(media_types if answers is not None else ()),
            responses=responses(row, answers, media_types),
            openapi_extra=extra(row),
        )
        return endpoint

    return register
