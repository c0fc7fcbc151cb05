"""The errands of webhooks: each organisation has an endpoint at which nobody listens."""

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import update

from app.access.visit import System
from app.webhooks.managing import CreateEndpoint, SendTest
from app.webhooks.table import webhook_message
from tests.support.served import Ask

NOBODY = "https://localhost:1025/hooks"
BODY = {"url": NOBODY, "events": ["incident.clock"]}
_MAY_REMOVE = ("it_admin", "registered_manager")
"""Who holds the permission, and who walks and is both."""
_endpoints: WeakKeyDictionary[Any, dict[str, str]] = WeakKeyDictionary()
"""The endpoint of each organisation of a ground, made when first needed: there may not be many."""


def new_endpoint(ground: Any, org: str) -> str:
    """Enter an endpoint and return its path."""
    work = CreateEndpoint(NOBODY, ["incident.clock"])
    made = ground.world.answer(work, "POST /v1/webhooks", System("cli", org)).payload
    return f"/v1/webhooks/{made['id']}"


def endpoint_at(errand: Any) -> str:
    """Return the path of the endpoint of an organisation."""
    ground, org = errand.ground, errand.ground.orgs[errand.place]
    known = _endpoints.setdefault(ground, {})
    if org not in known:
        known[org] = new_endpoint(ground, org)
    return known[org]


def endpoint_to_spend(errand: Any) -> str:
    """Return the path of an endpoint that may be removed."""
    return (
        new_endpoint(errand.ground, errand.ground.orgs["own"])
        if errand.place != "foreign"
        else endpoint_at(errand)
    )


def delivery_at(errand: Any) -> str:
    """Return the path of a message that was taken."""
    path, world, org = endpoint_at(errand), errand.ground.world, errand.ground.orgs[errand.place]
    operation = "POST /v1/webhooks/{webhook_id}/test"
    made = world.answer(SendTest(path.rpartition("/")[2]), operation, System("cli", org)).payload
    ended = update(webhook_message).where(webhook_message.c.id == made["delivery_id"])
    ended = ended.values(status="done", ended_at=world.later(), lease=None, leased_until=None)
    world.looking(lambda connection: connection.execute(ended))
    return f"{path}/deliveries/{made['delivery_id']}"


OF_WEBHOOKS: dict[str, Callable[[Any], Ask]] = {
    "POST /v1/webhooks": lambda _: Ask("POST", "/v1/webhooks", json=BODY),
    "GET /v1/webhooks": lambda _: Ask("GET", "/v1/webhooks"),
    "GET /v1/webhooks/{webhook_id}": lambda e: Ask("GET", endpoint_at(e)),
    "PUT /v1/webhooks/{webhook_id}": lambda e: Ask("PUT", endpoint_at(e), json=BODY | {"active": True}),
    "DELETE /v1/webhooks/{webhook_id}": lambda e: Ask(
        "DELETE", endpoint_to_spend(e) if e.caller.role in _MAY_REMOVE else endpoint_at(e)
    ),
    "POST /v1/webhooks/{webhook_id}/secret": lambda e: Ask("POST", f"{endpoint_at(e)}/secret"),
    "POST /v1/webhooks/{webhook_id}/test": lambda e: Ask("POST", f"{endpoint_at(e)}/test"),
    "GET /v1/webhooks/{webhook_id}/deliveries": lambda e: Ask("GET", f"{endpoint_at(e)}/deliveries"),
    "POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay": lambda e: Ask(
        "POST", f"{delivery_at(e)}/replay"
    ),
}
