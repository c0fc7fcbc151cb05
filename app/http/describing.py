"""How an operation is described in `/openapi.json`: from its row of the table and the model of its answer."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from starlette.responses import JSONResponse, Response

from app.access.operation import Operation
from app.http import strict_json

_TEXT: Mapping[str, Any] = {"type": "string"}
_EVENT: Mapping[str, Any] = {
    "type": "object",
    "description": "One server-sent event; `data` is JSON.",
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["event", "data"],
}
_BODIES: Mapping[str, Mapping[str, Any]] = {"text/event-stream": _EVENT}
"""What is not a text as a whole but one event after the other."""


def answer_class(media_types: Sequence[str]) -> type[Response]:
    """Return what documents an answer with a model: as JSON, or as the kind of JSON that is named."""
    return type("TypedAnswer", (JSONResponse,), {"media_type": media_types[0]}) if media_types else Response


def responses(row: Operation, answers: Any, media_types: Sequence[str]) -> dict[int | str, dict[str, Any]]:
    """Return what an operation may answer: its success, and every problem."""
    receipt = {
        "Audit-Event": {
            "description": "The receipt of this request's entry: chain/seq/leaf",
            "schema": {"type": "string"},
        }
    }
    done: dict[str, Any] = {"description": "Done", "headers": receipt}
    if answers is not None and row.success != 204:
        done["model"] = answers
    elif row.success != 204:
        done["content"] = {
            media_type: {"schema": _BODIES.get(media_type, _TEXT)} for media_type in media_types
        }
    documented: dict[int | str, dict[str, Any]] = {row.success: done}
    refusals = [401, 403, 404, 409, 413, 415, 422, 429, 503, *((412, 428) if row.if_match else ())]
    for status in sorted(refusals):
        documented[status] = {
            "description": "A problem (RFC 9457)",
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    return documented


def extra(row: Operation) -> dict[str, Any]:
    """Return permission, act, headers and whether a token is wanted."""
    told: dict[str, Any] = {"x-permission": row.permission, "x-audit-act": row.act}
    reasoned = row.act in ("resident.delete", "record.delete")  # they call `require_reason`
    parameters = [
        _header("Audit-Purpose"),
        _header("Audit-Reason", required=reasoned),
        _header("X-Request-ID"),
    ]
    if row.if_match:
        parameters.append(_header("If-Match", required=True))
    if row.idempotent:
        parameters.append(_header("Idempotency-Key"))
    if row.act == "alert.stream":
        parameters.append(_header("Last-Event-ID"))
    told["parameters"] = parameters
    if row.permission != "none":
        told["security"] = [{"bearer": []}]
    return told


_HEADER_SHAPES: Mapping[str, Mapping[str, Any]] = {
    "Audit-Purpose": {"enum": list(get_args(strict_json.Purpose)), "default": "care"},
    "Audit-Reason": {"pattern": r"^([ !-$&-~]|%[0-9A-Fa-f]{2})+$"},
    "If-Match": {"pattern": r'^"[1-9][0-9]{0,17}"$'},
    "Last-Event-ID": {"pattern": r"^(0|[1-9][0-9]{0,15})$"},
    "Idempotency-Key": {"pattern": r"^[!-~]{1,255}$"},
}


def _header(name: str, *, required: bool = False) -> dict[str, Any]:
    shape = {"type": "string", **_HEADER_SHAPES.get(name, {})}
    return {"name": name, "in": "header", "required": required, "schema": shape}
