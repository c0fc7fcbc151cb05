"""Medicines: what is to be given, what was given, and what must not look like either."""

from typing import Any

import pytest

from app.core.errors import InvalidRequestError

from .making import WIN, body, drafts, left_out


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"status": "active", "intent": "order"}, "active"),
        ({"status": "active"}, "active"),
        ({"status": "active", "intent": "proposal"}, "on_hold"),
        ({"status": "active", "intent": "order", "doNotPerform": True}, "stopped"),
        ({"status": "completed", "intent": "order"}, "stopped"),
        ({"status": "stopped"}, "stopped"),
        ({"status": "cancelled"}, "stopped"),
        ({"status": "on-hold"}, "on_hold"),
        ({"status": "draft"}, "on_hold"),
        ({"status": "unknown"}, "on_hold"),
        ({"status": ["active"]}, "on_hold"),
        ({}, "on_hold"),
    ],
)
def test_only_an_active_order_is_an_active_medicine(fields: dict[str, Any], state: str):
    """Whatever is not clearly to be given is never active."""
    made = body("MedicationRequest", medicationCodeableConcept={"text": "Senna"}, **fields)

    assert ("Senna", state) == (made["name"], made["status"])
    assert ("DO NOT GIVE" in made.get("instructions", "")) is ("doNotPerform" in fields)


def test_all_steps_of_a_dosage_are_told():
    """A dose that changes is told whole, and a medicine taken when needed says so."""
    steps = [
        {
            "doseAndRate": [{"doseQuantity": {"value": 200, "unit": "mg"}}],
            "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
        },
        {
            "doseAndRate": [{"doseRange": {"low": {"value": 1}, "high": {"value": 2, "unit": "tablets"}}}],
            "timing": {"repeat": {"period": 6, "periodMax": 8, "periodUnit": "h"}},
            "asNeededBoolean": True,
        },
    ]
    made = body("MedicationRequest", dosageInstruction=steps)

    assert "200 mg; then 1 to 2 tablets" == made["dose"]
    assert "once a day; then once every 6 to 8 hours, as needed" == made["frequency"]


def test_an_administration_finds_its_medication():
    """It goes to the request it names, else to the one prescription of the product, else to its own."""
    product = {"resourceType": "Medication", "id": "p", "code": {"text": "Senna"}}
    by_product = {"medicationReference": {"reference": "Medication/p"}}
    prescribed = {
        "resourceType": "MedicationRequest",
        "id": "one",
        "status": "active",
        "subject": WIN,
        **by_product,
    }
    again = prescribed | {"id": "two"}
    wrong = prescribed | {"id": "one", "status": "entered-in-error"}
    given = {"status": "completed", "effectiveDateTime": "2026-02-01T08:00:00Z", **by_product}

    def linked(*others: dict[str, Any], **more: Any) -> str | None:
        return drafts("MedicationAdministration", product, *others, **given, **more)[-1].medication_key

    assert "MedicationRequest/two#medication" == linked(
        prescribed, again, request={"reference": "MedicationRequest/two"}
    )
    assert "MedicationRequest/one#medication" == linked(prescribed)
    assert "MedicationAdministration/it#medication" == linked(prescribed, again)
    assert "MedicationAdministration/it#medication" == linked(
        wrong, request={"reference": "MedicationRequest/one"}
    )
    own, dose = drafts("MedicationAdministration", product, **given)
    assert ("Senna", "stopped") == (own.body["name"], own.body["status"])
    assert {"outcome": "given", "given_at": "2026-02-01T08:00:00.000000Z"} == dose.body
    with pytest.raises(InvalidRequestError):
        dose.whole_body({})


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"status": "completed"}, "given"),
        ({"status": "not-done"}, "withheld"),
        ({"status": "not-done", "statusReason": [{"text": "Patient refused"}]}, "refused"),
        ({"status": "not-done", "statusReason": [{"text": "Out of stock"}]}, "not_available"),
    ],
)
def test_a_dose_that_was_not_given_says_why(fields: dict[str, Any], outcome: str):
    """Given, refused, withheld and not available are told apart."""
    made = drafts("MedicationAdministration", effectiveDateTime="2026-02-01T08:00:00Z", **fields)

    assert outcome == made[-1].body["outcome"]


def test_a_dose_without_time_or_outcome_is_reported():
    """Nobody can say later whether and when it was given, so it is not made up."""
    assert "no-time" == left_out("MedicationAdministration", status="completed")
    assert "no-time" == left_out(
        "MedicationAdministration", status="completed", effectiveDateTime="2026-03-02"
    )
    assert "no-outcome" == left_out(
        "MedicationAdministration", status="unknown", effectiveDateTime="2026-02-01"
    )
