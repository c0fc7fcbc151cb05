"""Routes of residents."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import InvalidRequestError
from app.core.local_time import day_of
from app.http.presenting import Id, answer, desk_of, require_reason, route
from app.http.shapes import (
    IN_DIGITS,
    AdmissionIn,
    DischargeIn,
    GivenId,
    ResidentOut,
    ResidentPage,
    ResidentPatch,
    ResidentsFound,
    SearchIn,
    fields_named,
)
from app.http.strict_route import strict_router
from app.residents.admission import AdmitResident
from app.residents.amending import AmendResident
from app.residents.bodies import dump
from app.residents.history import ReadResidentChanges
from app.residents.identity import parse_identifiers, read_nhs_number
from app.residents.leaving import DischargeResident, RemoveResident
from app.residents.register import ListResidents, ReadResident, SearchResidents

router = strict_router()
TAG = "Residents"

Limit = Annotated[int, Query(ge=1, le=200), IN_DIGITS]
Cursor = Annotated[
    str | None,
    Query(
        max_length=500,
        description="`next_cursor` of the page before. Repeat every other parameter, `limit` included."
        " A page may be short, even empty, and go on: only `next_cursor` null is the end.",
    ),
]
ChangesSince = Annotated[
    int | None,
    Query(ge=0, le=2**31 - 1, description="The version after which changes are told; 0: all of them."),
    IN_DIGITS,
]
Status = Literal["resident", "discharged", "died"]


def today(request: Request) -> date:
    """Return the present day of people at work, for what may not lie in the future."""
    return day_of(desk_of(request).clock.now())


@route(router, "POST", "/v1/residents", ResidentOut, tag=TAG)
async def admit_resident(request: Request, body: AdmissionIn) -> Response:
    """Admit a resident to a home."""
    identifiers = parse_identifiers(dump(body.identifiers), today(request))
    identity = dump(body.identity)
    work = AdmitResident(body.home_id, body.unit, body.room, identity, dump(identifiers), body.admitted_on)
    return await answer(request, work)


@route(router, "GET", "/v1/residents", ResidentPage, tag=TAG)
async def list_residents(
    request: Request,
    home_id: Annotated[GivenId | None, Query()] = None,
    status: Annotated[Status | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List the residents the caller may see, newest first."""
    return await answer(request, ListResidents(home_id, status, limit, cursor))


@route(router, "POST", "/v1/residents/search", ResidentsFound, tag=TAG)
async def search_residents(request: Request, body: SearchIn) -> Response:
    """Find residents by NHS number, or by family name with or without date of birth."""
    return await answer(request, SearchResidents(*look_up_of(body)))


def look_up_of(body: SearchIn) -> tuple[str | None, str | None, str | None]:
    """Return NHS number, family name and date of birth of a look-up that names one or the other."""
    if (body.nhs_number is None) == (body.family_name is None):
        raise InvalidRequestError(("", "Send nhs_number, or family_name with or without date_of_birth."))
    if body.nhs_number is None:
        return None, body.family_name, body.date_of_birth
    if body.date_of_birth is not None:
        raise InvalidRequestError(("/date_of_birth", "Goes with family_name only."))
    try:
        return read_nhs_number(body.nhs_number), None, None
    except ValueError as error:
        raise InvalidRequestError(("/nhs_number", str(error))) from None


@route(router, "GET", "/v1/residents/{resident_id}", ResidentOut, tag=TAG)
async def read_resident(request: Request, resident_id: Id, changes_since: ChangesSince = None) -> Response:
    """Read one resident, as far as the caller's role may see; with `changes_since`, also what changed."""
    if changes_since is not None:
        return await answer(request, ReadResidentChanges(resident_id, changes_since))
    return await answer(request, ReadResident(resident_id))


@route(router, "PATCH", "/v1/residents/{resident_id}", ResidentOut, tag=TAG)
async def amend_resident(request: Request, resident_id: Id, body: ResidentPatch) -> Response:
    """Change a resident by merge patch."""
    was = desk_of(request).version(request)
    return await answer(request, AmendResident(resident_id, was, _patch(request, body)))


def _patch(request: Request, body: ResidentPatch) -> dict[str, Any]:
    patch = fields_named(body)
    changes = patch.get("identifiers", {})
    if changes.get("nhs_number") is not None:
        try:
            changes["nhs_number"] = read_nhs_number(changes["nhs_number"])
        except ValueError as error:
            raise InvalidRequestError(("/identifiers/nhs_number", str(error))) from None
    if "date_of_birth" in changes:
        parse_identifiers({"date_of_birth": changes["date_of_birth"]}, today(request))
    return patch


@route(router, "DELETE", "/v1/residents/{resident_id}", tag=TAG)
async def remove_resident(request: Request, resident_id: Id) -> Response:
    """Mark a resident as entered in error. Needs Audit-Reason; the history stays."""
    was = desk_of(request).version(request)
    require_reason(request)
    return await answer(request, RemoveResident(resident_id, was))


@route(router, "POST", "/v1/residents/{resident_id}/discharge", ResidentOut, tag=TAG)
async def discharge_resident(request: Request, resident_id: Id, body: DischargeIn) -> Response:
    """Record that a resident left, or died."""
    return await answer(request, DischargeResident(resident_id, body.discharged_on, body.reason))
