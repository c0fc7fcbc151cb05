"""Medicines: what is to be given, what was given, and what must not look like either."""

from typing import Any

import pytest

from app.core.errors import InvalidRequestError

from .making import PATIENT, WIN, body, drafts, left_out, remarks


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
        ({"status": "active", "intent": ["proposal"]}, "on_hold"),
        ({}, "on_hold"),
    ],
)
def test_only_an_active_order_is_an_active_medicine(fields: dict[str, Any], state: str):
    """Whatever is not clearly to be given is never active."""
    made = body("MedicationRequest", medicationCodeableConcept={"text": "Senna"}, **fields)

    assert ("Senna", state) == (made["name"], made["status"])
    assert ("DO NOT GIVE" in made.get("instructions", "")) is ("doNotPerform" in fields)


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


def test_a_dose_of_another_residents_prescription_is_asked_about():
    """It is not linked to that prescription, and the report says so; nor to one made in error."""
    tom = PATIENT | {"id": "tom"}
    theirs = {"resourceType": "MedicationRequest", "id": "r", "subject": {"reference": "Patient/tom"}}
    given = {"effectiveDateTime": "2026-02-01T08:00:00Z", "medicationCodeableConcept": {"text": "Senna"}}
    asked = {"status": "completed", "request": {"reference": "MedicationRequest/r"}, **given}

    own, dose = drafts("MedicationAdministration", tom, theirs, **asked)
    assert own.key == dose.medication_key
    assert ["The prescription it names is not this resident's: ask whose dose it was."] == remarks(
        "MedicationAdministration", tom, theirs, **asked
    )
    wrong = theirs | {"subject": WIN, "status": "entered-in-error"}
    assert ["The prescription it names was entered in error."] == remarks(
        "MedicationAdministration", wrong, **asked
    )


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"status": "completed"}, "given"),
        ({"status": "not-done"}, "withheld"),
        ({"status": "not-done", "statusReason": [{"text": "Patient refused"}]}, "refused"),
        ({"status": "not-done", "statusReason": [{"text": "Out of stock"}]}, "not_available"),
        ({"status": "not-done", "statusReason": [{"text": "No objection, BP too low"}]}, "withheld"),
        ({"status": "not-done", "statusReason": [{"text": "No reason given: declined"}]}, "refused"),
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
    for vague in ("2023", "2023-05", "2023-05-04T08:00:00"):
        assert "no-time" == left_out("MedicationAdministration", status="completed", effectiveDateTime=vague)
    assert "no-outcome" == left_out(
        "MedicationAdministration", status="unknown", effectiveDateTime="2026-02-01"
    )


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("active", "Reported as taken"),
        ("completed", "Reported as taken, and completed"),
        ("not-taken", "Reported as NOT taken"),
        ("intended", "Reported as intended, not as taken"),
        ("on-hold", "Reported as taken, and put on hold"),
        ("stopped", "Reported as taken, and stopped"),
        ("unknown", "Reported; whether it is taken is not stated"),
        (7, "Reported; whether it is taken is not stated"),
    ],
)
def test_a_statement_says_what_is_reported(status: Any, told: str):
    """What was not taken is never called taken."""
    assert told == body("MedicationStatement", status=status)["instructions"]


def test_why_a_medicine_was_stopped_or_not_taken_is_told():
    """The reason of a status is part of the instructions."""
    assert (
        "Reported as NOT taken; not-taken: Makes her dizzy"
        == body("MedicationStatement", status="not-taken", statusReason=[{"text": "Makes her dizzy"}])[
            "instructions"
        ]
    )
    assert (
        "stopped: Rash"
        == body("MedicationRequest", status="stopped", statusReason={"text": "Rash"})["instructions"]
    )


@pytest.mark.parametrize("end", ["2015", "2015-03", "2015-03-01", "soon", 2015])
def test_an_active_statement_whose_period_is_over_is_remarked_on(end: Any):
    """It stays active as the source says, and the report sends to the prescriber."""
    fields = {"status": "active", "effectivePeriod": {"end": end}}

    assert "active" == body("MedicationStatement", **fields)["status"]
    assert any("ask the prescriber" in one for one in remarks("MedicationStatement", **fields))


