"""Routes of alerts: the list, one of them, steps, the stream; rules and what is set of them."""

import re
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator
from starlette.requests import Request
from starlette.responses import Response

from app.alerts import streaming
from app.alerts.listing import ListAlerts, ReadAlert
from app.alerts.rule_works import ListRules, SetRule
from app.alerts.steps import TakeStep
from app.core.errors import InvalidRequestError
from app.detection.catalogue import RULES
from app.http.alerts_shapes import (
    AlertPage,
    AlertRuleIn,
    AlertRulePage,
    AlertRuleSetOut,
    AlertStepIn,
    AlertStepped,
    AlertWholeOut,
    Severity,
    State,
)
from app.http.audit import Since, Until, id_of, refuse_reversed
from app.http.lasting import MEDIA_TYPE, EventStream
from app.http.presenting import Id, answer, desk_of, operation_of, route, stamped
from app.http.residents import Cursor, Limit
from app.http.shapes import IN_DIGITS, GivenId
from app.http.strict_route import strict_router
from app.residents.refusals import FaultError

router = strict_router()
TAG = "Alerts"


def _known_rule(rule: str) -> str:
    if rule not in RULES:
        raise FaultError("There is no such rule. See GET /v1/alert-rules for what rules are called.")
    return rule


RuleName = Annotated[Annotated[str, AfterValidator(_known_rule)] | None, Query(max_length=64)]
UserId = Annotated[Annotated[str, AfterValidator(id_of("user"))] | None, Query(max_length=64)]
HomeId = Annotated[GivenId | None, Query()]
Seconds = Annotated[int | None, Query(ge=0, le=86_400), IN_DIGITS]
_NUMBER = re.compile("0|[1-9][0-9]{0,15}", re.ASCII)
_NOT_A_NUMBER = "Send the id of the last event as it came, once."


@route(router, "GET", "/v1/alerts", AlertPage, tag=TAG)
async def list_alerts(
    request: Request,
    state: Annotated[State | None, Query()] = None,
    severity: Annotated[Severity | None, Query()] = None,
    rule: RuleName = None,
    user_id: UserId = None,
    home_id: HomeId = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List alerts, newest first: those of the caller's homes, none about the caller."""
    refuse_reversed(since, until)
    work = ListAlerts(state, severity, rule, user_id, home_id, since, until, limit, cursor)
    return await answer(request, work)


@route(router, "GET", "/v1/alerts/stream", tag=TAG, media_types=[MEDIA_TYPE])
async def stream_alerts(request: Request, seconds: Seconds = None) -> Response:
    """Stream alerts as they happen, as server-sent events; `Last-Event-ID` goes on where a stream ended.

    An event is called `alert`: an alert as the list shows it, as it was after one thing that happened to it.
    The last one is called `end` and says why: `over` after as many seconds as were asked for. A stream never
    keeps its session awake.
    """
    desk = desk_of(request)
    stream = await streaming.begin(desk.serving(request), desk.streams, _last_event(request), seconds)
    return EventStream(stream, operation_of(request).success, stamped(stream.stamp))


def _last_event(request: Request) -> int | None:
    given = request.headers.getlist("last-event-id")
    if not given:
        return None
    if len(given) > 1 or not _NUMBER.fullmatch(given[0]):
        raise InvalidRequestError(("/headers/Last-Event-ID", _NOT_A_NUMBER))
    return int(given[0])


@route(router, "GET", "/v1/alerts/{alert_id}", AlertWholeOut, tag=TAG)
async def read_alert(request: Request, alert_id: Id) -> Response:
    """Read one alert, with its evidence and what was done about it."""
    return await answer(request, ReadAlert(alert_id))


@route(router, "POST", "/v1/alerts/{alert_id}/steps", AlertStepped, tag=TAG)
async def take_step(request: Request, alert_id: Id, body: AlertStepIn) -> Response:
    """Take an alert up, explain it, hand it over or say something about it."""
    return await answer(request, TakeStep(alert_id, body.state, body.owner_id, body.comment, body.version))


@route(router, "GET", "/v1/alert-rules", AlertRulePage, tag=TAG)
async def list_rules(request: Request) -> Response:
    """Show the catalogue of rules, with what the organisation set."""
    return await answer(request, ListRules())


@route(router, "PUT", "/v1/alert-rules/{rule}", AlertRuleSetOut, tag=TAG)
async def set_rule(request: Request, rule: str, body: AlertRuleIn) -> Response:
    """Set a rule for the whole organisation; that it was set raises an alert, for somebody else."""
    return await answer(request, SetRule(rule, body.enabled, body.thresholds, body.reason))
