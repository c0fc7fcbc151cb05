"""What the plain applications share: their path, and what a row goes through on its way in and out.

Each comes in two spellings:

* as FastAPI's documentation writes it, with a session from a dependency that yields. The goals of this
  project were set against this one, so the ratios of `bench.json` are formed with it;
* under `/lean`, with the session opened inside the endpoint, which saves the dependency's bookkeeping and,
  for `def`, two of three visits to the thread pool. Measured beside it, so that nobody is misled.

At 128 connections `def` is measured in the lean spelling only: in the documented one forty threads wait
for a connection while the exits that would return one wait for a thread, and it locks itself up.
"""

from datetime import UTC, datetime

from fastapi import FastAPI, HTTPException, Response

from tests.bench.plain_model import AmendmentIn, PlainRecord, RecordOut, amend, out

PATH = "/v1/residents/{resident_id}/records/{record_id}"
LEAN = "/lean"


def plain_app() -> FastAPI:
    """Return an application without telemetry or documentation, as the service's is."""
    return FastAPI(openapi_url=None, telemetry={"tracing": False, "metrics": False, "logs": False})


def static(answer: bytes) -> FastAPI:
    """Return an application that answers the same bytes to everyone."""
    app = plain_app()

    @app.get("/static")
    async def same() -> Response:
        return Response(answer, media_type="application/json")

    return app


def found(row: PlainRecord | None, resident_id: str) -> PlainRecord:
    """Return a row that is there and belongs to the resident, or answer 404."""
    if row is None or row.resident_id != resident_id:
        raise HTTPException(404)
    return row


def amended(row: PlainRecord | None, resident_id: str, if_match: str, amendment: AmendmentIn) -> PlainRecord:
    """Return a row changed to its next version, or answer 404 or 412."""
    changed = found(row, resident_id)
    if if_match != f'"{changed.version}"':
        raise HTTPException(412)
    amend(changed, amendment, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    return changed


def told(row: PlainRecord, response: Response) -> RecordOut:
    """Return the answer for a row, with its ETag."""
    response.headers["ETag"] = f'"{row.version}"'
    return out(row)
