"""One resource of one resident at a time, and what is made of it."""

from datetime import UTC, datetime
from typing import Any

from app.exchange.drafts import RecordDraft
from app.exchange.fhir import plan

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
WIN = {"reference": "Patient/win"}
PATIENT = {
    "resourceType": "Patient",
    "id": "win",
    "name": [{"family": "Ashdown", "given": ["Win"]}],
    "birthDate": "1938-04-17",
}


def drafts(kind: str, *others: dict[str, Any], **fields: Any) -> list[RecordDraft]:
    """Return what is made of one resource of a kind, whose subject is the resident."""
    resource = {"resourceType": kind, "id": "it", "subject": WIN, **fields}
    listed = [{"resource": one} for one in (PATIENT, *others, resource)]
    made = plan({"resourceType": "Bundle", "type": "collection", "entry": listed}, AT)
    return [record for record in made.records if record.source_key == f"{kind}/it"]


def body(kind: str, *others: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the body of the one record that is made of a resource."""
    (draft,) = drafts(kind, *others, **fields)
    return draft.body


def left_out(kind: str, **fields: Any) -> str:
    """Return the code under which a resource is reported."""
    resource = {"resourceType": kind, "id": "it", "subject": WIN, **fields}
    listed = [{"resource": one} for one in (PATIENT, resource)]
    made = plan({"resourceType": "Bundle", "type": "collection", "entry": listed}, AT)
    (one,) = made.left_out
    assert f"{kind}/it" == one.key
    return one.code


def coded(code: str) -> dict[str, Any]:
    """Return a CodeableConcept with a code."""
    return {"coding": [{"code": code}]}