def test_an_active_order_whose_dosages_are_all_over_is_remarked_on():
    """One that still has a step to come is not."""
    over = {"timing": {"repeat": {"boundsPeriod": {"end": "2025-01-01"}}}}
    order = {"status": "active", "intent": "order"}

    assert 1 == len(remarks("MedicationRequest", dosageInstruction=[over, over], **order))
    for dosages in ([], [over, {"text": "One"}]):
        assert [] == remarks("MedicationRequest", dosageInstruction=dosages, **order)
    assert [] == remarks("MedicationRequest", dosageInstruction=[over], status="stopped")


@pytest.mark.parametrize(
    ("period", "words"),
    [({"end": "2020-01-01"}, "ended 2020-01-01"), ({"start": "2027-01-01"}, "begins 2027-01-01")],
)
def test_the_report_says_whether_a_medicine_is_over_or_has_not_begun(period: dict[str, str], words: str):
    """What is to come is not called over."""
    sentence = (
        f"The source calls it active, but its time is over or has not come ({words}): ask the prescriber."
    )
    dosage = {"timing": {"repeat": {"boundsPeriod": period}}}

    assert sentence in remarks("MedicationStatement", status="active", effectivePeriod=period)
    assert [sentence] == remarks("MedicationRequest", status="active", dosageInstruction=[dosage])


@pytest.mark.parametrize(
    ("period", "told"),
    [
        ({"start": "2020-04", "end": "2027"}, "from 2020-04; until 2027"),
        ({"start": "2020-04", "end": "2021"}, "ended 2021; from 2020-04"),
        ({"start": "2027-05", "end": "2028"}, "begins 2027-05; from 2027-05; until 2028"),
        ({"start": "spring"}, "from spring"),
    ],
)
def test_a_time_of_less_than_a_day_is_told_in_words(period: dict[str, str], told: str):
    """A record has room for days only, and a year is not lost."""
    made = body("MedicationStatement", status="active", effectivePeriod=period)

    assert f"Reported as taken; {told}" == made["instructions"]
    assert not {"started_on", "ended_on"} & set(made)


def test_what_a_medicine_is_for_is_told():
    """Of what was ordered as of what is reported."""
    fields = {"status": "completed", "reasonCode": [{"text": "Cough"}]}

    assert "reason: Cough" == body("MedicationRequest", **fields)["instructions"]
    assert body("MedicationStatement", **fields)["instructions"].endswith("; reason: Cough")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"isSubpotent": True}, "SUBPOTENT DOSE"),
        ({"isSubpotent": True, "subpotentReason": [{"text": "Too warm"}]}, "SUBPOTENT DOSE: Too warm"),
        (
            {
                "protocolApplied": [
                    {
                        "series": "Booster",
                        "targetDisease": [{"text": "Covid-19"}],
                        "doseNumberPositiveInt": 2,
                        "seriesDosesString": "3",
                    }
                ]
            },
            "Booster, dose 2 of 3, against Covid-19",
        ),
        ({"protocolApplied": [{"seriesDosesPositiveInt": 3}]}, "dose not numbered of 3"),
        (
            {"reaction": [{"date": "2026-02-01", "detail": {"reference": "Observation/o"}}, {}]},
            "REACTION: Rash, 2026-02-01; REACTION: not described",
        ),
    ],
)
def test_what_is_said_of_a_vaccine_is_told(fields: dict[str, Any], told: str):
    """That a dose is too weak, which of how many it was, and how it was borne."""
    rash = {"resourceType": "Observation", "id": "o", "subject": WIN, "code": {"text": "Rash"}}
    vaccine = drafts("Immunization", rash, status="completed", occurrenceDateTime="2026-01-05", **fields)[0]

    assert f"Vaccine; {told}" == vaccine.body["instructions"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"status": "not-done"}, "Vaccine; NOT GIVEN: Patient declined; Autumn 2023"),
        ({"status": "completed"}, "Vaccine; Patient declined; Autumn 2023"),
        ({"status": "odd"}, "Vaccine; Whether it was given is not stated: Patient declined; Autumn 2023"),
    ],
)
def test_a_vaccine_that_was_not_given_says_so(fields: dict[str, Any], told: str):
    """Also without a date, when there is no administration to say it."""
    made = drafts(
        "Immunization",
        occurrenceString="Autumn 2023",
        statusReason={"text": "Patient declined"},
        vaccineCode={"text": "Flu"},
        **fields,
    )

    assert [("medication", told)] == [(one.category, one.body["instructions"]) for one in made]


