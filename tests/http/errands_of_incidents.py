"""The errands of incidents: each place has one, recorded by whoever keeps the place."""

from collections.abc import Callable
from typing import Any

from tests.http.bodies import CANARY
from tests.support.served import Ask

INCIDENTS = "/v1/incidents"
SCORES = {"likelihood": 2, "impact": 3, "vulnerable_people": "yes", "special_categories": "yes"}
LATER = {"lessons": "ask first"}
TOLD = {"recipient": "senior_management", "told_at": "2026-03-02T09:00:00Z"}


def incident_body(errand: Any, **more: Any) -> dict[str, Any]:
    """Return the body of an incident at the place of an errand."""
    told = {"what_happened": f"{CANARY}-{errand.place}", "home_id": errand.home, "kind": "disclosure"}
    return told | more


def incident_at(errand: Any) -> str:
    """Return the path of an incident at the place of an errand: of one, for as long as it is not used up."""
    known = vars(errand.ground).setdefault("incidents", {})
    if errand.place not in known:
        known[errand.place] = new_incident(errand)
    return str(known[errand.place])


def new_incident(errand: Any, **more: Any) -> str:
    """Record an incident at the place of an errand and return its path."""
    made = _made(errand, INCIDENTS, incident_body(errand, **more))
    return f"{INCIDENTS}/{made['id']}"


def _made(errand: Any, path: str, body: Any) -> dict[str, Any]:
    ground = errand.ground
    answer = ground.served.ask("POST", path, ground.keepers[errand.place], json=body)
    assert answer.status_code in (200, 201), answer.text
    made: dict[str, Any] = answer.json()
    return made


def _finished(errand: Any) -> str:
    """Return the path of an incident of which only the root cause is missing."""
    if not errand.spends:
        return incident_at(errand)
    path = new_incident(errand, nature="near_miss", detected_at=TOLD["told_at"])
    _made(errand, f"{path}/notifications", TOLD)
    return path


def _closed(errand: Any) -> str:
    if not errand.spends:
        return incident_at(errand)
    path = _finished(errand)
    _made(errand, f"{path}/close", {"root_cause": "an old list"})
    return path


def _action(errand: Any) -> str:
    known = vars(errand.ground).setdefault("actions", {})
    if errand.spends or errand.place not in known:
        path = incident_at(errand)
        known[errand.place] = f"{path}/actions/{_made(errand, f'{path}/actions', {'what': 'a call'})['id']}"
    return str(known[errand.place])


OF_INCIDENTS: dict[str, Callable[[Any], Ask]] = {
    "POST /v1/incidents": lambda e: Ask("POST", INCIDENTS, json=incident_body(e)),
    "GET /v1/incidents": lambda e: Ask("GET", INCIDENTS, params={"home_id": e.home}),
    "GET /v1/incidents/{incident_id}": lambda e: Ask("GET", incident_at(e)),
    "PATCH /v1/incidents/{incident_id}": lambda e: Ask(
        "PATCH", incident_at(e), json={"lessons": "ask first"}
    ),
    "POST /v1/incidents/{incident_id}/assessments": lambda e: Ask(
        "POST", f"{incident_at(e)}/assessments", json=SCORES | {"reasons": "as discussed"}
    ),
    "POST /v1/incidents/{incident_id}/notifications": lambda e: Ask(
        "POST", f"{incident_at(e)}/notifications", json=TOLD
    ),
    "POST /v1/incidents/{incident_id}/actions": lambda e: Ask(
        "POST", f"{incident_at(e)}/actions", json={"what": "lock the cupboard"}
    ),
    "POST /v1/incidents/{incident_id}/actions/{action_id}/done": lambda e: Ask(
        "POST", f"{_action(e)}/done", json={"outcome": "done"}
    ),
    "POST /v1/incidents/{incident_id}/close": lambda e: Ask(
        "POST", f"{_finished(e)}/close", json={"root_cause": "an old list"}
    ),
    "POST /v1/incidents/{incident_id}/reopen": lambda e: Ask(
        "POST", f"{_closed(e)}/reopen", json={"reason": "there is more"}
    ),
    "GET /v1/incident-grid": lambda _: Ask("GET", "/v1/incident-grid"),
}
