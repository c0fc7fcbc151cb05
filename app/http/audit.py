"""Routes of the trail: entries, access log, look-up, checkpoint, proofs, export."""

import re
from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import Query
from pydantic import AfterValidator
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from app.access import acts
from app.core.errors import InvalidRequestError
from app.core.identifiers import is_id
from app.http.audit_shapes import AccessPage, Consistency, EventOut, EventPage, SubjectIds
from app.http.lasting import FileAnswer
from app.http.presenting import Id, answer, desk_of, operation_of, route, stamped
from app.http.residents import Cursor, Limit, look_up_of
from app.http.shapes import IN_DIGITS, SearchIn
from app.http.strict_route import strict_router
from app.residents.refusals import FaultError
from app.residents.subject_lookup import SubjectLookup
from app.residents.texts import Bound
from app.trail import family
from app.trail.checkpoints import NewestCheckpoint
from app.trail.events import AccessLog, ListEvents, ReadEvent
from app.trail.export_works import Filter
from app.trail.exporting import MEDIA_TYPES, begin
from app.trail.proving import ProveConsistency, ProveEntry

router = strict_router()
TAG = "Audit"
_PART_OF_SERVICE = re.compile(r"system:[a-z_]+")


def _known_act(act: str) -> str:
    if act not in acts.ALL:
        raise FaultError(
            "There is no such act. See the entries of GET /v1/audit/events for what acts are called."
        )
    return act


def id_of(whose: str) -> Callable[[str], str]:
    """Return what reads the id of somebody as it stands in the trail, and refuses what cannot be one."""

    def read(text: str) -> str:
        if not is_id(text.lower()):
            raise FaultError(f"Must be the id of a {whose}: a UUID.")
        return text.lower()

    return read


id_of_resident = id_of("resident")


def id_of_agent(text: str) -> str:
    """Return the id of an agent as it stands in the trail. Raises FaultError for what cannot be one."""
    if not is_id(text.lower()) and not _PART_OF_SERVICE.fullmatch(text):
        raise FaultError("Must be the id of a user, which is a UUID, or system: and a part of this service.")
    return text if _PART_OF_SERVICE.fullmatch(text) else text.lower()


def refuse_reversed(since: str | None, until: str | None) -> None:
    """Refuse a period that ends before it begins: an empty answer would say that nothing happened.

    Raises:
        InvalidRequestError: It does.
    """
    if since is not None and until is not None and until < since:
        raise InvalidRequestError(("/query/to", "Must not be before from."))


Since = Annotated[Bound | None, Query(alias="from")]
Until = Annotated[Bound | None, Query(alias="to")]
ResidentId = Annotated[
    Annotated[str, AfterValidator(id_of_resident)] | None,
    Query(max_length=64, json_schema_extra={"format": "uuid"}),
]
AgentId = Annotated[Annotated[str, AfterValidator(id_of_agent)] | None, Query(max_length=64)]
Act = Annotated[Annotated[str, AfterValidator(_known_act)] | None, Query(max_length=64)]
Size = Annotated[int, Query(ge=0, lt=2**53), IN_DIGITS]
Outcome = Annotated[Literal["ok", "deny", "fail"] | None, Query()]
Format = Annotated[Literal["zip", "jsonl", "csv", "fhir"], Query()]
Audience = Annotated[Literal["family"] | None, Query()]


@route(router, "GET", "/v1/audit/events", EventPage, tag=TAG)
async def list_events(
    request: Request,
    since: Since = None,
    until: Until = None,
    agent_id: AgentId = None,
    resident_id: ResidentId = None,
    act: Act = None,
    outcome: Outcome = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List entries of the trail, newest first."""
    refuse_reversed(since, until)
    work = ListEvents(since, until, agent_id, resident_id, act, outcome, limit, cursor)
    return await answer(request, work)


@route(router, "GET", "/v1/audit/events/{seq}", EventOut, tag=TAG)
async def read_event(request: Request, seq: str) -> Response:
    """Read one entry."""
    return await answer(request, ReadEvent(seq))


@route(router, "GET", "/v1/residents/{resident_id}/access-log", AccessPage, tag=TAG)
async def access_log(
    request: Request,
    resident_id: Id,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List who looked at a resident or changed something, newest first."""
    refuse_reversed(since, until)
    return await answer(request, AccessLog(resident_id, since, until, limit, cursor))


@route(router, "POST", "/v1/audit/subject-lookup", SubjectIds, tag=TAG)
async def subject_lookup(request: Request, body: SearchIn) -> Response:
    """Find resident ids, for people who read the trail but no records."""
    return await answer(request, SubjectLookup(*look_up_of(body)))


@route(router, "GET", "/v1/audit/checkpoint", tag=TAG, media_types=["text/plain"])
async def newest_checkpoint(request: Request) -> Response:
    """Return the newest signed checkpoint (C2SP signed note)."""
    desk = desk_of(request)
    visited = await desk.visit(request, NewestCheckpoint(desk.notary, desk.guards))
    return PlainTextResponse(visited.answer.payload, headers=stamped(visited.stamp))


@route(router, "GET", "/v1/audit/events/{seq}/proof", tag=TAG, media_types=["text/plain"])
async def prove_event(request: Request, seq: str) -> Response:
    """Prove that an entry is in the signed trail (C2SP tlog-proof)."""
    desk = desk_of(request)
    visited = await desk.visit(request, ProveEntry(seq, desk.notary, desk.guards))
    return PlainTextResponse(visited.answer.payload, headers=stamped(visited.stamp))


@route(router, "GET", "/v1/audit/consistency", Consistency, tag=TAG)
async def prove_consistency(request: Request, first: Size, second: Size) -> Response:
    """Prove that the trail at one size begins with the trail at another (RFC 6962)."""
    desk = desk_of(request)
    return await answer(request, ProveConsistency(first, second, desk.notary, desk.guards))


@route(router, "GET", "/v1/audit/export", tag=TAG, media_types=[*MEDIA_TYPES.values()])
async def export_trail(
    request: Request,
    format_: Annotated[Format, Query(alias="format")] = "zip",
    since: Since = None,
    until: Until = None,
    resident_id: ResidentId = None,
    agent_id: AgentId = None,
    act: Act = None,
    audience: Audience = None,
) -> Response:
    """Export the trail, or what a filter chooses of it, as a stream; `zip` brings its own verifier.

    With `audience=family` and `resident_id` it is that resident's access log, in plain words, and tells of
    no other resident.
    """
    desk = desk_of(request)
    chosen = Filter(since, until, resident_id, agent_id, act)
    refuse_reversed(since, until)
    start = begin if audience is None else family.begin
    export = await start(desk.serving(request), desk.notary, desk.guards, format_, chosen)
    return FileAnswer(export, operation_of(request).success, stamped(export.stamp))
