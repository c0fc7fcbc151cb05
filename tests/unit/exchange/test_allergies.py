"""Allergies and flags: in doubt the kitchen is told."""

from typing import Any

import pytest

from .making import body, coded, drafts, remarks

SEVERE = [{"severity": "severe", "manifestation": [{"text": "Anaphylaxis"}]}]


@pytest.mark.parametrize("code", [{"text": "No known allergies"}, coded("716186003")])
def test_no_known_allergies_is_a_statement_of_its_own(code: dict[str, Any]):
    """The statement that no allergy is known is recorded as such, while it holds."""
    assert {"none_known": True} == body("AllergyIntolerance", code=code, clinicalStatus=coded("active"))
    (refuted,) = drafts("AllergyIntolerance", code=code, verificationStatus=coded("refuted"))
    assert "observation" == refuted.category


@pytest.mark.parametrize(
    "words",
    [
        "No known food allergy",
        "No known drug allergies. No known food allergies",
        "No known drug and food allergies (situation)",
        "No known allergy to latex",
        "Not allergic to penicillin (de-labelled 2024)",
        "Allergy status not recorded",
        "NKDA",
    ],
)
def test_the_absence_of_one_kind_of_allergy_does_not_rule_out_the_others(words: str):
    """It is neither an allergy nor the absence of all."""
    (draft,) = drafts("AllergyIntolerance", code={"text": words})

    assert "observation" == draft.category
    assert {"kind": "Allergy check", "text": f"{words} (active)"} == draft.body


@pytest.mark.parametrize(
    "code",
    [
        {"text": "No known drug allergies. Nuts: anaphylaxis, carries EpiPen"},
        {"text": "No known allergies except peanuts (anaphylaxis 2019)"},
        {"text": "No known allergies but peanuts"},
        {"text": "NKDA. Nuts!"},
        {"text": "Situation"},
        {"text": "No known cause, severe nut allergy"},
        {"text": "Not allergic to eggs but nuts"},
        {"text": "Allergic to nuts, carries EpiPen", "coding": [{"code": "716186003"}]},
        {"text": "No known allergies", "coding": [{"display": "Allergy to nuts"}]},
        {"text": "No known allergies", "coding": [{"code": "91935009"}]},
    ],
)
def test_words_that_begin_like_none_and_say_more_are_an_allergy(code: dict[str, Any]):
    """Whoever reads only the beginning would serve the nuts."""
    (draft,) = drafts("AllergyIntolerance", code=code, reaction=SEVERE)
    (without,) = drafts("AllergyIntolerance", code=code)

    assert ("allergy", "severe", "active") == (draft.category, draft.body["severity"], draft.body["status"])
    assert "allergy" == without.category
    assert "substance" in without.body


@pytest.mark.parametrize("more", [{"reaction": SEVERE}, {"reaction": "x"}, {"note": [{"text": "Not nuts!"}]}])
@pytest.mark.parametrize("code", [{"text": "No known allergies"}, coded("716186003")])
def test_no_known_allergies_with_a_reaction_or_a_note_is_not_none(code: dict[str, Any], more: dict[str, Any]):
    """It is kept as an allergy in the source's words, and the report asks to read it."""
    (draft,) = drafts("AllergyIntolerance", code=code, **more)

    assert ("allergy", "No known allergies") == (draft.category, draft.body["substance"])
    assert 1 == len(remarks("AllergyIntolerance", code=code, **more))


@pytest.mark.parametrize("doubt", ["unconfirmed", "presumed", "provisional"])
def test_no_known_allergies_in_doubt_is_only_a_check(doubt: str):
    """Nobody has confirmed it, so it does not count as none known."""
    made = body("AllergyIntolerance", code={"text": "No known allergies"}, verificationStatus=coded(doubt))

    assert f"No known allergies (active, {doubt})" == made["text"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"category": ["medication"]}, "active, category: medication"),
        ({"category": ["environment", "food"]}, "active, category: environment, category: food"),
        ({"category": [7]}, "active, category: not readable"),
        ({"criticality": "high"}, "active, criticality: high"),
        ({"category": ["food"], "criticality": "High"}, "active, category: food, criticality: high"),
    ],
)
@pytest.mark.parametrize("code", [{"text": "No known allergies"}, coded("716186003")])
def test_no_known_allergies_of_one_kind_is_only_a_check(code: dict[str, Any], fields: Any, words: str):
    """What stands beside the words bounds them, or contradicts them."""
    made = body("AllergyIntolerance", code=code, **fields)

    assert {"kind": "Allergy check", "text": f"No known allergies ({words})"} == made


