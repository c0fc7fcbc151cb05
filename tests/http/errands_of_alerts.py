"""The errands of alerts: each place has one about nobody in particular."""

from collections.abc import Callable
from typing import Any

from tests.support.alarming import finding, raised
from tests.support.served import Ask

RULE = "/v1/alert-rules/refusals"
SETTING = {"enabled": True, "thresholds": {}, "reason": "as agreed with the manager"}


def alert_at(errand: Any) -> str:
    """Return the path of an alert at the place of an errand."""
    ground, place = errand.ground, errand.place
    org = ground.orgs[place]
    [alert_id] = raised(ground.world, finding(org, ground.homes[place]), org=org)
    return f"/v1/alerts/{alert_id}"


OF_ALERTS: dict[str, Callable[[Any], Ask]] = {
    "GET /v1/alerts": lambda e: Ask("GET", "/v1/alerts", params={"home_id": e.home}),
    "GET /v1/alerts/stream": lambda _: Ask("GET", "/v1/alerts/stream", params={"seconds": "0"}),
    "GET /v1/alerts/{alert_id}": lambda e: Ask("GET", alert_at(e)),
    "POST /v1/alerts/{alert_id}/steps": lambda e: Ask(
        "POST", f"{alert_at(e)}/steps", json={"comment": "looked into"}
    ),
    "GET /v1/alert-rules": lambda _: Ask("GET", "/v1/alert-rules"),
    "PUT /v1/alert-rules/{rule}": lambda _: Ask("PUT", RULE, json=SETTING),
}
