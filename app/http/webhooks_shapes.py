"""The shapes of webhooks: requests, answers, and the messages themselves for the description."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from app.http.shapes import Answered, Moment, Uuid
from app.residents.refusals import FaultError
from app.residents.texts import Body
from app.webhooks.catalogue import EVENTS, FIELDS
from app.webhooks.outbox import TEST_EVENT
from app.webhooks.rows import EVERY_EVENT

_WANTED: Final = (EVERY_EVENT, *(name for name in EVENTS if name != TEST_EVENT))


def _known(name: str) -> str:
    if name not in _WANTED:
        raise FaultError("Must be an event of the catalogue, or * for all.")
    return name


EventName = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(_WANTED)})]
Url = Annotated[str, Field(min_length=1, max_length=2000, json_schema_extra={"format": "uri"})]
Events = Annotated[list[EventName], Field(min_length=1, max_length=len(_WANTED))]


class WebhookIn(Body):
    """An endpoint to be entered: an address of the public internet over TLS, and what it wants."""

    url: Url
    events: Events


class WebhookChange(Body):
    """An endpoint as it shall be from now on."""

    url: Url
    events: Events
    active: bool


class WebhookOut(Answered):
    """An endpoint. `off_because` says who switched it off: somebody, its own 410, or failures for days."""

    id: Uuid
    url: str
    events: list[str]
    active: bool
    off_because: Literal["asked", "gone", "failing"] | None
    secret_set_at: Moment
    former_secret_until: Moment | None
    created_at: Moment
    version: int


class WebhookWithSecret(WebhookOut):
    """An endpoint with its new secret, which is shown this once; a repeated call shows null."""

    secret: str | None


class WebhookPage(Answered):
    """The endpoints of the organisation."""

    items: list[WebhookOut]
    next_cursor: str | None


class DeliveryMade(Answered):
    """A message that goes out: its id is the `webhook-id` a receiver sees."""

    delivery_id: Uuid


class AttemptOut(Answered):
    """An attempt. Of what was answered only the status and a SHA-256 are kept."""

    n: int
    at: Moment
    outcome: Literal[
        "ok",
        "status",
        "timeout",
        "name-unknown",
        "address-refused",
        "no-connection",
        "certificate-refused",
        "broken-off",
    ]
    http_status: int | None
    took_ms: int
    answer_sha256: str | None


class DeliveryOut(Answered):
    """A message to an endpoint, with its attempts."""

    id: Uuid
    event: str
    status: Literal["due", "done", "dead", "dropped"]
    created_at: Moment
    due_at: Moment | None
    ended_at: Moment | None
    attempts: list[AttemptOut]


class DeliveryPage(Answered):
    """A page of messages to an endpoint."""

    items: list[DeliveryOut]
    next_cursor: str | None


def events_described() -> dict[str, Any]:
    """Return the event catalogue as OpenAPI 3.1 describes webhooks: what a receiver has to serve."""
    return {name: {"post": _described(name)} for name in EVENTS}


def _described(name: str) -> dict[str, Any]:
    return {
        "operationId": "receive_" + name.replace(".", "_"),
        "summary": EVENTS[name].about,
        "tags": ["Webhooks"],
        "parameters": [_header(header, about) for header, about in _HEADERS.items()],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _message(name)}},
        },
        "responses": {
            "2XX": {"description": "Taken. Anything else is a failure, and the message comes again."},
            "410": {"description": "Gone: the endpoint is switched off."},
        },
    }


_HEADERS: Final[Mapping[str, str]] = {
    "webhook-id": "The same for every attempt at this message: take each id once",
    "webhook-timestamp": "When this attempt was made, in seconds since 1970",
    "webhook-signature": "`v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`; several, with spaces",
}


def _header(name: str, about: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": about,
        "schema": {"type": "string"},
    }


def _message(name: str) -> dict[str, Any]:
    fields = {field: _value(field) for field in EVENTS[name].fields}
    return {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"const": name},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {"type": "object", "properties": fields},
        },
    }


def _value(field: str) -> dict[str, Any]:
    shape = dict(FIELDS[field].schema)
    if "enum" in shape:
        shape["enum"] = [*shape["enum"], None]
    return shape | {"type": [shape["type"], "null"], "description": FIELDS[field].about}
