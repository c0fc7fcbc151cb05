"""The HTTP application: routes, problem answers, the edge around it all."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from app.access.visit import VisitRefusedError
from app.core.errors import CaretrailError
from app.core.identifiers import new_id
from app.http import (
    alerts,
    audit,
    breach,
    crashes,
    docs_page,
    erasures,
    fhir,
    health,
    homes,
    incidents,
    people,
    problems,
    records,
    residents,
    sessions,
    webhooks,
)
from app.http.edge import Edge
from app.http.lane import Lane
from app.http.openapi import serve_description
from app.http.presenting import Desk, desk_of, stamped
from app.http.request_log import RequestLog
from app.http.strict_route import StrictRoute
from app.http.unfinished import anybody, known_by

ROUTERS = (
    sessions.router,
    people.router,
    homes.router,
    residents.router,
    records.router,
    erasures.router,
    audit.router,
    fhir.router,
    alerts.router,
    incidents.router,
    breach.router,
    webhooks.router,
)


Application = ASGIApp
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def application(
    desk: Desk | None,
    lifespan: Lifespan | None = None,
    *,
    over_tls: bool = False,
    log_requests: bool = False,
) -> Application:
    """Return the whole ASGI application. Without a desk it can only print its own description."""
    inner = build(desk, lifespan)
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, StrictRoute)]
    edge = Edge(
        crashes.contained(Lane(inner, routes)),
        make_request_id=new_id,
        known=known_by(desk.tokens, desk.clock) if desk is not None else anybody,
        over_tls=over_tls,
    )
    return RequestLog(edge) if log_requests else edge


def build(desk: Desk | None, lifespan: Lifespan | None = None) -> FastAPI:
    """Return the FastAPI application inside the edge."""
    app = FastAPI(
        title="Caretrail",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        exception_handlers={**problems.exception_handlers(_record), VisitRefusedError: _refused},
    )
    app.state.desk = desk
    for router in (*ROUTERS, health.router, problems.router(), docs_page.router()):
        app.include_router(router)
    serve_description(app)
    return app


async def _record(request: Request, error: CaretrailError) -> tuple[CaretrailError, Mapping[str, str]]:
    """Have a refusal recorded, if the caller is known."""
    return await desk_of(request).refuse(request, error)


async def _refused(request: Request, refused: Exception) -> Response:
    """Answer a visit that was refused at the door; its entry stands already."""
    assert isinstance(refused, VisitRefusedError)  # noqa: S101 - registered for nothing else
    request_id = problems.request_id_of(request)
    where = problems.instance_of(request)
    return problems.answer(refused.error, request_id, where, stamped(refused.stamp))
