"""The errands of a breach: an incident at each place, what it reaches, its pack, what is shut."""

from collections.abc import Callable
from typing import Any

from tests.support.reporting import INCIDENTS, incident
from tests.support.served import Ask

EVER = {"from": "2026-03-01T00:00:00Z"}


def incident_at(errand: Any) -> str:
    """Return the path of an incident at the place of an errand."""
    ground = errand.ground
    keeper, body = ground.keepers[errand.place], incident(errand.home)
    answer = ground.served.ask("POST", INCIDENTS, keeper, json=body)
    assert 201 == answer.status_code, answer.text
    return f"{INCIDENTS}/{answer.json()['id']}"


def frozen_at(errand: Any) -> str:
    """Return the path of an incident because of which somebody's exports are frozen."""
    ground, path = errand.ground, incident_at(errand)
    answer = ground.served.ask(
        "POST", f"{path}/containment", ground.keepers[errand.place], json=freezing(errand)
    )
    assert 201 == answer.status_code, answer.text
    return path


def freezing(errand: Any) -> dict[str, Any]:
    """Return the body that freezes the exports of somebody of the place who never exports."""
    users = [errand.ground.workers[errand.place].id]
    return {"user_ids": users, "freeze_exports": "users", "reason": "seen with a list"}


OF_BREACH: dict[str, Callable[[Any], Ask]] = {
    "PUT /v1/incidents/{incident_id}/scope": lambda e: Ask("PUT", f"{incident_at(e)}/scope", json=EVER),
    "GET /v1/incidents/{incident_id}/scope": lambda e: Ask("GET", f"{incident_at(e)}/scope"),
    "GET /v1/incidents/{incident_id}/pack": lambda e: Ask(
        "GET", f"{incident_at(e)}/pack", params={"format": "json"}
    ),
    "POST /v1/incidents/{incident_id}/containment": lambda e: Ask(
        "POST", f"{incident_at(e)}/containment", json=freezing(e)
    ),
    "POST /v1/incidents/{incident_id}/containment/lift": lambda e: Ask(
        "POST", f"{frozen_at(e)}/containment/lift", json={"reason": "it was found"}
    ),
}
