"""What a reference brings along: never another resident's words, an error's, or a medicine's."""

from typing import Any

import pytest

from .making import PATIENT, WIN, body, left_out, planned, remarks

TOM = PATIENT | {"id": "tom"}
THEIRS = {"subject": {"reference": "Patient/tom"}}


def resource(kind: str, **fields: Any) -> dict[str, Any]:
    """Return another resource of the bundle."""
    return {"resourceType": kind, "id": "other", "code": {"text": "HIV positive"}, **fields}


def to(kind: str) -> list[dict[str, Any]]:
    """Return references to that resource, with and without display."""
    return [{"reference": f"{kind}/other"}, {"reference": f"{kind}/other", "display": "HIV positive"}]


REFERRING = [
    ("CarePlan", "Condition", lambda refs: {"addresses": refs, "title": "Walk"}),
    ("CarePlan", "Condition", lambda refs: {"activity": [{"reference": one} for one in refs]}),
    ("CarePlan", "Goal", lambda refs: {"goal": refs}),
    ("Observation", "Observation", lambda refs: {"hasMember": refs}),
    ("DiagnosticReport", "Observation", lambda refs: {"result": refs}),
    ("ServiceRequest", "Condition", lambda refs: {"reasonReference": refs}),
    ("Procedure", "Patient", lambda refs: {"performer": [{"actor": one} for one in refs]}),
    ("Consent", "Person", lambda refs: {"performer": refs}),
    (
        "QuestionnaireResponse",
        "Condition",
        lambda refs: {"item": [{"answer": [{"valueReference": one} for one in refs]}]},
    ),
]


@pytest.mark.parametrize(("kind", "named", "referring"), REFERRING)
def test_no_words_of_another_resident_come_by_a_reference(kind: str, named: str, referring: Any):
    """Neither what the reference displays nor what its target says; and the report says so."""
    theirs = resource(named, name=[{"text": "HIV positive"}], description={"text": "HIV positive"}, **THEIRS)
    fields = referring(to(named))

    assert "HIV" not in str(body(kind, TOM, theirs, **fields))
    assert [f"It refers to a {named} that is not this resident's: its words are left out."] == remarks(
        kind, TOM, theirs, **fields
    )


@pytest.mark.parametrize(("kind", "named", "referring"), REFERRING[:5])
@pytest.mark.parametrize("field", ["status", "verificationStatus", "lifecycleStatus"])
def test_no_words_entered_in_error_come_by_a_reference(kind: str, named: str, referring: Any, field: str):
    """What was withdrawn does not come back through a report that names it."""
    wrong = resource(named, subject=WIN, **{field: "entered-in-error"})

    assert "HIV" not in str(body(kind, wrong, **referring(to(named))))
    assert [f"It refers to a {named} entered in error: its words are left out."] == remarks(
        kind, wrong, **referring(to(named))
    )


def test_words_of_the_resident_and_of_those_who_care_are_told():
    """The resident's own conditions, staff and relatives are what a reference is for."""
    own = resource("Condition", subject=WIN) | {"code": {"text": "Diabetes"}}
    doctor = {"resourceType": "Practitioner", "id": "d", "name": [{"given": ["Ann"], "family": "Bell"}]}
    by = [{"reference": "Practitioner/d"}, {"display": "Helen"}]

    assert "Walk; Diabetes" == body("CarePlan", own, title="Walk", addresses=to("Condition")[:1])["need"]
    assert "Ann Bell; Helen" == body("Consent", doctor, performer=by)["given_by"]


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ({"resourceType": "Condition", "code": {"text": "Diabetes"}}, "Walk; Diabetes"),
        ({"resourceType": "Condition", "code": {"text": "Diabetes"}, "subject": WIN}, "Walk; Diabetes"),
        ({"resourceType": "Condition", "code": {"text": "HIV"}, **THEIRS}, "Walk"),
        (
            {"resourceType": "Condition", "code": {"text": "HIV"}, "verificationStatus": "entered-in-error"},
            "Walk",
        ),
        ({"resourceType": "Patient", "name": [{"text": "Tom"}]}, "Walk"),
        ({"resourceType": "MedicationRequest"}, "Walk; a medicine, see medication"),
    ],
)
def test_a_contained_resource_is_asked_whose_it_is_too(inside: dict[str, Any], words: str):
    """Also inside another resource a resource has a subject and a status."""
    contained = [inside | {"id": "c"}]
    fields = {"contained": contained, "title": "Walk", "addresses": [{"reference": "#c"}]}

    assert words == body("CarePlan", TOM, **fields)["need"]


@pytest.mark.parametrize(
    "activity",
    [
        {"reference": {"reference": "MedicationRequest/elsewhere", "display": "Warfarin 3 mg daily"}},
        {"reference": {"type": "MedicationRequest", "display": "Warfarin 3 mg daily"}},
        {"reference": {"reference": "https://a.example/Immunization/1/_history/2", "display": "Warfarin"}},
        {"detail": {"kind": "MedicationRequest", "description": "Warfarin 3 mg daily"}},
        {"detail": {"productCodeableConcept": {"text": "Warfarin"}, "description": "Warfarin 3 mg"}},
    ],
)
def test_a_care_plan_names_no_medicine(activity: dict[str, Any]):
    """A carer reads care plans and no medicines."""
    made = planned("CarePlan", activity=[activity])
    (record,) = (one for one in made.records if one.source_key == "CarePlan/it")

    assert ["a medicine, see medication"] == record.body["actions"]
    assert 1 == len(made.remarks)


def test_food_of_a_care_plan_is_no_medicine():
    """A nutrition order has a product too."""
    detail = {
        "kind": "NutritionOrder",
        "productCodeableConcept": {"text": "Milk"},
        "description": "Milk at ten",
    }

    assert ["Milk at ten"] == body("CarePlan", activity=[{"detail": detail}])["actions"]


@pytest.mark.parametrize(
    "focus",
    [
        [{"reference": "RelatedPerson/w"}],
        [{"display": "her husband"}],
        {"reference": "Device/d"},
        "wife",
        [WIN, 7],
    ],
)
def test_a_finding_about_somebody_else_is_not_the_residents(focus: Any):
    """Its focus says whom it is about, whoever is its subject."""
    assert "other-subject" == left_out("Observation", focus=focus, valueString="40 a day")


def test_a_finding_about_another_resident_is_nobodys_and_gives_no_words():
    """Not even through a report of the resident."""
    smoking = resource("Observation", subject=WIN, focus=[{"reference": "Patient/tom"}])
    made = planned("DiagnosticReport", TOM, smoking, result=to("Observation"))

    assert ["several-subjects"] == [one.code for one in made.left_out]
    assert "HIV" not in str([record.body for record in made.records])


@pytest.mark.parametrize("focus", [WIN, [WIN], [], None])
def test_a_finding_whose_focus_is_the_resident_is_the_residents(focus: Any):
    """A focus that says the same as the subject changes nothing."""
    assert "well" == body("Observation", focus=focus, valueString="well")["text"]
