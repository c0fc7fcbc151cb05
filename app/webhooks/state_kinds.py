"""The rows of webhooks that the trail vouches for: endpoints. Messages are bound by a digest of their own."""

from typing import Final

from app.trail.state_kinds import of_organisation
from app.webhooks.rows import EndpointRow, endpoint_state

WEBHOOKS: Final = of_organisation("webhook", "webhook", EndpointRow, "id", endpoint_state)
WEBHOOK_KINDS: Final = (WEBHOOKS,)
