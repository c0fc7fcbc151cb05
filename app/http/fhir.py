"""The trail for FHIR clients: search of AuditEvent (R4)."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import orjson
from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import InvalidRequestError
from app.http.audit import id_of_agent, id_of_resident
from app.http.presenting import desk_of, route, stamped
from app.http.residents import Cursor
from app.http.shapes import IN_DIGITS, Answered
from app.http.strict_route import strict_router
from app.residents.refusals import FaultError
from app.trail.fhir_query import codes_of, ids_of, period_of
from app.trail.fhir_search import (
    ACTION_SYSTEM,
    ACTIONS,
    MOST_AT_ONCE,
    OUTCOME_SYSTEM,
    OUTCOMES,
    SearchAuditEvents,
    Sought,
)

router = strict_router()
TAG = "Audit"
FHIR_JSON = "application/fhir+json"

Dates = Annotated[list[Annotated[str, Field(max_length=40)]] | None, Query(max_length=8)]
Text = Annotated[str | None, Query(min_length=1, max_length=2000)]
Count = Annotated[int, Query(alias="_count", ge=1, le=1000), IN_DIGITS]
Json = Annotated[Literal["json", "application/json", "application/fhir+json"], Query(alias="_format")]


class BundleOut(Answered):
    """A Bundle of the type searchset (FHIR R4)."""

    resourceType: Literal["Bundle"]  # noqa: N815 - as FHIR spells it
    type: Literal["searchset"]
    link: list[dict[str, str]]
    entry: list[dict[str, Any]] | None = None


@route(router, "GET", "/v1/fhir/AuditEvent", BundleOut, tag=TAG, media_types=[FHIR_JSON])
async def search_audit_events(
    request: Request,
    date: Dates = None,
    patient: Text = None,
    agent: Text = None,
    action: Text = None,
    outcome: Text = None,
    count: Count = 50,
    format_: Json = "json",  # noqa: ARG001 - there is no other; clients send it all the same
    cursor: Cursor = None,
) -> Response:
    """Search the trail as FHIR AuditEvents, newest first."""
    since, until = period_of(date or ())
    base = str(request.url.replace(query="")).removesuffix("/AuditEvent")
    sought = Sought(
        since,
        until,
        _known_ids("patient", ids_of("patient", patient, "Patient", base=base), id_of_resident),
        _known_ids("agent", ids_of("agent", agent, "Practitioner", "Device", base=base), id_of_agent),
        codes_of("action", action, ACTIONS, ACTION_SYSTEM),
        codes_of("outcome", outcome, OUTCOMES, OUTCOME_SYSTEM),
    )
    desk = desk_of(request)
    work = SearchAuditEvents(sought, desk.notary, min(count, MOST_AT_ONCE), cursor)
    visited = await desk.visit(request, work)
    bundle = _bundle(request, **visited.answer.payload)
    return Response(orjson.dumps(bundle), headers=stamped(visited.stamp), media_type=FHIR_JSON)


def _known_ids(name: str, ids: tuple[str, ...] | None, known: Callable[[str], str]) -> tuple[str, ...] | None:
    """Return ids as they stand in the trail; what cannot be one would find nothing and seem innocent."""
    try:
        return None if ids is None else tuple(map(known, ids))
    except FaultError as fault:
        raise InvalidRequestError((f"/query/{name}", str(fault))) from None


def _bundle(request: Request, events: list[dict[str, Any]], next_cursor: str | None) -> dict[str, Any]:
    here = request.url.replace(query="")
    links = [{"relation": "self", "url": str(request.url)}]
    if next_cursor is not None:
        links.append({"relation": "next", "url": str(request.url.include_query_params(cursor=next_cursor))})
    entries = [
        {"fullUrl": f"{here}/{event['id']}", "resource": event, "search": {"mode": "match"}}
        for event in events
    ]
    bundle = {"resourceType": "Bundle", "type": "searchset", "link": links}
    return bundle | ({"entry": entries} if entries else {})  # FHIR knows no empty lists
