"""Risks and diets of elsewhere: the worst is taken, and what must not be eaten is told."""

from typing import Any

import pytest

from .making import body, coded, remarks


@pytest.mark.parametrize(
    ("risks", "level"),
    [
        ([coded("low")], "low"),
        ([coded("negligible")], "low"),
        ([coded("moderate")], "medium"),
        ([coded("certain")], "high"),
        ([coded("low"), {"text": "High"}, coded("moderate")], "high"),
        ([coded("low"), None], "high"),
        ([{"text": "speculative"}], "high"),
        (["low"], "low"),
        ([7], "high"),
        ([], "high"),
    ],
)
def test_a_risk_that_nobody_tells_is_high(risks: list[Any], level: str):
    """Until it is assessed here; of several the worst counts."""
    predictions = [{"outcome": {"text": "Falls"}, "qualitativeRisk": one} for one in risks]

    assert level == body("RiskAssessment", status="final", prediction=predictions)["level"]


def test_what_a_prediction_says_is_told():
    """How probable, when and why; what is not final says so."""
    falls = {"outcome": {"text": "Falls"}, "qualitativeRisk": {"text": "low"}}
    more = {
        "probabilityDecimal": 0.2,
        "whenRange": {"high": {"value": 2, "unit": "months"}},
        "rationale": "stairs",
    }
    made = body("RiskAssessment", status="preliminary", prediction=[falls | more], mitigation="Rails")

    assert "Falls (preliminary)" == made["kind"]
    assert "Rails; Falls: probability: 0.2, up to 2 months, stairs" == made["mitigation"]
    bare = body("RiskAssessment", status="final", code={"text": "Waterlow"}, note=[{"text": "again in May"}])
    assert {"kind": "Waterlow", "level": "high", "mitigation": "again in May"} == bare
    words = body("RiskAssessment", prediction=[{"qualitativeRisk": {"text": "moderate"}}])
    assert "outcome not stated: moderate" == words["mitigation"]


def test_what_must_not_be_eaten_is_told():
    """Before what is wanted, and only one plain IDDSI level is a number."""
    oral = {
        "type": [{"text": "Soft"}],
        "texture": [{"modifier": {"text": "minced"}, "foodType": {"text": "meat"}}],
        "fluidConsistencyType": [{"text": "IDDSI drink level 2"}],
        "instruction": "sit upright",
    }
    order = {
        "excludeFoodModifier": [{"text": "nuts"}, {"text": "grapefruit"}],
        "foodPreferenceModifier": [{"text": "halal"}],
        "allergyIntolerance": [{"display": "Peanut"}],
    }
    told = (
        "Soft; texture: minced of meat; sit upright; NOT: nuts, grapefruit; wanted: halal; allergies: Peanut"
    )

    made = body("NutritionOrder", status="active", intent="order", oralDiet=oral, **order)
    assert {"requirements": told, "iddsi_fluid": 2} == made
    assert [] == remarks("NutritionOrder", status="active", intent="order", oralDiet=oral, **order)


@pytest.mark.parametrize(
    ("texture", "made"),
    [
        (["IDDSI food level 4"], {"requirements": "Soft", "iddsi_food": 4}),
        (["IDDSI food level 8"], {"requirements": "Soft; texture: IDDSI food level 8"}),
        (
            ["IDDSI food level 4", "IDDSI food level 5"],
            {"requirements": "Soft; texture: IDDSI food level 4, IDDSI food level 5"},
        ),
        (["not IDDSI food level 4"], {"requirements": "Soft; texture: not IDDSI food level 4"}),
    ],
)
def test_only_one_plain_level_is_a_number(texture: list[str], made: dict[str, Any]):
    """All else stays words."""
    oral = {"type": {"text": "Soft"}, "texture": [{"modifier": {"text": one}} for one in texture]}

    assert made == body("NutritionOrder", status="active", intent="order", oralDiet=oral)


def test_an_order_that_is_over_or_not_read_says_so():
    """A status that is not active stands behind the words; what is not read is remarked on."""
    order = {"oralDiet": {"type": {"text": "Soft"}, "nutrient": [{}]}, "supplement": [{}]}
    expected = "Of what is ordered this could not be read: nutrient, supplement. See the original."

    assert (
        "Soft (revoked)" == body("NutritionOrder", status="revoked", intent="order", **order)["requirements"]
    )
    proposed = body("NutritionOrder", status="active", intent="proposal", **order)["requirements"]
    assert "Soft (intent: proposal)" == proposed
    assert [expected] == remarks("NutritionOrder", status="active", intent="order", **order)
