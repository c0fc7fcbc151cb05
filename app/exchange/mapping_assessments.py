"""RiskAssessment and NutritionOrder: what may happen, and what may be eaten and drunk."""

import re
from collections.abc import Iterable

from app.exchange.bundle import JsonObject
from app.exchange.drafts import Sketch
from app.exchange.elements import (
    an_object,
    concept,
    concepts,
    first,
    joined,
    notes,
    number,
    objects,
    span,
    states,
    text,
    whole_concept,
)
from app.exchange.reading import Reading
from app.exchange.wording import long, no_order, present, with_status
from app.residents.texts import LONG

_FINAL = ("final", "amended", "corrected")
_LEVEL_OF = {
    "negligible": "low",
    "low": "low",
    "medium": "medium",
    "moderate": "medium",
    "high": "high",
    "certain": "high",
}
_WORST_FIRST = ("high", "medium", "low")
_FOOD, _DRINK = re.compile(r"IDDSI food level ([0-7])"), re.compile(r"IDDSI drink level ([0-4])")
_UNREAD = ("schedule", "nutrient", "supplement", "enteralFormula")


def risk(reading: Reading) -> list[Sketch]:
    """Return a RiskAssessment. Of several levels the worst counts, and one that nobody tells is high."""
    resource = reading.resource
    predictions = objects(resource.get("prediction"))
    kind = joined([concept(resource.get("code")), *(concept(one.get("outcome")) for one in predictions)])
    levels = {_level(one) for one in predictions} or {"high"}
    told = [text(resource.get("mitigation")), *map(_foretold, predictions), notes(resource)]
    body = {
        "kind": with_status(kind, resource, _FINAL),
        "level": next(one for one in _WORST_FIRST if one in levels),
        "mitigation": long(joined(told)),
    }
    return [Sketch("risk_assessment", body, _dates(resource))]


def _dates(resource: JsonObject) -> tuple[object, ...]:
    return resource.get("occurrenceDateTime"), resource.get("occurrencePeriod")


def _level(prediction: JsonObject) -> str:
    levels = {_LEVEL_OF.get(one, "high") for one in states(prediction.get("qualitativeRisk"))}
    return next((one for one in _WORST_FIRST if one in levels), "high")


def _foretold(prediction: JsonObject) -> str | None:
    """Return what a prediction says beside its outcome and one of the three levels."""
    level = concept(prediction.get("qualitativeRisk"))
    chance = first([number(prediction.get("probabilityDecimal")), span(prediction.get("probabilityRange"))])
    told = [
        level if level not in _WORST_FIRST else None,
        chance and f"probability: {chance}",
        span(prediction.get("whenPeriod")) or span(prediction.get("whenRange")),
        text(prediction.get("rationale")),
    ]
    words = joined(told, ", ")
    return words and f"{concept(prediction.get('outcome')) or 'outcome not stated'}: {words}"


def diet(reading: Reading) -> list[Sketch]:
    """Return a NutritionOrder as a diet: what is eaten and drunk, and what must not be."""
    resource = reading.resource
    oral = an_object(resource.get("oralDiet"))
    textures = [_texture(one) for one in objects(oral.get("texture"))]
    fluids = [whole_concept(one) for one in objects(oral.get("fluidConsistencyType"))]
    food, drink = _iddsi(_FOOD, textures), _iddsi(_DRINK, fluids)
    told = [
        concepts(oral.get("type")),
        _named("texture", textures if food is None else ()),
        _named("fluids", fluids if drink is None else ()),
        text(oral.get("instruction")),
        _named("NOT", map(whole_concept, objects(resource.get("excludeFoodModifier")))),
        _named("wanted", map(whole_concept, objects(resource.get("foodPreferenceModifier")))),
        _named("allergies", [reading.all_called(resource.get("allergyIntolerance"))]),
        notes(resource),
    ]
    unread = [name for name in _UNREAD if resource.get(name) or oral.get(name)]
    if unread:
        reading.remark(f"Of what is ordered this could not be read: {', '.join(unread)}. See the original.")
    but = no_order(resource)
    body = present(
        requirements=with_status(joined(told), resource, ("active",), LONG, but),
        iddsi_food=food,
        iddsi_fluid=drink,
    )
    return [Sketch("diet", body, (resource.get("dateTime"),))]


def _texture(one: JsonObject) -> str | None:
    return joined([whole_concept(one.get("modifier")), whole_concept(one.get("foodType"))], " of ")


def _iddsi(shape: re.Pattern[str], told: list[str | None]) -> int | None:
    """Return the level, where nothing but one level is said."""
    found = shape.fullmatch(told[0] or "") if len(told) == 1 else None
    return int(found[1]) if found else None


def _named(what: str, told: Iterable[str | None]) -> str | None:
    words = joined(told, ", ")
    return words and f"{what}: {words}"