@pytest.mark.parametrize(
    "fields", [{"category": []}, {"category": ["medication", "food"]}, {"criticality": "low"}]
)
def test_no_known_allergies_of_food_and_medicines_is_none(fields: dict[str, Any]):
    """Both kinds together bound nothing."""
    assert {"none_known": True} == body("AllergyIntolerance", code={"text": "No known allergies"}, **fields)


@pytest.mark.parametrize("status", ["refuted", ["refuted"], {"text": "Refuted"}, [coded("refuted")]])
def test_a_refuted_allergy_is_known_however_it_is_written(status: Any):
    """A status as a bare text or in words only counts too."""
    assert "refuted" == body("AllergyIntolerance", code={"text": "Nuts"}, verificationStatus=status)["status"]


def test_the_worst_reaction_sets_the_severity():
    """An allergy is as severe as its worst reaction, and unknown rather than guessed."""
    reactions = [{"severity": "mild"}, {"severity": "severe", "manifestation": [{"text": "Wheeze"}]}]
    made = body(
        "AllergyIntolerance", code={"text": "Nuts"}, reaction=reactions, clinicalStatus=coded("resolved")
    )

    assert {"substance": "Nuts", "reaction": "Wheeze", "severity": "severe", "status": "resolved"} == made
    assert "unknown" == body("AllergyIntolerance", code={"text": "Nuts"})["severity"]


def test_the_substance_of_a_reaction_is_told():
    """It stands for a missing code, and beside one it is part of the reaction."""
    reaction = [{"substance": {"text": "Cashew"}, "manifestation": [{"text": "Rash"}]}]

    assert "Cashew" == body("AllergyIntolerance", reaction=reaction)["substance"]
    assert "Cashew; Rash" == body("AllergyIntolerance", code={"text": "Nuts"}, reaction=reaction)["reaction"]


def test_how_somebody_met_it_and_the_note_of_a_reaction_are_told():
    """What is known of a reaction may save the next one."""
    reaction = {"exposureRoute": {"text": "inhalation"}, "note": [{"text": "traces in the air: EpiPen"}]}
    made = body("AllergyIntolerance", code={"text": "Nuts"}, reaction=[reaction])

    assert "exposure: inhalation; traces in the air: EpiPen" == made["reaction"]


