"""What single resources become, where a wrong reading would do harm."""

import base64
from typing import Any

import pytest

from app.exchange.dates import Moment
from app.exchange.drafts import NotImportableError, Sketch
from app.exchange.fhir import checked_body, must_be_linked

from .making import body, coded, drafts


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"valueQuantity": {"value": 98.6, "unit": "kg"}}, {"value": "98.6", "unit": "kg"}),
        ({"valueQuantity": {"value": -3, "code": "Cel"}}, {"value": "-3", "unit": "Cel"}),
        ({"valueInteger": 4}, {"value": "4"}),
        ({"valueQuantity": {"value": 5, "comparator": "<", "unit": "mmol/L"}}, {"text": "< 5 mmol/L"}),
        ({"valueQuantity": {"value": 1.23456789, "unit": "g"}}, {"text": "1.23456789 g"}),
        ({"valueQuantity": {"value": 1e21}}, {"text": "1000000000000000000000"}),
        ({"valueQuantity": {"value": "7", "unit": "g"}}, {"text": "7 g"}),
        ({"valueQuantity": {"unit": "g"}}, {"text": "Recorded without a value"}),
        ({"valueBoolean": False}, {"text": "No"}),
        ({"valueRange": {"low": {"value": 1}, "high": {"value": 2}}}, {"text": "1 to 2"}),
        ({"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 8}}}, {"text": "1 : 8"}),
        ({"valueDateTime": "2026-01-01"}, {"text": "2026-01-01"}),
        ({"dataAbsentReason": {"text": "refused"}}, {"text": "No value: refused"}),
        ({"valueString": "ok", "note": [{"text": "after lunch"}]}, {"text": "ok; after lunch"}),
    ],
)
def test_a_value_is_a_number_only_when_it_is_exactly_one(fields: dict[str, Any], expected: dict[str, Any]):
    """A bound, a number with more digits than a record holds, or none at all becomes words."""
    assert {"kind": "Weight", **expected} == body(
        "Observation", code={"text": "Weight"}, status="final", **fields
    )


def test_components_without_numbers_become_words():
    """When one component is no number with a unit, the observation is told in words."""
    parts = [
        {"code": {"text": "Eyes"}, "valueInteger": 4},
        {"code": {"text": "Voice"}, "valueString": "clear"},
    ]

    assert {"kind": "GCS", "text": "Eyes: 4; Voice: clear"} == body(
        "Observation", code={"text": "GCS"}, component=parts
    )


def test_an_unusual_status_can_be_read():
    """What is preliminary, revoked or cancelled says so in the record."""
    assert (
        "Weight (preliminary)" == body("Observation", code={"text": "Weight"}, status="preliminary")["kind"]
    )
    assert "Walking (revoked)" == body("CarePlan", title="Walking", status="revoked")["need"]
    odd = body("CarePlan", title="Walking", status=["revoked"])
    assert "Walking (status cannot be read)" == odd["need"]


@pytest.mark.parametrize(
    ("written", "at", "estimated"),
    [
        ("2026-02-28T10:00:00+01:00", "2026-02-28T09:00:00.000000Z", False),
        ("2026-02-28T10:00:00.123456789Z", "2026-02-28T10:00:00.123456Z", False),
        ("2026-02-28", "2026-02-28T00:00:00.000000Z", False),
        ("2026-02", "2026-02-01T00:00:00.000000Z", True),
        ("2026", "2026-01-01T00:00:00.000000Z", True),
        ("2026-03-02", None, True),
        ("2026-02-30", None, True),
        ("2026-02-30T10:00:00Z", None, True),
        ("yesterday", None, True),
        ("2026-02-28T10:00:00", "2026-02-28T00:00:00.000000Z", True),
        ("2026-02-28T10:00Z", "2026-02-28T10:00:00.000000Z", False),
        (20260228, None, True),
        (None, None, True),
    ],
)
def test_an_observation_occurred_when_the_source_says(written: Any, at: str | None, estimated: bool):
    """A full date is taken; a year or month is estimated; what has not come yet is no date."""
    (draft,) = drafts("Observation", effectiveDateTime=written)

    assert (at, estimated) == (draft.occurred_at, draft.occurred_at_estimated)


