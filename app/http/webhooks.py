"""Routes of webhooks: endpoints of other systems, and what was sent to them."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import CaretrailError
from app.http.presenting import Id, answer, desk_of, operation_of, route
from app.http.residents import Cursor, Limit
from app.http.strict_route import strict_router
from app.http.webhooks_shapes import (
    DeliveryMade,
    DeliveryPage,
    WebhookChange,
    WebhookIn,
    WebhookOut,
    WebhookPage,
    WebhookWithSecret,
)
from app.webhooks.deliveries import ListDeliveries, ReplayDelivery
from app.webhooks.managing import (
    CreateEndpoint,
    DeleteEndpoint,
    ListEndpoints,
    MayManage,
    ReadEndpoint,
    RotateSecret,
    SendTest,
    UpdateEndpoint,
)

router = strict_router()
TAG = "Webhooks"


@route(router, "POST", "/v1/webhooks", WebhookWithSecret, tag=TAG)
async def create_webhook(request: Request, body: WebhookIn) -> Response:
    """Enter an endpoint. The answer shows its secret, once."""
    refusal = await _judged(request, body.url, MayManage())
    return await answer(request, CreateEndpoint(body.url, body.events, refusal))


@route(router, "GET", "/v1/webhooks", WebhookPage, tag=TAG)
async def list_webhooks(request: Request) -> Response:
    """List the endpoints of the organisation."""
    return await answer(request, ListEndpoints())


@route(router, "GET", "/v1/webhooks/{webhook_id}", WebhookOut, tag=TAG)
async def read_webhook(request: Request, webhook_id: Id) -> Response:
    """Read an endpoint."""
    return await answer(request, ReadEndpoint(webhook_id))


@route(router, "PUT", "/v1/webhooks/{webhook_id}", WebhookOut, tag=TAG)
async def update_webhook(request: Request, webhook_id: Id, body: WebhookChange) -> Response:
    """Change where an endpoint is, what it wants, and whether it is told."""
    refusal = await _judged(request, body.url, MayManage(webhook_id))
    return await answer(request, UpdateEndpoint(webhook_id, body.url, body.events, body.active, refusal))


@route(router, "DELETE", "/v1/webhooks/{webhook_id}", tag=TAG)
async def delete_webhook(request: Request, webhook_id: Id) -> Response:
    """Remove an endpoint. What waits for it is not sent."""
    return await answer(request, DeleteEndpoint(webhook_id))


@route(router, "POST", "/v1/webhooks/{webhook_id}/secret", WebhookWithSecret, tag=TAG)
async def rotate_webhook_secret(request: Request, webhook_id: Id) -> Response:
    """Give an endpoint a new secret, shown once. For 24 hours messages are signed with both."""
    return await answer(request, RotateSecret(webhook_id))


@route(router, "POST", "/v1/webhooks/{webhook_id}/test", DeliveryMade, tag=TAG)
async def test_webhook(request: Request, webhook_id: Id) -> Response:
    """Have an endpoint sent a message that tells of nothing."""
    return await answer(request, SendTest(webhook_id))


@route(router, "GET", "/v1/webhooks/{webhook_id}/deliveries", DeliveryPage, tag=TAG)
async def list_webhook_deliveries(
    request: Request, webhook_id: Id, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """List what was sent to an endpoint, or is to be, newest first, with every attempt."""
    return await answer(request, ListDeliveries(webhook_id, limit, cursor))


@route(router, "POST", "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay", DeliveryMade, tag=TAG)
async def replay_webhook_delivery(request: Request, webhook_id: Id, delivery_id: Id) -> Response:
    """Send a message again, under the id it had."""
    return await answer(request, ReplayDelivery(webhook_id, delivery_id))


async def _judged(request: Request, url: str, may: MayManage) -> CaretrailError | None:
    """Return why nothing may be sent to a URL. Nothing is looked up for who may not manage endpoints."""
    desk = desk_of(request)
    await desk.visit(request, may, row=replace(operation_of(request), idempotent=False))
    return await desk.judge_url(url)
