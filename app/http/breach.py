"""Routes of a breach: what it reaches, the pack for whoever must be told, and shutting what it used."""

from typing import Annotated, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from app.access.operation import Operation
from app.access.visit import Visited
from app.access.work import Work
from app.http.breach_shapes import ContainedOut, ContainmentIn, LiftedOut, LiftIn, ScopeIn
from app.http.presenting import Id, answer, desk_of, operation_of, route, stamped
from app.http.scope_shapes import PackOut, ScopeOut
from app.http.strict_route import strict_router
from app.incidents.containment import Contain, Lift
from app.incidents.packing import MEDIA_TYPES, BreachPack, begin
from app.incidents.scope_works import ReadScope, SetScope

router = strict_router()
TAG = "Incidents"
Format = Annotated[Literal["zip", "json", "csv", "pdf"], Query(alias="format")]


@route(router, "PUT", "/v1/incidents/{incident_id}/scope", ScopeOut, tag=TAG)
async def set_scope(request: Request, incident_id: Id, body: ScopeIn) -> Response:
    """Say which entries of the trail an incident is about, and learn what they reach."""
    return await answer(request, SetScope(incident_id, body.selection()))


@route(router, "GET", "/v1/incidents/{incident_id}/scope", ScopeOut, tag=TAG)
async def read_scope(request: Request, incident_id: Id) -> Response:
    """Read what an incident reaches, counted from the trail anew."""
    return await answer(request, ReadScope(incident_id))


@route(
    router, "GET", "/v1/incidents/{incident_id}/pack", PackOut, tag=TAG, media_types=[*MEDIA_TYPES.values()]
)
async def breach_pack(request: Request, incident_id: Id, format_: Format = "zip") -> Response:
    """Hand over the pack of an incident: what was reached, a timeline, the fields of a notification, proofs.

    A draft for a person to check, not a statement of compliance.
    """
    desk = desk_of(request)

    async def serve(row: Operation, work: Work) -> Visited:
        """Present a part of the pack at the door, as the caller."""
        return await desk.visit(request, work, row=row)

    pack = await begin(serve, desk.notary, desk.guards, incident_id, format_)
    return _PackAnswer(pack, operation_of(request).success)


@route(router, "POST", "/v1/incidents/{incident_id}/containment", ContainedOut, tag=TAG)
async def contain(request: Request, incident_id: Id, body: ContainmentIn) -> Response:
    """End sessions, deactivate accounts and freeze exports because of an incident, all or nothing."""
    work = Contain(
        incident_id, body.user_ids, body.end_sessions, body.deactivate, body.freeze_exports, body.reason
    )
    return await answer(request, work)


@route(router, "POST", "/v1/incidents/{incident_id}/containment/lift", LiftedOut, tag=TAG)
async def lift(request: Request, incident_id: Id, body: LiftIn) -> Response:
    """End the freezes of an incident. Accounts come back through their own route."""
    return await answer(request, Lift(incident_id, body.reason))


class _PackAnswer(StreamingResponse):
    """A pack on its way. Its end is recorded also when the client left before the first byte."""

    def __init__(self, pack: BreachPack, status: int) -> None:
        disposition = f'attachment; filename="{pack.filename}"'
        headers = {**stamped(pack.stamp), "Content-Disposition": disposition}
        super().__init__(pack.stream(), status, headers, pack.media_type)
        self._pack = pack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._pack.close()
