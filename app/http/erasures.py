"""Routes of erasures: one person asks, another approves."""

from typing import Annotated, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from app.http.presenting import Id, answer, desk_of, route
from app.http.shapes import ErasureIn, ErasureOut
from app.http.strict_route import strict_router
from app.residents.erasing import ApproveErasure, AskErasure

router = strict_router()
TAG = "Residents"

Include = Annotated[Literal["entered-in-error"] | None, Query()]


@route(router, "POST", "/v1/residents/{resident_id}/erasure", ErasureOut, tag=TAG)
async def ask_erasure(
    request: Request, resident_id: Id, body: ErasureIn, include: Include = None
) -> Response:
    """Ask for the erasure of a resident. Somebody else must approve it within 30 days."""
    work = AskErasure(resident_id, body.legal_basis, body.reason, with_deleted=include is not None)
    return await answer(request, work)


@route(router, "POST", "/v1/erasures/{erasure_id}/approve", ErasureOut, tag=TAG)
async def approve_erasure(request: Request, erasure_id: Id) -> Response:
    """Approve an erasure somebody else asked for. The resident's key is destroyed; there is no way back."""
    answered = await answer(request, ApproveErasure(erasure_id))
    await desk_of(request).forget()
    return answered
