"""What the doctor says of endpoints that are told of alerts. Pure: from facts to a finding."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.operations.database_facts import EndpointFacts
from app.operations.finding import Finding, failed, ok, warning

SILENT_FOR = timedelta(hours=1)
"""A shorter trouble is what the next attempts are for."""
BY_ITSELF = ("gone", "failing")
MOST_NAMED = 3


def check_endpoints(endpoints: Sequence[EndpointFacts], mute: str | None, at: datetime) -> Finding:
    """Say whether other systems are told: endpoints are on unless somebody switched them off, and answer.

    Args:
        endpoints: Those of all organisations.
        mute: Why nothing can be sent from here; None if it can.
        at: Now.
    """
    off = [one for one in endpoints if one.off_because in BY_ITSELF]
    if off:
        told = f"switched off because nothing came through any more: {_named(off)}"
        advice = "Nobody is told there. Mend it and switch it on (PUT /v1/webhooks/{id}), or remove it."
        return failed("webhooks", told, advice)
    on = [one for one in endpoints if one.off_because is None]
    if on and mute:
        told = f"nobody is told of anything at {len(on)} endpoints: {mute}"
        return failed("webhooks", told, "Install it where the service runs, then restart: what is due waits.")
    silent = [one for one in on if one.failing_since and at - one.failing_since > SILENT_FOR]
    if silent:
        told = f"nothing comes through, for more than an hour: {_named(silent)}"
        advice = "GET /v1/webhooks/{id}/deliveries shows how each attempt ended."
        return warning("webhooks", told, advice)
    return ok("webhooks", f"{len(on)} endpoints of other systems are on")


def _named(endpoints: Sequence[EndpointFacts]) -> str:
    more = f" and {len(endpoints) - MOST_NAMED} more" if len(endpoints) > MOST_NAMED else ""
    return ", ".join(one.id for one in endpoints[:MOST_NAMED]) + more
