"""Care plans: what is to be done, what is not, and what nobody may take for a task of today."""

from typing import Any

import pytest

from .making import WIN, body, coded, left_out, remarks

UNTOLD = "What an activity consists of is not said, or it may be a medicine: ask whoever sent it."
OUR_MEDICINE = "It refers to a medicine, whose words belong only into medication: they are left out."


def target(kind: str = "ServiceRequest", **fields: Any) -> dict[str, Any]:
    """Return another resource of the resident, to which a care plan refers."""
    return {"resourceType": kind, "id": "other", "subject": WIN, **fields}


def done(activity: dict[str, Any], *others: dict[str, Any]) -> list[str]:
    """Return the actions that are made of one activity."""
    actions: list[str] = body("CarePlan", *others, title="Skin", activity=[activity])["actions"]
    return actions


def referring(kind: str = "ServiceRequest", **more: Any) -> dict[str, Any]:
    """Return an activity that refers to that resource."""
    return {"reference": {"reference": f"{kind}/other", **more}}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "active", "intent": "order"}, "Bed rails raised"),
        ({}, "Bed rails raised"),
        ({"status": "active", "doNotPerform": True}, "Do not: Bed rails raised"),
        ({"status": "revoked"}, "Bed rails raised; status: revoked"),
        ({"status": ["active"]}, "Bed rails raised; status: status cannot be read"),
        ({"status": "active", "intent": "proposal"}, "Bed rails raised; intent: proposal"),
        ({"status": "active", "intent": 7}, "Bed rails raised; intent: cannot be read"),
        (
            {"status": "cancelled", "statusReason": {"text": "refused"}},
            "Bed rails raised; status: cancelled (refused)",
        ),
    ],
)
def test_an_activity_elsewhere_brings_along_whether_it_is_to_be_done(fields: dict[str, Any], words: str):
    """A prohibition, a status and an intent come by a reference as the words do."""
    request = target(code={"text": "Bed rails raised"}, **fields)
    inside = {"contained": [request | {"id": "c"}], "activity": [{"reference": {"reference": "#c"}}]}

    assert [words] == done(referring(), request) == body("CarePlan", **inside)["actions"]
    assert [words] == done(referring(display="Bed rails raised"), request)


def test_whether_an_activity_elsewhere_is_forbidden_is_not_guessed():
    """A text that stands for true or false makes the whole plan unsound."""
    contained = [target(id="c", code={"text": "Bed rails"}, doNotPerform="true")]

    assert "not-valid" == left_out(
        "CarePlan", contained=contained, activity=[{"reference": {"reference": "#c"}}]
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"description": "Turn every two hours"}, "Turn every two hours"),
        (
            {"code": coded("fulfill"), "description": "Turn every two hours", "status": "in-progress"},
            "fulfill; Turn every two hours; status: in-progress",
        ),
        (
            {"description": "Warfarin 3 mg", "focus": {"reference": "MedicationRequest/r"}},
            "a medicine, see medication",
        ),
        (
            {"description": "Warfarin", "basedOn": [{"type": "MedicationRequest"}], "doNotPerform": True},
            "Do not: a medicine, see medication",
        ),
    ],
)
def test_a_task_says_in_its_own_words_what_to_do(fields: dict[str, Any], words: str):
    """Unless it carries out a prescription, whose medicine it would name."""
    assert [words] == done(referring("Task"), target("Task", **fields))


@pytest.mark.parametrize(
    "reference",
    [
        {"reference": "ServiceRequest/elsewhere"},
        {"reference": "urn:uuid:ffffffff-5b0f-4a63-8f5d-2f1a6f0f4e01", "display": "Warfarin 3 mg daily"},
        {"identifier": {"value": "1"}, "display": "Warfarin 3 mg daily"},
        {"reference": "#nothing", "display": "Warfarin 3 mg daily"},
        "Warfarin",
    ],
)
def test_an_activity_that_makes_no_words_or_may_be_a_medicine_is_remarked_on(reference: Any):
    """What is only displayed, and of which nobody knows the type, a carer is not to read."""
    assert [] == done({"reference": reference})
    assert [UNTOLD] == remarks("CarePlan", activity=[{"reference": reference}])
    unknown = {"reference": {"display": "Warfarin"}, "progress": [{"text": "warfarin doubled"}]}
    assert [] == done(unknown)
    known = {"type": "ServiceRequest", "display": "Walk"}
    assert ["Walk"] == done({"reference": known})
    assert [] == remarks("CarePlan", activity=[{"reference": known}])


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ({"scheduledPeriod": {"end": "2020-02-01"}}, "Dress; ended 2020-02-01"),
        ({"scheduledPeriod": {"start": "2027"}}, "Dress; begins 2027"),
        (
            {"scheduledPeriod": {"start": "2026-01-01", "end": "2026-12-31"}},
            "Dress; 2026-01-01 to 2026-12-31",
        ),
        ({"scheduledPeriod": "2020"}, "Dress; its period cannot be read"),
        (
            {"status": "cancelled", "statusReason": {"text": "refused by resident"}},
            "Dress; status: cancelled (refused by resident)",
        ),
        ({"statusReason": {"text": "refused"}}, "Dress; status: not stated (refused)"),
        ({"dailyAmount": {"value": 500, "unit": "mL"}}, "Dress; 500 mL a day"),
        ({"quantity": {"value": 3}}, "Dress; quantity: 3"),
    ],
)
def test_when_how_much_and_why_not_are_told(detail: dict[str, Any], words: str):
    """What is over, or was refused, does not read as due now."""
    assert [words] == done({"detail": {"description": "Dress", **detail}})


