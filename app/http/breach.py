"""Routes of a breach: what it reaches, the pack for whoever must be told, and shutting what it used."""

from typing import Annotated, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from app.http.breach_shapes import ContainedOut, ContainmentIn, LiftedOut, LiftIn, ScopeIn
from app.http.lasting import FileAnswer
from app.http.presenting import Id, answer, desk_of, operation_of, route, stamped
from app.http.scope_shapes import PackOut, ScopeOut
from app.http.strict_route import strict_router
from app.incidents.containment import Contain, Lift
from app.incidents.packing import MEDIA_TYPES, begin
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
    pack = await begin(desk.serving(request), desk.notary, desk.guards, incident_id, format_)
    return FileAnswer(pack, operation_of(request).success, stamped(pack.stamp))


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
