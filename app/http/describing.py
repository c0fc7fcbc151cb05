"""How an operation is described in `/openapi.json`: from its row of the table and the model of its answer."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from starlette.responses import JSONResponse, Response

from app.access.operation import Operation
from app.http import strict_json
from app.http.shapes import WithETag
from app.residents.refusals import WRITTEN_SO

_TEXT: Mapping[str, Any] = {"type": "string"}
_BYTES: Mapping[str, Any] = {"type": "string", "format": "binary"}
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
_BODIES: Mapping[str, Mapping[str, Any]] = {
    "text/event-stream": _EVENT,
    "application/zip": _BYTES,
    "application/pdf": _BYTES,
}
"""What is not a text as a whole: one event after the other, or bytes."""
_JSON = "application/json"


class DescribedAs:
    """Marks what is described as another type: one that somebody else judges, or that only we make."""

    def __init__(self, what: Any) -> None:
        self._what = what

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema of that type."""
        return handler(TypeAdapter(self._what).core_schema)


def answer_class(media_types: Sequence[str]) -> type[Response]:
    """Return what documents an answer with a model: as JSON, or as the kind of JSON that is named."""
    if not media_types:
        return Response
    media_type = _JSON if _JSON in media_types else media_types[0]
    return type("TypedAnswer", (JSONResponse,), {"media_type": media_type})


def responses(row: Operation, answers: Any, media_types: Sequence[str]) -> dict[int | str, dict[str, Any]]:
    """Return what an operation may answer: its success, and the problems callers have to be ready for."""
    documented: dict[int | str, dict[str, Any]] = {row.success: _done(row, answers, media_types)}
    refusals = [401, 403, 404, 409, 413, 415, 422, 429, 503, *((412, 428) if row.if_match else ())]
    for status in sorted(refusals):
        documented[status] = {
            "description": "A problem (RFC 9457)",
            "headers": _sent("Audit-Event", *_WITH_STATUS.get(status, ())),
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    return documented


def _done(row: Operation, answers: Any, media_types: Sequence[str]) -> dict[str, Any]:
    """Return what a success is: its headers, its model, and what else it may be."""
    tagged = isinstance(answers, type) and issubclass(answers, WithETag)
    to_be_kept = "application/zip" in media_types
    own = (*(["ETag"] if tagged else ()), *(["Content-Disposition"] if to_be_kept else ()))
    done: dict[str, Any] = {"description": "Done", "headers": _sent("Audit-Event", *own)}
    if row.success == 204:
        return done
    others = media_types
    if answers is not None:
        done["model"] = answers
        modelled = answer_class(media_types).media_type
        others = [media_type for media_type in media_types if media_type != modelled]
    if others:
        done["content"] = {media_type: {"schema": _BODIES.get(media_type, _TEXT)} for media_type in others}
    return done


_HEADERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "Audit-Event": ("The receipt of this request's entry: chain/seq/leaf", _TEXT),
    "ETag": ("The version, as `If-Match` wants it", {"type": "string", "pattern": r'^"[1-9][0-9]*"$'}),
    "Content-Disposition": ("What to call the file", _TEXT),
    "Retry-After": ("After how many seconds to come again", {"type": "integer", "minimum": 0}),
    "WWW-Authenticate": ("`Bearer`", _TEXT),
}


def headers() -> dict[str, Any]:
    """Return every header that answers carry, for the components that the operations refer to."""
    return {name: {"description": told, "schema": dict(shape)} for name, (told, shape) in _HEADERS.items()}


_WITH_STATUS: Mapping[int, Sequence[str]] = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}


def _sent(*names: str) -> dict[str, Any]:
    """Return the headers of an answer, each where it is described."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


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
        parameters.append(_header("Caretrail-Background"))
        told["security"] = [{"bearer": []}]
    return told


_HEADER_SHAPES: Mapping[str, Mapping[str, Any]] = {
    "Audit-Purpose": {"enum": list(get_args(strict_json.Purpose)), "default": "care"},
    "Audit-Reason": {"pattern": r"^([ !-$&-~]|%[0-9A-Fa-f]{2})+$"},
    "Caretrail-Background": {"enum": ["1"]},
    "If-Match": {"pattern": r'^"[1-9][0-9]{0,17}"$'},
    "Last-Event-ID": {"pattern": r"^(0|[1-9][0-9]{0,15})$"},
    "Idempotency-Key": {"pattern": r"^[!-~]{1,255}$"},
}


def explain_patterns(part: Any) -> None:
    """Say of every field with a pattern, wherever in a description, what a client is told that misses it."""
    if isinstance(part, dict):
        if part.get("pattern") in WRITTEN_SO:
            part.setdefault("description", WRITTEN_SO[part["pattern"]])
        for one in part.values():
            explain_patterns(one)
    elif isinstance(part, list):
        for one in part:
            explain_patterns(one)


_TOLD = {
    "Caretrail-Background": (
        "Marks a call that no person made, such as a look for news: it does not keep a session awake."
    ),
    "X-Request-ID": "Every answer carries it; where none fits `[A-Za-z0-9._-]{1,64}`, one is made.",
    "Idempotency-Key": (
        "For 24 hours the same call with the same key, byte for byte, is answered once more and changes"
        " nothing; any other body with it is 422."
    ),
}


def _header(name: str, *, required: bool = False) -> dict[str, Any]:
    shape = {"type": "string", **_HEADER_SHAPES.get(name, {})}
    told = {"description": _TOLD[name]} if name in _TOLD else {}
    return {"name": name, "in": "header", "required": required, "schema": shape, **told}
