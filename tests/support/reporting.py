"""Incidents as somebody records them over HTTP."""

from typing import Any

from tests.support.served import Person, Served

INCIDENTS = "/v1/incidents"
WHAT = "a list of residents went to the wrong address"
SCORED = {
    "likelihood": 3,
    "impact": 2,
    "vulnerable_people": "yes",
    "special_categories": "yes",
    "reasons": "care plans were in it",
}


def incident(home: str | None, **more: Any) -> dict[str, Any]:
    """Return the body of an incident at a home, or of the whole organisation."""
    return {"kind": "mis_sent", "home_id": home, "what_happened": WHAT, **more}


def recorded(served: Served, who: Person, home: str | None, **more: Any) -> dict[str, Any]:
    """Record an incident and return it as it was answered."""
    return said(served, "POST", INCIDENTS, who, incident(home, **more))


def said(served: Served, method: str, path: str, who: Person, body: Any = None) -> dict[str, Any]:
    """Send a request that must succeed and return what was answered."""
    answer = served.ask(method, path, who, json=body)
    assert answer.status_code in (200, 201), answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def path_of(shown: dict[str, Any]) -> str:
    """Return the path of an incident."""
    return f"{INCIDENTS}/{shown['id']}"
