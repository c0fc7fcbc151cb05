"""What is declared of answers, held against answers as they come.

The description is read strictly: an object has the fields that are declared of it and no other, though to
clients it says that they must be ready for more. What has no declared fields - a map, say - is as declared.
"""

from typing import Any

import httpx2
from jsonschema import Draft202012Validator

EVERYWHERE = frozenset(
    {
        *("cache-control", "x-content-type-options", "referrer-policy", "cross-origin-resource-policy"),
        *("content-security-policy", "content-type", "content-length", "transfer-encoding"),
        *("date", "x-accel-buffering", "x-request-id"),
    }
)
"""Headers that say nothing of what was asked: of the transport, for browsers, and the echo of a parameter."""
JSON = frozenset({"application/json", "application/problem+json", "application/fhir+json"})
BYTES = frozenset({"application/zip", "application/pdf"})


class Declared:
    """The description of the API, made strict."""

    def __init__(self, described: dict[str, Any]) -> None:
        self._document = strict(described)
        self._operations = {
            f"{method.upper()} {path}": row
            for path, methods in self._document["paths"].items()
            for method, row in methods.items()
        }

    def faults(self, operation: str, answer: httpx2.Response) -> list[str]:
        """Return what of an answer is not as declared."""
        declared = self._operations[operation]["responses"].get(str(answer.status_code))
        if declared is None:
            return [f"{operation}: {answer.status_code} is not declared"]
        return [*self._headers(operation, declared, answer), *self._body(operation, declared, answer)]

    def _headers(self, operation: str, declared: dict[str, Any], answer: httpx2.Response) -> list[str]:
        known = {name.lower() for name in declared.get("headers", ())}
        sent = {name.lower() for name in answer.headers} - EVERYWHERE
        faults = [
            f"{operation} {answer.status_code}: {name} is not declared" for name in sorted(sent - known)
        ]
        if "etag" in known - sent:
            faults.append(f"{operation} {answer.status_code}: etag is declared and not sent")
        return faults

    def _body(self, operation: str, declared: dict[str, Any], answer: httpx2.Response) -> list[str]:
        content = declared.get("content", {})
        media_type = _plain(answer.headers.get("Content-Type", ""))
        schemas = {_plain(name): one["schema"] for name, one in content.items()}
        if not media_type and not content:
            return []
        if media_type not in schemas:
            return [f"{operation} {answer.status_code}: {media_type or 'no body'} is not declared"]
        schema = schemas[media_type]
        if media_type not in JSON:
            wanted = "binary" if media_type in BYTES else None
            return [] if schema.get("format") == wanted else [f"{operation}: {media_type} as {schema}"]
        judge = Draft202012Validator({**schema, "components": self._document["components"]})
        found = judge.iter_errors(answer.json())
        return [f"{operation} {answer.status_code}: {one.json_path}: {one.message}" for one in found]


def strict(schema: Any) -> Any:
    """Return a schema, or a description, in which objects with declared fields have no others."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(part) for name, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("additionalProperties", True) is True:
        made["additionalProperties"] = False
    return made


def bare(schema: Any, where: str = "") -> list[str]:
    """Return the places of a schema where an object is declared and nothing of what is in it."""
    if isinstance(schema, list):
        return [found for n, one in enumerate(schema) for found in bare(one, f"{where}/{n}")]
    if not isinstance(schema, dict):
        return []
    says = {"properties", "oneOf", "anyOf", "allOf", "$ref"} & schema.keys()
    typed = isinstance(schema.get("additionalProperties"), dict)
    here = [where] if schema.get("type") == "object" and not says and not typed else []
    return here + [found for name, part in schema.items() for found in bare(part, f"{where}/{name}")]


def _plain(media_type: str) -> str:
    """Return a media type without its parameters."""
    return media_type.partition(";")[0]