def flagged(words: str, category: Any = None, **more: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return what is made of an active flag."""
    fields = {"status": "active", "code": {"text": words}, **more} | (
        {"category": category} if category else {}
    )
    return [(draft.category, draft.body) for draft in drafts("Flag", **fields)]


def test_a_flag_is_an_allergy_a_diet_or_a_risk():
    """A food allergy is both for the kitchen; a diet alone is a diet; any other warning is a high risk."""
    diet = [coded("diet")]
    assert ["allergy", "diet"] == [category for category, _ in flagged("Allergic to nuts", diet)]
    assert ["diet"] == [category for category, _ in flagged("Vegan", diet)]
    ((category, risk),) = flagged("Wanders at night", [coded("safety")])
    assert ("risk_assessment", "high") == (category, risk["level"])
    (_, over), (_, meal) = flagged("Allergic to nuts", diet, status="inactive")
    assert ("resolved", "Allergic to nuts (inactive)") == (over["status"], meal["requirements"])


@pytest.mark.parametrize(
    "category", ["diet", ["diet"], {"text": "Diet"}, [{"coding": [{"display": "Food"}]}]]
)
def test_a_diet_is_known_however_its_category_is_written(category: Any):
    """The kitchen does not go without it because a code is missing."""
    assert ["diet"] == [category for category, _ in flagged("Vegan", category)]


@pytest.mark.parametrize(
    "words",
    ["No known allergies", "Allergy status not recorded", "Not allergic to penicillin (de-labelled 2024)"],
)
def test_a_flag_that_rules_an_allergy_out_is_none(words: str):
    """It would hide that the allergies of the resident are not recorded."""
    expected = {"kind": "Allergy check", "text": f"{words} (active)"}

    assert [("observation", expected)] == flagged(words)
    assert ["diet"] == [category for category, _ in flagged(words, [coded("diet")])]


@pytest.mark.parametrize(
    "words", ["No known drug allergies. Nuts: EpiPen", "Allergic to nuts: not known to eat"]
)
def test_a_flag_that_rules_out_and_warns_is_an_allergy(words: str):
    """In doubt it names one."""
    assert ["allergy"] == [category for category, _ in flagged(words)]


@pytest.mark.parametrize("status", ["odd", ["active"], None])
def test_an_allergy_flag_of_unknown_status_is_active(status: Any):
    """Only the source's own word ends it."""
    ((_, made),) = flagged("Nut allergy", status=status)

    assert "active" == made["status"]


def test_a_flag_about_a_medicine_is_read_only_where_medicines_are():
    """It is no prescription, so it is on hold, and stopped when it is over."""
    ((category, made),) = flagged("On warfarin 3 mg", [coded("drug")], period={"start": "2025-01-02"})

    assert ("medication", "On warfarin 3 mg", "on_hold") == (category, made["name"], made["status"])
    assert "A warning, not a prescription (active); On warfarin 3 mg" == made["instructions"]
    ((_, over),) = flagged("On warfarin", [coded("drug")], period={"end": "2025-01-02"})
    assert ("stopped", "2025-01-02") == (over["status"], over["ended_on"])
    assert ["allergy"] == [category for category, _ in flagged("Penicillin allergy", [coded("drug")])]


@pytest.mark.parametrize(
    "category",
    [[coded("diet"), coded("drug")], {"text": "Food-drug interaction"}, {"text": "Diet; medications"}],
)
def test_a_flag_about_food_and_a_medicine_names_the_medicine_only_where_medicines_are_read(category: Any):
    """The kitchen learns that there is something to ask."""
    (_, diet), (kind, made) = flagged("On warfarin: no grapefruit", category)

    assert {"requirements": "Dietary restriction; ask the nurse"} == diet
    assert ("medication", "On warfarin: no grapefruit") == (kind, made["name"])
    (_, over), _ = flagged("On warfarin: no grapefruit", category, status="inactive")
    assert "Dietary restriction; ask the nurse (inactive)" == over["requirements"]
    assert ["allergy", "diet"] == [one for one, _ in flagged("Allergic to nuts, on warfarin", category)]


@pytest.mark.parametrize(
    "words", ["On warfarin. No other allergies", "On warfarin; no further drug allergies known"]
)
def test_a_flag_about_a_medicine_is_an_allergy_only_where_a_clause_names_one(words: str):
    """No other allergies is none; elsewhere such words are read as one, in doubt."""
    assert ["medication"] == [category for category, _ in flagged(words, [coded("drug")])]
    assert ["allergy"] == [category for category, _ in flagged(words)]


def test_a_flag_about_an_advance_directive_is_read_where_such_wishes_are():
    """It is a wish while it holds, of no kind that its signed original alone could prove."""
    period = {"start": "2025-01-02"}
    words = "A warning, not the signed original: DNACPR in place"
    for category in (coded("advance-directive"), {"text": "Advance Directive"}):
        ((kind, plan),) = flagged("DNACPR in place", [category], period=period)
        assert ("advance_care_plan", "other", words) == (kind, plan["kind"], plan["summary"])
        assert ("2025-01-02", "in_force") == (plan["valid_from"], plan["status"])
    for more, mark in (
        ({}, ""),
        ({"period": period | {"end": "2025-02-01"}}, " (ended 2025-02-01)"),
        ({"period": period, "status": "inactive"}, " (inactive)"),
    ):
        made = flagged("DNACPR in place", [coded("advance-directive")], **more)
        assert [("observation", {"kind": f"Advance care plan{mark}", "text": words})] == made
