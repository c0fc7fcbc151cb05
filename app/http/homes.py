"""Routes of homes."""

from starlette.requests import Request
from starlette.responses import Response

from app.http.presenting import answer, route
from app.http.shapes import HomeIn, HomeOut, HomePage
from app.http.strict_route import strict_router
from app.identity.homes import ListHomes, OpenHome

router = strict_router()
TAG = "Homes"


@route(router, "GET", "/v1/homes", HomePage, tag=TAG)
async def list_homes(request: Request) -> Response:
    """List the homes the caller acts at."""
    return await answer(request, ListHomes())


@route(router, "POST", "/v1/homes", HomeOut, tag=TAG)
async def open_home(request: Request, body: HomeIn) -> Response:
    """Enter a new home of the organisation."""
    return await answer(request, OpenHome(body.name, body.ods_code, body.cqc_location_id))
