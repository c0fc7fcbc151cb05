"""AllergyIntolerance and Flag: what must not be overlooked, above all by the kitchen."""

import re

from app.exchange.bundle import JsonObject
from app.exchange.dates import day
from app.exchange.denials import rules_out, rules_out_all
from app.exchange.drafts import Sketch
from app.exchange.elements import (
    an_object,
    codes,
    concept,
    concepts,
    first,
    fit,
    is_entered_in_error,
    joined,
    notes,
    objects,
    states,
    status,
    text,
    whole_concept,
    words_of_concept,
)
from app.exchange.reading import Reading
from app.exchange.wording import NOT_STATED, long, marked, paragraph, present, short, with_status
from app.residents.texts import LONG, PARAGRAPH

_NO_KNOWN_ALLERGY = "716186003"  # SNOMED CT: No known allergy
_ALLERGY = re.compile(r"allerg|anaphyla|intoleran", re.IGNORECASE)
_SEVERE = re.compile(r"\bsevere(ly)?\b|anaphyla|life.threatening", re.IGNORECASE)
_FOOD = re.compile(r"\b(diet(ary)?|food|nutrition)\b", re.IGNORECASE)
_MEDICINE = re.compile(r"\b(drugs?|medication|medicines?)\b", re.IGNORECASE)
_WORST_FIRST = ("severe", "moderate", "mild")
_OVER = {"inactive", "resolved"}
_DOUBTS = {"unconfirmed", "presumed", "provisional"}
_AND_MORE = (
    "It says that an allergy is not known, and more: it is kept as an allergy until somebody has read it."
)
_OF_A_MEDICINE = "A warning about a medicine is kept where only roles look that read medication, on hold."


def allergy(reading: Reading) -> list[Sketch]:
    """Return an AllergyIntolerance as an allergy, or as the statement that none is known.

    Only a statement without doubt, reaction or note rules anything out. "No known food allergy"
    is neither an allergy nor the absence of all: it stays words.
    """
    resource = reading.resource
    dates = (resource.get("recordedDate"), resource.get("onsetDateTime"), resource.get("onsetPeriod"))
    standing = [_allergy_status(resource), *_doubts(resource)]
    texts = _words_of_code(resource)
    substance = joined(texts) or concept(resource.get("code")) or _substances(resource) or NOT_STATED
    is_denial = rules_out(texts) and not _has_unexplained_code(resource)
    if is_denial and not resource.get("reaction") and not resource.get("note"):
        if standing == ["active"] and rules_out_all(texts):
            return [Sketch("allergy", {"none_known": True}, dates)]
        return [_check(substance, standing, dates)]
    if is_denial or _NO_KNOWN_ALLERGY in codes(resource.get("code")):
        reading.remark(_AND_MORE)
    reaction = _reaction(resource, substance)
    body = present(
        substance=short(substance),
        reaction=fit(reaction, PARAGRAPH) if reaction else None,
        severity=_severity(resource),
        status=standing[0],
    )
    return [Sketch("allergy", body, dates)]


def _words_of_code(resource: JsonObject) -> list[str]:
    is_bare = codes(resource.get("code")) == {_NO_KNOWN_ALLERGY}
    return words_of_concept(resource.get("code")) or (["No known allergies"] if is_bare else [])


def _has_unexplained_code(resource: JsonObject) -> bool:
    codings = objects(an_object(resource.get("code")).get("coding"))
    bare = {text(one.get("code")) for one in codings if not text(one.get("display"))}
    return not bare <= {_NO_KNOWN_ALLERGY, None}


def _check(words: str, standing: list[str], dates: tuple[object, ...]) -> Sketch:
    told = f"{fit(words, PARAGRAPH)} ({', '.join(standing)})" if standing else fit(words, PARAGRAPH)
    return Sketch("observation", {"kind": "Allergy check", "text": told}, dates)


