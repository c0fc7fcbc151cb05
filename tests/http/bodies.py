"""A valid body for each category of record, with a canary in it that no refused answer may show."""

from typing import Any

CANARY = "kanarie"


def body_of(
    category: str, canary: str, *, medication_id: str = "", about: str = "contacts"
) -> dict[str, Any]:
    """Return a body that is valid for a category and holds the canary."""
    bodies: dict[str, dict[str, Any]] = {
        "contacts": {
            "name": canary,
            "relationship": "niece",
            "next_of_kin": True,
            "lasting_power_of_attorney": False,
        },
        "about_me": {"text": canary},
        "consent": {"purpose": canary, "given": True},
        "care_plan": {"need": canary, "goal": "walks to the garden", "actions": ["walk together"]},
        "risk_assessment": {"kind": "falls", "level": "high", "mitigation": canary},
        "daily_note": {"text": canary},
        "observation": {"kind": "mood", "text": canary},
        "medication": {
            "name": canary,
            "dose": "5 mg",
            "route": "oral",
            "frequency": "daily",
            "status": "active",
        },
        "medication_administration": {
            "medication_id": medication_id,
            "outcome": "given",
            "given_at": "2026-03-02T08:00:00Z",
            "note": canary,
        },
        "allergy": {"substance": canary, "severity": "severe", "status": "active"},
        "diet": {"requirements": canary, "iddsi_food": 4},
        "capacity": {"decision": canary, "has_capacity": True},
        "advance_care_plan": {
            "kind": "respect",
            "summary": canary,
            "valid_from": "2026-01-01",
            "status": "in_force",
        },
        "incident_report": {"kind": "fall", "description": canary, "harm": "low"},
        "safeguarding": {"concern": canary, "action": "told the manager"},
        "professional_visit": {"profession": "GP", "name": "Dr Sample", "outcome": canary},
        "finance": {"description": canary, "amount": "12.50"},
        "document": {
            "about": about,
            "title": canary,
            "media_type": "text/plain",
            "content_base64": "bGV0dGVy",
        },
    }
    return bodies[category]


def record_of(category: str, canary: str, **more: Any) -> dict[str, Any]:
    """Return the request that records such a body."""
    return {
        "category": category,
        "occurred_at": "2026-03-02T08:30:00Z",
        "body": body_of(category, canary, **more),
    }


def admission(home_id: str, canary: str, nhs_number: str | None = None) -> dict[str, Any]:
    """Return the request that admits somebody whose names and room hold the canary."""
    identifiers = {"date_of_birth": "1940-05-06"} | ({"nhs_number": nhs_number} if nhs_number else {})
    return {
        "home_id": home_id,
        "room": f"room {canary}",
        "identity": {"given_name": "Ada", "family_name": canary, "preferred_name": canary},
        "identifiers": identifiers,
        "admitted_on": "2026-01-01",
    }


def nhs_number(serial: int) -> str:
    """Return a valid number of the range 999, which is nobody's."""
    while True:
        digits = f"999{serial:06}"
        check = 11 - sum(int(d) * w for d, w in zip(digits, range(10, 1, -1), strict=True)) % 11
        if check != 10:
            return f"{digits}{check % 11}"
        serial += 500_000
