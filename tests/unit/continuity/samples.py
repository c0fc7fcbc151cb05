"""Invented residents with everything a sheet can tell, and with text that tries to be more than text."""

from datetime import UTC, datetime
from typing import Any

from app.continuity.cover import Origins, Pack, bind
from app.continuity.sheet import Recorded, Sheet, sheet
from app.continuity.works import Site

AT = datetime(2026, 3, 2, 5, 30, tzinfo=UTC)
SITE = Site("org-1", "Sample Care", "01890000-0000-7000-8000-00000000a0a0", "Elm House")
HOSTILE = (
    '</td><script>alert(1)</script>"\'&amp; #panic("x") #read("/etc/passwd") $x$ *b* _i_ <a> @b `c` \\ ]['
)
PERSONAL: dict[str, Any] = {
    "identity": {"given_name": "Ada", "family_name": "Example", "preferred_name": "Addie", "sex": "female"},
    "identifiers": {"date_of_birth": "1938-04-05", "nhs_number": "9990000026"},
    "room": "12",
}
ORIGINS = Origins(
    "pack-1", "2 Mar 2026, 05:30 UTC", "care.example/audit/org-1", (7, 9), "10 entries", ("age1x",)
)


def recorded(*bodies: dict[str, Any]) -> list[Recorded]:
    """Return records with these bodies, newest first."""
    return [Recorded("2026-02-01T10:00:00.000000Z", body) for body in bodies]


def sheet_of(records: dict[str, list[dict[str, Any]]] | None = None, **personal: Any) -> Sheet:
    """Return the sheet of a resident with these records."""
    listed = {category: recorded(*bodies) for category, bodies in (records or {}).items()}
    return sheet("resident-1", "Garden", PERSONAL | personal, listed, AT)


def decision(**given: Any) -> dict[str, Any]:
    """Return an advance decision in force."""
    return {"kind": "dnacpr", "summary": "No CPR", "valid_from": "2025-01-02", "status": "in_force"} | given


def medicine(name: str, status: str = "active", **given: Any) -> dict[str, Any]:
    """Return a medicine."""
    return {
        "name": name,
        "dose": "5 mg",
        "route": "oral",
        "frequency": "twice daily",
        "status": status,
    } | given


def allergy(substance: str, severity: str = "mild", status: str = "active") -> dict[str, Any]:
    """Return an allergy."""
    return {"substance": substance, "severity": severity, "status": status}


FULL: dict[str, list[dict[str, Any]]] = {
    "advance_care_plan": [
        decision(kind="respect", summary="Ward care", review_on="2026-01-01"),
        decision(signed_by="Dr Sample", original_location="red folder, office"),
        decision(summary="Former", status="revoked"),
    ],
    "allergy": [
        allergy("Pollen"),
        allergy("Penicillin", "severe") | {"reaction": "swelling"},
        allergy("Nuts", status="refuted"),
    ],
    "medication": [
        medicine("Warfarin", "on_hold"),
        medicine("Apixaban", instructions="with food"),
        medicine("Aspirin", "stopped"),
    ],
    "diet": [{"requirements": "Soft food", "iddsi_food": 6, "iddsi_fluid": 2}],
    "contacts": [
        {"name": "Tom", "relationship": "friend", "next_of_kin": False, "lasting_power_of_attorney": False},
        {
            "name": "Petra",
            "relationship": "daughter",
            "phone": "01632 960001",
            "next_of_kin": True,
            "lasting_power_of_attorney": True,
        },
    ],
    "capacity": [{"decision": "where to live", "has_capacity": False, "dols_expires_on": "2026-06-30"}],
    "risk_assessment": [
        {"kind": "skin", "level": "low", "mitigation": "cream"},
        {"kind": "falls", "level": "high", "mitigation": "two people to move"},
    ],
}


def hostile() -> dict[str, list[dict[str, Any]]]:
    """Return the full records with every text of a person replaced by a hostile one."""
    kept = {"status", "kind", "severity", "level", "valid_from", "review_on", "dols_expires_on"}
    return {
        category: [
            {
                name: HOSTILE if isinstance(value, str) and name not in kept else value
                for name, value in b.items()
            }
            for b in bodies
        ]
        for category, bodies in FULL.items()
    }


def pack_of(*sheets: Sheet, missing: tuple[str, ...] = ()) -> Pack:
    """Return the pack of a home with these sheets."""
    return bind(SITE, ORIGINS, sheets, missing)
