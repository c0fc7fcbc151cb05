"""Routes of incidents: recorded, scored, told of, acted upon, closed; and the grid they are scored on."""

from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from app.http.audit import Since, Until, refuse_reversed
from app.http.grid_shapes import GridOut
from app.http.incidents_shapes import (
    ActionDoneIn,
    ActionIn,
    ActionOut,
    AssessmentIn,
    AssessmentOut,
    CloseIn,
    IncidentIn,
    IncidentOut,
    IncidentPage,
    IncidentPatch,
    NotificationIn,
    NotificationOut,
    ReopenIn,
)
from app.http.presenting import Id, answer, route
from app.http.residents import Cursor, Limit
from app.http.shapes import GivenId, fields_named
from app.http.strict_route import strict_router
from app.incidents.assessing import AssessIncident
from app.incidents.closing import CloseIncident, ReopenIncident
from app.incidents.correcting import UpdateIncident
from app.incidents.doing import FinishAction, PlanAction
from app.incidents.grid import Scores
from app.incidents.listing import ListIncidents, ShowGrid
from app.incidents.notifying import TellOf
from app.incidents.one_incident import ReadIncident
from app.incidents.opening import OpenIncident
from app.incidents.vocabulary import Kind

router = strict_router()
TAG = "Incidents"
ONE = "/v1/incidents/{incident_id}"

State = Annotated[Literal["open", "closed"] | None, Query()]
Overdue = Annotated[Literal["true", "false"] | None, Query()]


@route(router, "POST", "/v1/incidents", IncidentOut, tag=TAG)
async def open_incident(request: Request, body: IncidentIn) -> Response:
    """Record an incident or a near miss, by hand or from alerts."""
    given: dict[str, Any] = body.model_dump(mode="json", exclude={"home_id"})
    return await answer(request, OpenIncident(body.home_id, given))


@route(router, "GET", "/v1/incidents", IncidentPage, tag=TAG)
async def list_incidents(
    request: Request,
    state: State = None,
    kind: Annotated[Kind | None, Query()] = None,
    home_id: Annotated[GivenId | None, Query()] = None,
    since: Since = None,
    until: Until = None,
    overdue: Overdue = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List incidents, newest first; `overdue` are those of which a clock is over and was not stopped."""
    refuse_reversed(since, until)
    over = None if overdue is None else overdue == "true"
    return await answer(request, ListIncidents(state, kind, home_id, since, until, over, limit, cursor))


@route(router, "GET", ONE, IncidentOut, tag=TAG)
async def read_incident(request: Request, incident_id: Id) -> Response:
    """Read an incident with its clocks, scorings, notifications, actions and history."""
    return await answer(request, ReadIncident(incident_id))


@route(router, "PATCH", ONE, IncidentOut, tag=TAG)
async def update_incident(request: Request, incident_id: Id, body: IncidentPatch) -> Response:
    """Change what is recorded of an incident. Instants that are corrected keep their history."""
    given = fields_named(body, beside="reason")
    return await answer(request, UpdateIncident(incident_id, given, body.reason))


@route(router, "POST", f"{ONE}/assessments", AssessmentOut, tag=TAG)
async def assess_incident(request: Request, incident_id: Id, body: AssessmentIn) -> Response:
    """Score an incident. The system proposes whom to tell, a person decides and gives reasons."""
    scores = Scores(body.likelihood, body.impact)
    asked = (scores, body.vulnerable_people, body.special_categories, body.decision, body.reasons)
    return await answer(request, AssessIncident(incident_id, *asked))


@route(router, "POST", f"{ONE}/notifications", NotificationOut, tag=TAG)
async def record_notification(request: Request, incident_id: Id, body: NotificationIn) -> Response:
    """Record that somebody was told. Nothing is sent to anybody by this."""
    texts = body.model_dump(include={"told_by", "reference", "note", "reasons_for_delay"})
    asked = (body.recipient, body.told_at, body.people_told, texts, body.replaces)
    return await answer(request, TellOf(incident_id, *asked))


@route(router, "POST", f"{ONE}/actions", ActionOut, tag=TAG)
async def plan_action(request: Request, incident_id: Id, body: ActionIn) -> Response:
    """Record what is to be done, by whom and by when."""
    return await answer(request, PlanAction(incident_id, body.what, body.owner_id, body.due_on))


@route(router, "POST", f"{ONE}/actions/{{action_id}}/done", ActionOut, tag=TAG)
async def finish_action(request: Request, incident_id: Id, action_id: Id, body: ActionDoneIn) -> Response:
    """Record that something was done, and what came of it."""
    return await answer(request, FinishAction(incident_id, action_id, body.outcome))


@route(router, "POST", f"{ONE}/close", IncidentOut, tag=TAG)
async def close_incident(request: Request, incident_id: Id, body: CloseIn) -> Response:
    """Close an incident; 409 names what is missing."""
    return await answer(request, CloseIncident(incident_id, body.model_dump()))


@route(router, "POST", f"{ONE}/reopen", IncidentOut, tag=TAG)
async def reopen_incident(request: Request, incident_id: Id, body: ReopenIn) -> Response:
    """Open a closed incident again."""
    return await answer(request, ReopenIncident(incident_id, body.reason))


@route(router, "GET", "/v1/incident-grid", GridOut, tag=TAG)
async def show_grid(request: Request) -> Response:
    """Show the grid incidents are scored on, with what of it is not verified."""
    return await answer(request, ShowGrid())