@pytest.mark.parametrize("status", ["entered-in-error", " Entered-In-Error "])
def test_an_error_is_known_by_whichever_field_says_so(status: str):
    """Any status of any resource that says entered in error makes every draft of it deleted."""
    concept = {"coding": [{"code": "active"}, {"code": status}]}
    for kind, fields in (
        ("Observation", {"status": status}),
        ("Flag", {"status": status, "category": [coded("diet")], "code": {"text": "Nut allergy"}}),
        ("Condition", {"verificationStatus": concept}),
        ("AllergyIntolerance", {"clinicalStatus": concept}),
        ("DocumentReference", {"status": "current", "docStatus": status}),
        ("Immunization", {"status": status, "occurrenceDateTime": "2026-01-01"}),
    ):
        made = drafts(kind, **fields)
        assert made
        assert all(draft.entered_in_error for draft in made)
        assert "active" not in {draft.body.get("status") for draft in made}


def test_a_questionnaire_is_never_a_decision_not_to_resuscitate():
    """Words about the end of life make a plan of kind other, and only when finished and dated."""
    item = [{"linkId": "1", "text": "DNACPR in place?", "answer": [{"valueBoolean": False}]}]
    final = {"status": "completed", "authored": "2026-01-05", "item": item}

    (draft,) = drafts("QuestionnaireResponse", **final)
    assert ("advance_care_plan", "other") == (draft.category, draft.body["kind"])
    assert "DNACPR in place? No" == draft.body["summary"]
    for less in (
        {"status": "in-progress"},
        {"authored": None},
        {"item": [{"text": "Please respect his sleep"}]},
    ):
        (other,) = drafts("QuestionnaireResponse", **(final | less))
        assert "observation" == other.category


@pytest.mark.parametrize(
    ("data", "content"),
    [("QUJD", "QUJD"), ("QUJD\n", "QUJD"), ("???", None), ("", None), (None, None), (7, None)],
)
def test_a_document_has_its_bytes_or_none(data: Any, content: str | None):
    """Bytes that are not in the bundle, or are no base64, are null, with a remark."""
    made = body(
        "DocumentReference",
        content=[{"attachment": {"data": data, "contentType": "text/plain; charset=utf-8"}}],
    )

    assert (content, "text/plain") == (made["content_base64"], made["media_type"])


def test_a_document_over_five_mebibytes_comes_without_its_bytes():
    """A file that no record may hold is imported by its title, with a remark."""
    data = base64.b64encode(bytes(5 * 1024 * 1024 + 1)).decode()
    made = body("DocumentReference", content=[{"attachment": {"data": data, "title": "Scan"}}])

    assert (None, "Scan") == (made["content_base64"], made["title"])


@pytest.mark.parametrize(
    ("title", "about"),
    [
        ("Discharge letter", "professional_visit"),
        ("Care Plan Report", "care_plan"),
        ("MEDICATION review", "medication"),
        ("ReSPECT form", "advance_care_plan"),
        ("He commands respect", "professional_visit"),
        ("Safeguarding: care plan", "safeguarding"),
        ("DoLS application", "capacity"),
        ("Bank statement / financial assessment", "finance"),
        ("Pension invoice for medication", "finance"),
        ("MAR chart", "medication"),
        ("Letter of 3 Mar", "professional_visit"),
    ],
)
def test_a_title_says_what_a_document_is_about(title: str, about: str):
    """What a document is about, and so who reads it, follows from the words of its title."""
    assert about == body("DocumentReference", content=[{"attachment": {"title": title}}])["about"]


def test_a_thing_not_to_do_says_so():
    """An activity not to be done cannot be mistaken."""
    walk = {"detail": {"description": "walk alone", "doNotPerform": True}}
    assert ["Do not: walk alone"] == body("CarePlan", activity=[walk])["actions"]


def test_a_mapping_that_makes_an_unsound_record_is_reported():
    """A body no record may hold, and a dose whose medicine is missing, never get into a plan."""
    with pytest.raises(NotImportableError) as unsound:
        checked_body(Sketch("observation", {"kind": "", "text": "x"}), Moment())
    given = {
        "status": "completed",
        "effectiveDateTime": "2026-02-01T08:00:00Z",
        "medicationCodeableConcept": {"text": "Senna"},
    }
    own, dose = drafts("MedicationAdministration", **given)
    with pytest.raises(NotImportableError) as unlinked:
        must_be_linked([dose], {})

    assert ("not-valid", "medication-left-out") == (unsound.value.code, unlinked.value.code)
    must_be_linked([dose], {own.key: own})


def test_texts_that_do_not_fit_show_that_they_were_cut():
    """A text longer than its field ends in an ellipsis, and control characters are gone."""
    made = body("Observation", code={"text": "x" * 500}, valueString="a\x00b\x1bc")

    assert "x" * 199 + "…" == made["kind"]
    assert "a b c" == made["text"]
