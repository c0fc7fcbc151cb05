"""Routes of records."""

from typing import Annotated, Literal

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import Response

from app.access.categories import Category
from app.http.audit import refuse_reversed
from app.http.presenting import Id, answer, desk_of, require_reason, route
from app.http.records_shapes import AmendmentIn, RecordOut, RecordPage, VersionOut, VersionPage
from app.http.residents import Cursor, Limit
from app.http.shapes import IN_DIGITS
from app.http.strict_route import strict_router
from app.residents.bodies import dump
from app.residents.comparing import CompareVersions
from app.residents.correcting import AmendRecord, RemoveRecord
from app.residents.new_records import NewRecord
from app.residents.recording import MakeRecord
from app.residents.records import IN_ERROR, ListRecords, ListVersions, ReadRecord
from app.residents.texts import Instant

router = strict_router()
TAG = "Records"
BASE = "/v1/residents/{resident_id}/records"

Include = Annotated[Literal["entered-in-error"] | None, Query()]
Since = Annotated[Instant | None, Query(alias="from")]
Until = Annotated[Instant | None, Query(alias="to")]
Version = Annotated[int, Path(ge=1, le=2**31 - 1), IN_DIGITS]
Compared = Annotated[int | None, Query(ge=1, le=2**31 - 1), IN_DIGITS]


@route(router, "POST", BASE, RecordOut, tag=TAG)
async def make_record(request: Request, resident_id: Id, body: NewRecord) -> Response:
    """Record something about a resident."""
    work = MakeRecord(resident_id, body.category, body.occurred_at, dump(body.body))
    return await answer(request, work)


@route(router, "GET", BASE, RecordPage, tag=TAG)
async def list_records(
    request: Request,
    resident_id: Id,
    category: Annotated[Category | None, Query()] = None,
    since: Since = None,
    until: Until = None,
    include: Include = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List a resident's records in the categories the caller may read, newest first."""
    refuse_reversed(since, until)
    work = ListRecords(resident_id, category, since, until, limit, cursor, include == IN_ERROR)
    return await answer(request, work)


@route(router, "GET", BASE + "/{record_id}", RecordOut, tag=TAG)
async def read_record(request: Request, resident_id: Id, record_id: Id, include: Include = None) -> Response:
    """Read the present version of a record."""
    return await answer(request, ReadRecord(resident_id, record_id, include == IN_ERROR))


@route(router, "PUT", BASE + "/{record_id}", RecordOut, tag=TAG)
async def amend_record(request: Request, resident_id: Id, record_id: Id, body: AmendmentIn) -> Response:
    """Write the next version of a record. Authors may amend their own entry for 24 hours."""
    was = desk_of(request).version(request)
    work = AmendRecord(resident_id, record_id, was, body.occurred_at, body.body, body.amendment_reason)
    return await answer(request, work)


@route(router, "DELETE", BASE + "/{record_id}", tag=TAG)
async def remove_record(request: Request, resident_id: Id, record_id: Id) -> Response:
    """Mark a record as entered in error. Needs Audit-Reason; every version stays."""
    was = desk_of(request).version(request)
    require_reason(request)
    return await answer(request, RemoveRecord(resident_id, record_id, was))


@route(router, "GET", BASE + "/{record_id}/versions", VersionPage, tag=TAG)
async def list_versions(
    request: Request, resident_id: Id, record_id: Id, include: Include = None, cursor: Cursor = None
) -> Response:
    """List every version of a record, newest first: at most 25 to a page, fewer where documents are large."""
    return await answer(request, ListVersions(resident_id, record_id, None, include == IN_ERROR, cursor))


@route(router, "GET", BASE + "/{record_id}/versions/{version}", VersionOut, tag=TAG)
async def read_version(
    request: Request,
    resident_id: Id,
    record_id: Id,
    version: Version,
    compare: Compared = None,
    include: Include = None,
) -> Response:
    """Read one version of a record; with `compare`, also what changed from that version to this one."""
    if compare is not None:
        work = CompareVersions(resident_id, record_id, version, compare, include == IN_ERROR)
        return await answer(request, work)
    return await answer(request, ListVersions(resident_id, record_id, version, include == IN_ERROR))