def _allergy_status(resource: JsonObject) -> str:
    # What is entered in error is stored as deleted; even so its body must not say "active"
    if "refuted" in states(resource.get("verificationStatus")) or is_entered_in_error(resource):
        return "refuted"
    return "resolved" if _OVER & states(resource.get("clinicalStatus")) else "active"


def _doubts(resource: JsonObject) -> list[str]:
    return sorted(states(resource.get("verificationStatus")) & _DOUBTS)


def _substances(resource: JsonObject) -> str | None:
    return joined(whole_concept(one.get("substance")) for one in objects(resource.get("reaction")))


def _severity(resource: JsonObject) -> str:
    told = {text(one.get("severity")) for one in objects(resource.get("reaction"))}
    return next((one for one in _WORST_FIRST if one in told), "unknown")


def _reaction(resource: JsonObject, substance: str) -> str | None:
    told = [
        joined(
            [
                whole_concept(one.get("substance")),
                concepts(one.get("manifestation")),
                text(one.get("description")),
            ]
        )
        for one in objects(resource.get("reaction"))
    ]
    criticality = text(resource.get("criticality"))
    extra = [criticality and f"criticality: {criticality}", *_doubts(resource), notes(resource)]
    return joined(one for one in [*told, *extra] if one != substance)


def flag(reading: Reading) -> list[Sketch]:
    """Return a Flag: about food as a diet, about an allergy as an allergy, about a medicine as one.

    A food-allergy flag becomes both, so that the kitchen meets it wherever it looks. Any other
    is a risk, and one that rules an allergy out is no more than a check.
    """
    resource = reading.resource
    words = whole_concept(resource.get("code")) or NOT_STATED
    over = reading.over(resource.get("period"))
    category = " ".join([*states(resource.get("category")), concepts(resource.get("category")) or ""])
    dates = (resource.get("period"),)
    made: list[Sketch] = []
    is_check = rules_out(words_of_concept(resource.get("code")))
    if _ALLERGY.search(words) and not is_check:
        made.append(Sketch("allergy", _flagged_allergy(resource, words, over), dates))
    if _FOOD.search(category):
        requirements = with_status(words, resource, ("active",), LONG, over)
        made.append(Sketch("diet", {"requirements": requirements}, dates))
    if not made and is_check:
        made.append(_check(words, [one for one in (status(resource), over) if one], dates))
    if not made and _MEDICINE.search(category):
        reading.remark(_OF_A_MEDICINE)
        made.append(Sketch("medication", _flagged_medicine(resource, words, over), dates))
    return made or [Sketch("risk_assessment", _flagged_risk(resource, words, over), dates)]


def _flagged_allergy(resource: JsonObject, words: str, over: str | None) -> JsonObject:
    # Only the source's own word ends an allergy: a period that is over may be the flag's alone
    state = "resolved" if status(resource) in _OVER else "active"
    substance = short(first([concept(resource.get("code")), words]))
    more = joined([words if words != substance else None, over and f"flag: {over}"])
    return present(
        substance=substance,
        reaction=paragraph(more) if more else None,
        severity="severe" if _SEVERE.search(words) else "unknown",
        status="refuted" if is_entered_in_error(resource) else state,
    )


def _flagged_medicine(resource: JsonObject, words: str, over: str | None) -> JsonObject:
    period = an_object(resource.get("period"))
    return present(
        name=short(words),
        dose=paragraph(None),
        route=short(None),
        frequency=paragraph(None),
        instructions=long(joined([marked("A warning, not a prescription", [status(resource), over]), words])),
        status="on_hold" if status(resource) == "active" and not over else "stopped",
        started_on=day(period.get("start")),
        ended_on=day(period.get("end")),
    )


def _flagged_risk(resource: JsonObject, words: str, over: str | None) -> JsonObject:
    # Somebody thought a warning necessary: until it is assessed here it counts as high
    kind = concepts(resource.get("category")) or "Flag"
    return {
        "kind": with_status(kind, resource, ("active",), but=over),
        "level": "high",
        "mitigation": long(words),
    }
