"""AllergyIntolerance and Flag: what must not be overlooked, above all by the kitchen."""

import re

from app.exchange.bundle import JsonObject
from app.exchange.dates import day
from app.exchange.denials import NAMED, names_one, rules_out, rules_out_all
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
from app.exchange.mapping_findings import END_OF_LIFE
from app.exchange.own_terms import NO_KNOWN_ALLERGY
from app.exchange.reading import Reading
from app.exchange.wording import NOT_STATED, long, marked, paragraph, present, short, with_status
from app.residents.texts import LONG, PARAGRAPH, SHORT

_SEVERE = re.compile(r"\bsevere(ly)?\b|anaphyla|life.threatening", re.IGNORECASE)
_FOOD = re.compile(r"\b(diet(ary)?|food|nutrition)\b", re.IGNORECASE)
_MEDICINE = re.compile(r"\b(drugs?|medications?|medicines?)\b", re.IGNORECASE)
_EVERY_KIND = {"food", "medication"}
_WORST_FIRST = ("severe", "moderate", "mild")
_OVER = {"inactive", "resolved"}
_DOUBTS = {"unconfirmed", "presumed", "provisional"}
_AND_MORE = (
    "It says that an allergy is not known, and more: it is kept as an allergy until somebody has read it."
)
_ASK = "Dietary restriction; ask the nurse"
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
        bounds = _bounds(resource)
        if standing == ["active"] and not bounds and rules_out_all(texts):
            return [Sketch("allergy", {"none_known": True}, dates)]
        return [_check(substance, [*standing, *bounds], dates)]
    if is_denial or NO_KNOWN_ALLERGY in codes(resource.get("code")):
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
    is_bare = codes(resource.get("code")) == {NO_KNOWN_ALLERGY}
    return words_of_concept(resource.get("code")) or (["No known allergies"] if is_bare else [])


def _has_unexplained_code(resource: JsonObject) -> bool:
    codings = objects(an_object(resource.get("code")).get("coding"))
    bare = {text(one.get("code")) for one in codings if not text(one.get("display"))}
    return not bare <= {NO_KNOWN_ALLERGY, None}


def _bounds(resource: JsonObject) -> list[str]:
    """Return what keeps a denial from being about all allergies, or contradicts it."""
    kinds = sorted(states(resource.get("category"))) or (["not readable"] if resource.get("category") else [])
    is_high = (text(resource.get("criticality")) or "").lower() == "high"
    about = [] if set(kinds) >= _EVERY_KIND else [f"category: {one}" for one in kinds]
    return [*about, *(["criticality: high"] if is_high else [])]


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
                exposure and f"exposure: {exposure}",
                notes(one),
            ]
        )
        for one in objects(resource.get("reaction"))
        for exposure in [concept(one.get("exposureRoute"))]
    ]
    criticality = text(resource.get("criticality"))
    extra = [criticality and f"criticality: {criticality}", *_doubts(resource), notes(resource)]
    return joined(one for one in [*told, *extra] if one != substance)


def flag(reading: Reading) -> list[Sketch]:
    """Return a Flag: about food as a diet, about an allergy as an allergy, about a medicine as one.

    A food-allergy flag becomes both, so that the kitchen meets it wherever it looks. Of one about
    food and a medicine the kitchen learns only that there is something to ask. Any other
    is a risk, and one that rules an allergy out is no more than a check.
    """
    resource = reading.resource
    words = whole_concept(resource.get("code")) or NOT_STATED
    over = reading.over(resource.get("period"))
    category = " ".join([*states(resource.get("category")), concepts(resource.get("category")) or ""])
    dates = (resource.get("period"),)
    made: list[Sketch] = []
    texts = words_of_concept(resource.get("code"))
    is_check = rules_out(texts)
    may_be_medicine = _MEDICINE.search(category) is not None and not is_check
    # Beside a medicine words such as "no other allergies" name none
    is_allergy = names_one(texts or [words]) if may_be_medicine else NAMED.search(words) and not is_check
    is_medicine = may_be_medicine and not is_allergy
    if is_allergy:
        made.append(Sketch("allergy", _flagged_allergy(resource, words, over), dates))
    if _FOOD.search(category):
        needs = with_status(_ASK if is_medicine else words, resource, ("active",), LONG, over)
        made.append(Sketch("diet", {"requirements": needs}, dates))
    if is_medicine:
        reading.remark(_OF_A_MEDICINE)
        made.append(Sketch("medication", _flagged_medicine(resource, words, over), dates))
    if not made and is_check:
        made.append(_check(words, [one for one in (status(resource), over) if one], dates))
    if not made and END_OF_LIFE.search(category.replace("-", " ")):
        made.append(_flagged_wish(resource, words, over))
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


def _flagged_wish(resource: JsonObject, words: str, over: str | None) -> Sketch:
    # Never of kind dnacpr or respect, and no risk, which roles read that read no such wishes
    period = an_object(resource.get("period"))
    told, begun = long(f"A warning, not the signed original: {words}"), day(period.get("start"))
    if begun and status(resource) == "active" and not over:
        plan = {"kind": "other", "summary": told, "valid_from": begun, "status": "in_force"}
        return Sketch("advance_care_plan", plan, (period,))
    kind = with_status("Advance care plan", resource, ("active",), SHORT, over)
    return Sketch("observation", {"kind": kind, "text": told}, (period,))


def _flagged_risk(resource: JsonObject, words: str, over: str | None) -> JsonObject:
    # Somebody thought a warning necessary: until it is assessed here it counts as high
    kind = concepts(resource.get("category")) or "Flag"
    return {
        "kind": with_status(kind, resource, ("active",), SHORT, over),
        "level": "high",
        "mitigation": long(words),
    }
