"""What describes the interface: `openapi.yaml`, and `/openapi.json` of a running service."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

from app.http.describing import explain_patterns, headers
from app.http.shapes import Problem
from app.http.webhooks_shapes import events_described

DESCRIPTION = (Path(__file__).parent / "assets" / "description.md").read_text(encoding="utf-8")
TAGS = {
    "Sessions": "Signing in, locking, signing out.",
    "People": "Accounts, shifts and roles.",
    "Homes": "The homes of the provider.",
    "Residents": "Who lives at a home.",
    "Records": "What is recorded about a resident; every version is kept.",
    "Audit": "The trail: who saw and changed what, with proof.",
    "Alerts": "What detection found unusual, and who looked into it.",
    "Incidents": "What went wrong or nearly did: deadlines, assessment, who was told, what is done about it.",
    "Webhooks": "Other systems that are told of alerts and incidents, and what was sent to them.",
}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI 3.1 description: what `openapi.yaml` holds and `/openapi.json` serves."""
    described = get_openapi(
        title="Caretrail",
        version="1",
        summary="Care records in which every read is an audit entry",
        description=DESCRIPTION,
        routes=app.routes,
        servers=[{"url": "/", "description": "This service"}],
        contact={"name": "The operator of this service", "url": "https://example.org/"},
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
    )
    described["webhooks"] = events_described()
    components = described.setdefault("components", {})
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    components["headers"] = headers()
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schemas["Problem"].pop("$defs", {}))
    explain_patterns(schemas)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return described


def serve_description(app: FastAPI) -> None:
    """Have an application answer `/openapi.json`.

    It is made when it is first asked for, once: that takes most of a second, for which no start waits.
    """
    made: asyncio.Task[bytes] | None = None

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        """Return the description of the API."""
        nonlocal made
        if made is None:
            made = asyncio.create_task(asyncio.to_thread(lambda: orjson.dumps(describe(app))))
        # Who leaves meanwhile does not end it: others may wait for the same.
        return Response(await asyncio.shield(made), media_type="application/json")
