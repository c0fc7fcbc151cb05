"""FHIR's data types in words: what is there only in part must not read like the whole."""

from typing import Any

import pytest

from .making import body, drafts

MG, ML = {"value": 1, "unit": "mg"}, {"value": 1, "unit": "mL"}


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        ({"numerator": MG, "denominator": ML}, "1 mg : 1 mL"),
        ({"numerator": ML, "denominator": ML}, "1 mL : 1 mL"),
        ({"numerator": MG, "denominator": {"unit": "mL"}}, "1 mg : mL"),
        ({"numerator": MG, "denominator": {"value": True, "unit": "mL"}}, "Recorded without a value"),
        ({"numerator": MG}, "Recorded without a value"),
        ({"denominator": ML}, "Recorded without a value"),
        ({"numerator": {"unit": "mg"}, "denominator": ML}, "Recorded without a value"),
    ],
)
def test_half_a_ratio_is_none(ratio: dict[str, Any], words: str):
    """Both ends are told, also where they are the same; one end alone is no amount."""
    assert words == body("Observation", valueRatio=ratio)["text"]


def test_a_unit_without_a_number_is_no_value():
    """A quantity is not told by its code alone."""
    fields = {"valueQuantity": {"code": "mmol/L"}, "dataAbsentReason": {"text": "sample lost"}}

    assert "No value: sample lost" == body("Observation", **fields)["text"]


@pytest.mark.parametrize(
    ("display", "status", "in_error"),
    [("Refuted", "refuted", False), ("Entered in Error", "refuted", True), ("Confirmed", "active", False)],
)
def test_a_status_without_a_code_is_known_by_its_display(display: str, status: str, in_error: bool):
    """What was refuted or entered in error is no active allergy, however that is written."""
    coding = {"coding": [{"display": display}]}
    (made,) = drafts("AllergyIntolerance", code={"text": "Peanut"}, verificationStatus=coding)

    assert (status, in_error) == (made.body["status"], made.entered_in_error)
