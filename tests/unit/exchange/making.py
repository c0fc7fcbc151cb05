"""One resource of one resident at a time, and what is made of it."""

from datetime import UTC, datetime
from typing import Any

from app.exchange.drafts import Plan, RecordDraft
from app.exchange.fhir import plan

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
WIN = {"reference": "Patient/win"}
PATIENT = {
    "resourceType": "Patient",
    "id": "win",
    "name": [{"family": "Ashdown", "given": ["Win"]}],
    "birthDate": "1938-04-17",
}
TOM = PATIENT | {"id": "tom", "name": [{"family": "Marsh", "given": ["Tom"]}], "birthDate": "1941-10-02"}
MORPHINE = {"medicationCodeableConcept": {"text": "Morphine"}}
REQUEST = {
    "resourceType": "MedicationRequest",
    "id": "r",
    "status": "active",
    "intent": "order",
    "subject": WIN,
    **MORPHINE,
}


def planned(kind: str, *others: dict[str, Any], at: datetime = AT, **fields: Any) -> Plan:
    """Return the plan of one resource of a kind, whose subject is the resident, beside others."""
    resource = {"resourceType": kind, "id": "it", "subject": WIN, **fields}
    listed = [{"resource": one} for one in (PATIENT, *others, resource)]
    return plan({"resourceType": "Bundle", "type": "collection", "entry": listed}, at)


def drafts(kind: str, *others: dict[str, Any], **fields: Any) -> list[RecordDraft]:
    """Return what is made of one resource of a kind, whose subject is the resident."""
    made = planned(kind, *others, **fields)
    return [record for record in made.records if record.source_key == f"{kind}/it"]


def remarks(kind: str, *others: dict[str, Any], **fields: Any) -> list[str]:
    """Return what the report remarks on one resource."""
    made = planned(kind, *others, **fields)
    return [one.sentence for one in made.remarks if one.key == f"{kind}/it"]


def body(kind: str, *others: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the body of the one record that is made of a resource."""
    (draft,) = drafts(kind, *others, **fields)
    return draft.body


def left_out(kind: str, **fields: Any) -> str:
    """Return the code under which a resource is reported."""
    made = planned(kind, **fields)
    (one,) = made.left_out
    assert f"{kind}/it" == one.key
    return one.code


def coded(code: str) -> dict[str, Any]:
    """Return a CodeableConcept with a code."""
    return {"coding": [{"code": code}]}
