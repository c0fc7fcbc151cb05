"""Probes and counters: the only routes, besides documentation, that make no entry."""

import hmac

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.access.visit import System, Visit, VisitRefusedError
from app.core.identifiers import SYSTEM
from app.http.presenting import desk_of
from app.trail.readiness import READY, ProbeReadiness

router = APIRouter()


@router.get("/health/live", include_in_schema=False)
async def live() -> Response:
    """Say that the process answers. Touches nothing."""
    return JSONResponse({"status": "live"})


@router.get("/health/ready", include_in_schema=False)
async def ready(request: Request) -> Response:
    """Say whether a visit would be served: the database answers and the trail could be written."""
    desk = desk_of(request)
    visit = Visit(System("health", SYSTEM), READY, ProbeReadiness())
    try:
        await desk.door.visit(visit)
        served = desk.sound()
    except VisitRefusedError:
        served = False
    if not served:
        return JSONResponse({"status": "not ready"}, status_code=503)
    return JSONResponse({"status": "ready"})


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Return the counters, to whoever holds the token set for them. Without one there are none."""
    desk = desk_of(request)
    given = request.headers.get("authorization", "").encode()
    if desk.metrics_token is None or not hmac.compare_digest(given, b"Bearer " + desk.metrics_token):
        return PlainTextResponse("", status_code=404)
    gauges = [(f"caretrail_{name}", value) for name, value in desk.gauges().items()]
    lines = (
        "# HELP caretrail_unrecognised_total Requests without a session this service knows; no entry.",
        "# TYPE caretrail_unrecognised_total counter",
        f"caretrail_unrecognised_total {desk.unrecognised}",
        *(line for name, value in gauges for line in (f"# TYPE {name} gauge", f"{name} {value}")),
        "",
    )
    return PlainTextResponse("\n".join(lines), media_type="text/plain; version=0.0.4")
