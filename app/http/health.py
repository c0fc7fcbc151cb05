"""Probes and readings: the only routes, besides documentation, that make no entry."""

import hmac

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.access.visit import System, Visit, VisitRefusedError
from app.core.errors import NotFoundError
from app.core.identifiers import SYSTEM
from app.http import problems
from app.http.presenting import desk_of
from app.operations.metrics import MEDIA_TYPE
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
    """Return the readings, to whoever holds the token set for them. Without one there are none."""
    desk = desk_of(request)
    given = request.headers.get("authorization", "").encode()
    token, take = desk.metrics_token, desk.metrics
    if token is None or take is None or not hmac.compare_digest(given, b"Bearer " + token):
        return problems.answer(
            NotFoundError(), problems.request_id_of(request), problems.instance_of(request)
        )
    return Response(await take(), media_type=MEDIA_TYPE)
