"""Records as FHIR: each field may be withheld, and what comes out is FHIR all the same."""

import copy
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle

from app.exchange.fhir_writing import WRITTEN, patient, resource_of
from app.exchange.withholding import WITHHELD
from tests.http.bodies import body_of

RESIDENT = "01890000-0000-7000-8000-000000000001"
RECORD = "01890000-0000-7000-8000-000000000002"
AT = "2026-03-02T08:30:00.000000Z"
MORE: dict[str, list[dict[str, Any]]] = {
    "allergy": [{"none_known": True}, {"reaction": "rash"}, {"status": "refuted"}, {"status": "resolved"}],
    "observation": [
        {"kind": "weight", "value": "61.5", "unit": "kg"},
        {"kind": "count", "value": "123456789012.123456"},
        {"kind": "blood pressure", "components": [{"kind": "systolic", "value": "120", "unit": "mmHg"}]},
    ],
    "medication": [{"instructions": "with food", "started_on": "2026-01-01", "ended_on": "2026-02-01"}],
    "medication_administration": [{"outcome": "refused"}],
    "consent": [
        {"given": False, "basis": "best interests", "given_by": "N. Body", "review_on": "2027-01-01"}
    ],
    "advance_care_plan": [{"summary": "no <b>CPR</b> & rest", "signed_by": "Dr Sample", "status": "revoked"}],
    "diet": [{"iddsi_fluid": 2}],
    "contacts": [{"phone": "07700 900123"}],
    "document": [{"content_base64": None}, {"content_base64": {"file": "documents/x.txt", "bytes": 3}}],
}


def bodies() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for category in sorted(WRITTEN):
        plain = body_of(category, "kanarie")
        whole = [more for more in MORE.get(category, []) if "kind" in more or "none_known" in more]
        some = [plain | more for more in MORE.get(category, []) if more not in whole]
        found += [(category, body) for body in (plain, *whole, *some)]
    return found


def valid(category: str, body: dict[str, Any], *, deleted: bool = False, version: int = 1) -> dict[str, Any]:
    """Return the resource of a body, if an independent model takes it."""
    told = {"body": body, "deleted": deleted, "version": version, "occurred_at": AT, "recorded_at": AT}
    made = resource_of({"id": RECORD, "category": category, "versions": [told]}, RESIDENT, {})
    assert made is not None
    entry = [{"fullUrl": f"urn:uuid:{RECORD}", "resource": made}]
    Bundle.model_validate({"resourceType": "Bundle", "type": "collection", "entry": entry})
    return made


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict) and "file" not in value:
        return [p for name, one in value.items() for p in paths(one, (*path, name))]
    if isinstance(value, list):
        return [p for n, one in enumerate(value) for p in paths(one, (*path, n))]
    return [path]


@pytest.mark.parametrize(("category", "body"), bodies())
def test_any_field_may_be_withheld(category, body):
    """Whichever field is withheld, and with all of them, the resource stays valid and tells nothing of it."""
    valid(category, body)
    everything = copy.deepcopy(body)
    for path in paths(body):
        one = copy.deepcopy(body)
        for changed in (one, everything):
            inside = changed
            for part in path[:-1]:
                inside = inside[part]
            inside[path[-1]] = WITHHELD
        valid(category, one)

    told = str(valid(category, everything))
    words = [v for v in ("kanarie", "rash", "with food", "N. Body", "07700", "61.5", "120") if v in told]
    assert [] == words


@pytest.mark.parametrize("category", sorted(WRITTEN - {"contacts"}))
def test_what_was_entered_in_error_says_so(category):
    """A record entered in error is marked in the way its resource has for it."""
    assert "entered-in-error" in str(valid(category, body_of(category, "kanarie"), deleted=True))


def test_an_allergy_in_error_has_no_clinical_status():
    """And every other has one: ait-1 and ait-2."""
    for body in (
        body_of("allergy", "x"),
        {"none_known": True},
        body_of("allergy", "x") | {"status": "refuted"},
    ):
        assert "clinicalStatus" not in valid("allergy", body, deleted=True)
        assert "clinicalStatus" in valid("allergy", body)


def test_it_is_not_told_that_no_allergy_is_known_where_that_is_withheld():
    """What is withheld is neither coded nor said in other words."""
    assert {"text": WITHHELD} == valid("allergy", {"none_known": WITHHELD})["code"]


def test_numbers_are_exact_or_words():
    """A number that JSON would round is told in words."""
    values = [valid("observation", {"kind": "x", "value": v}) for v in ("61.5", "123456789012.123456")]

    assert 61.5 == values[0]["valueQuantity"]["value"]
    assert "123456789012.123456" == values[1]["valueString"]


def test_only_a_decision_in_force_is_active():
    """An advance care plan that was revoked, or whose state is withheld, is not active."""
    plain = body_of("advance_care_plan", "x")
    states = [
        valid("advance_care_plan", plain | {"status": s})["status"] for s in ("in_force", "revoked", WITHHELD)
    ]

    assert ["active", "inactive", "inactive"] == states


def test_a_patient_may_be_withheld_in_parts():
    """Name, number and birth may be withheld; a Patient without them is valid."""
    identity = {"given_name": WITHHELD, "family_name": WITHHELD, "preferred_name": WITHHELD, "sex": WITHHELD}
    held = {"id": RESIDENT, "status": "died", "deleted": False, "identity": identity}
    made = patient(held | {"identifiers": {"date_of_birth": WITHHELD, "nhs_number": WITHHELD}})
    entry = [{"fullUrl": f"urn:uuid:{RESIDENT}", "resource": made}]
    Bundle.model_validate({"resourceType": "Bundle", "type": "collection", "entry": entry})

    assert {"identifier", "birthDate"}.isdisjoint(made)