@pytest.mark.parametrize("written", ["2023", "2023-05", "2023-05-04T08:00:00", "2023-05-04T08:00"])
def test_a_vaccine_without_a_whole_date_keeps_it_in_words(written: str):
    """A year, or a time nobody can place, is no time of an administration."""
    made = drafts("Immunization", status="completed", occurrenceDateTime=written)

    assert [f"Vaccine; {written}"] == [one.body["instructions"] for one in made]


def test_the_strength_of_a_product_is_part_of_its_name():
    """A dose in millilitres is none without what is in a millilitre."""
    strength = {"numerator": {"value": 10, "unit": "mg"}, "denominator": {"value": 5, "unit": "mL"}}
    product = {
        "resourceType": "Medication",
        "id": "p",
        "code": {"text": "Oral solution"},
        "ingredient": [
            {"itemCodeableConcept": {"text": "Morphine"}, "strength": strength},
            {"itemReference": 7},
        ],
    }
    fields = {"medicationReference": {"reference": "Medication/p"}}

    assert "Oral solution, Morphine 10 mg per 5 mL" == body("MedicationRequest", product, **fields)["name"]
    half = product | {"ingredient": [{"strength": {"numerator": {"value": 10, "unit": "mg"}}}]}
    assert "Oral solution" == body("MedicationRequest", half, **fields)["name"]
    assert ["How strong its product is could not be read. See the original."] == remarks(
        "MedicationRequest", half, **fields
    )
    wrong = product | {"status": "entered-in-error"}
    assert ["The product it names was entered in error."] == remarks("MedicationRequest", wrong, **fields)


def test_all_words_of_a_medicine_are_its_name():
    """The display of its code may hold the strength that a person left out."""
    display = "Morphine sulfate 10mg/5ml oral solution"
    morphine = {"text": "Morphine", "coding": [{"display": display}]}
    product = {"resourceType": "Medication", "id": "p", "code": morphine}
    by_product = {"medicationReference": {"reference": "Medication/p"}}
    name = f"Morphine; {display}"

    assert name == body("MedicationRequest", medicationCodeableConcept=morphine)["name"]
    assert name == body("MedicationRequest", product, **by_product)["name"]
    assert name == body("Immunization", vaccineCode=morphine)["name"]


@pytest.mark.parametrize(
    ("kind", "status", "name"),
    [
        ("Substance", "active", "Morphine 10 mg per 5 mL"),
        ("Medication", "active", "Morphine 10 mg per 5 mL"),
        ("Substance", "entered-in-error", "ingredient 10 mg per 5 mL"),
        ("Condition", "active", "ingredient 10 mg per 5 mL"),
    ],
)
@pytest.mark.parametrize("is_inside", [True, False])
def test_an_ingredient_is_called_as_what_it_refers_to(kind: str, status: str, name: str, is_inside: bool):
    """In the bundle as inside the resource; what is no substance or medicine gives no name."""
    strength = {"numerator": {"value": 10, "unit": "mg"}, "denominator": {"value": 5, "unit": "mL"}}
    substance = {"resourceType": kind, "id": "s", "status": status, "code": {"text": "Morphine"}}
    at = "#s" if is_inside else f"{kind}/s"
    product = {
        "resourceType": "Medication",
        "id": "p",
        "ingredient": [{"itemReference": {"reference": at}, "strength": strength}],
    }
    if is_inside:
        fields = {"contained": [product, substance], "medicationReference": {"reference": "#p"}}
        assert name == body("MedicationRequest", **fields)["name"]
    else:
        fields = {"medicationReference": {"reference": "Medication/p"}}
        assert name == body("MedicationRequest", product, substance, **fields)["name"]


def test_a_reference_to_no_product_names_no_medicine():
    """What is no Medication is none, whatever is displayed."""
    fields = {"medicationReference": {"reference": "Patient/win", "display": "Ann"}}

    assert "Not stated in the imported record" == body("MedicationRequest", **fields)["name"]


@pytest.mark.parametrize("value", ["true", 1, ["true"], {}])
def test_a_prohibition_that_cannot_be_read_is_reported(value: Any):
    """Nobody guesses whether a medicine is to be given or not."""
    assert "not-valid" == left_out("MedicationRequest", status="active", doNotPerform=value)
    assert "not-valid" == left_out("ServiceRequest", status="active", doNotPerform=value)
    assert "not-valid" == left_out(
        "CarePlan", activity=[{"detail": {"description": "x", "doNotPerform": value}}]
    )