def test_how_it_went_is_told():
    """Progress is a warning too."""
    progress = [{"text": "stopped, allergic to the dressing"}, {"text": "healed"}]

    assert ["Dress; progress: stopped, allergic to the dressing; healed"] == done(
        {"detail": {"description": "Dress"}, "progress": progress}
    )


def test_food_is_told_by_its_product():
    """Also where nothing else says what it is; a bare status is no action."""
    food = {
        "kind": "NutritionOrder",
        "productCodeableConcept": {"text": "Thickened fluid"},
        "status": "in-progress",
    }
    assert ["Thickened fluid; status: in-progress"] == done({"detail": food})
    assert ["Thickened fluid; at ten; status: in-progress"] == done(
        {"detail": food | {"description": "at ten"}}
    )
    nothing = {"detail": {"status": "in-progress"}}
    assert [] == done(nothing)
    assert [UNTOLD] == remarks("CarePlan", activity=[nothing])


def test_a_medicine_that_is_forbidden_is_forbidden_by_no_name():
    """Neither the prohibition is lost, nor is the medicine named."""
    detail = {"kind": "MedicationRequest", "code": {"text": "Aspirin"}, "doNotPerform": True}
    request = target("MedicationRequest", medicationCodeableConcept={"text": "Aspirin"}, doNotPerform=True)

    assert ["Do not: a medicine, see medication"] == done({"detail": detail})
    assert ["Do not: a medicine, see medication"] == done(referring("MedicationRequest"), request)
    assert [OUR_MEDICINE] == remarks("CarePlan", activity=[{"detail": detail}])


def test_a_plan_that_is_only_proposed_says_so():
    """A proposal or an option is no plan in force."""
    for intent, words in (
        ("plan", "Rails"),
        ("order", "Rails"),
        (None, "Rails"),
        ("proposal", "Rails (intent: proposal)"),
        ("option", "Rails (intent: option)"),
        (["plan"], "Rails (intent: cannot be read)"),
    ):
        assert words == body("CarePlan", status="active", intent=intent, title="Rails")["need"]
    over = body("CarePlan", status="draft", intent="option", title="Rails", period={"end": "2020"})
    assert "Rails (draft, intent: option, ended 2020)" == over["need"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"lifecycleStatus": "active"}, "Lose 10 kg"),
        ({"lifecycleStatus": "rejected"}, "Lose 10 kg (rejected)"),
        ({"lifecycleStatus": "completed"}, "Lose 10 kg (completed)"),
        ({"lifecycleStatus": "proposed"}, "Lose 10 kg (proposed)"),
        ({"clinicalStatus": coded("active"), "verificationStatus": coded("confirmed")}, "Lose 10 kg"),
        (
            {"clinicalStatus": coded("inactive"), "verificationStatus": coded("refuted")},
            "Lose 10 kg (inactive, refuted)",
        ),
    ],
)
def test_a_goal_or_condition_that_does_not_hold_says_so(fields: dict[str, Any], words: str):
    """Its words do not come by a reference without its state."""
    goal = target("Goal", description={"text": "Lose 10 kg"}, **fields)
    condition = target("Condition", code={"text": "Lose 10 kg"}, **fields)
    shown = {"reference": "Condition/other", "display": "Lose 10 kg"}

    assert words == body("CarePlan", goal, goal=[{"reference": "Goal/other"}])["goal"]
    assert words == body("CarePlan", condition, addresses=[shown])["need"]
