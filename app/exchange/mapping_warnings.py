"""AllergyIntolerance and Flag: what must not be overlooked, above all by the kitchen."""

import re

from app.exchange.bundle import Entry, JsonObject
from app.exchange.drafts import Sketch
from app.exchange.elements import (
    codes,
    concept,
    concepts,
    first,
    fit,
    is_entered_in_error,
    joined,
    notes,
    objects,
    status,
    text,
    whole_concept,
)
from app.exchange.references import Bundle
from app.exchange.wording import NOT_STATED, long, paragraph, present, short, with_status
from app.residents.texts import LONG, PARAGRAPH

_NO_KNOWN_ALLERGY = "716186003"  # SNOMED CT: No known allergy
_NONE_AT_ALL = re.compile(r"no known allerg(y|ies)\.?", re.IGNORECASE)
_NONE_OF_A_KIND = re.compile(r"no known\b", re.IGNORECASE)
_ALLERGY = re.compile(r"allerg|anaphyla|intoleran", re.IGNORECASE)
_SEVERE = re.compile(r"\bsevere(ly)?\b|anaphyla|life.threatening", re.IGNORECASE)
_FOOD = {"diet", "food"}
_WORST_FIRST = ("severe", "moderate", "mild")
_OVER = {"inactive", "resolved"}


def allergy(entry: Entry, _: Bundle) -> list[Sketch]:
    """Return an AllergyIntolerance as an allergy, or as the statement that none is known."""
    resource = entry.resource
    dates = (resource.get("recordedDate"), resource.get("onsetDateTime"), resource.get("onsetPeriod"))
    substance = whole_concept(resource.get("code")) or _substance_of_reaction(resource) or NOT_STATED
    state = _allergy_status(resource)
    if state == "active" and _says_none_at_all(resource, substance):
        return [Sketch("allergy", {"none_known": True}, dates)]
    if _NONE_OF_A_KIND.match(substance):
        # "No known food allergy" is neither an allergy nor the absence of all: it stays words
        return [
            Sketch(
                "observation", {"kind": "Allergy check", "text": f"{long(substance)[:1000]} ({state})"}, dates
            )
        ]
    reaction = _reaction(resource)
    body = present(
        substance=short(substance),
        reaction=fit(reaction, PARAGRAPH) if reaction else None,
        severity=_severity(resource),
        status=state,
    )
    return [Sketch("allergy", body, dates)]


def _says_none_at_all(resource: JsonObject, substance: str) -> bool:
    return _NO_KNOWN_ALLERGY in codes(resource.get("code")) or bool(_NONE_AT_ALL.fullmatch(substance))


def _allergy_status(resource: JsonObject) -> str:
    # What is entered in error is stored as deleted; even so its body must not say "active"
    if "refuted" in codes(resource.get("verificationStatus")) or is_entered_in_error(resource):
        return "refuted"
    return "resolved" if _OVER & codes(resource.get("clinicalStatus")) else "active"


def _substance_of_reaction(resource: JsonObject) -> str | None:
    return joined(whole_concept(one.get("substance")) for one in objects(resource.get("reaction")))


def _severity(resource: JsonObject) -> str:
    told = {text(one.get("severity")) for one in objects(resource.get("reaction"))}
    return next((one for one in _WORST_FIRST if one in told), "unknown")


def _reaction(resource: JsonObject) -> str | None:
    told = [
        joined([concepts(one.get("manifestation")), text(one.get("description"))])
        for one in objects(resource.get("reaction"))
    ]
    criticality = text(resource.get("criticality"))
    doubt = codes(resource.get("verificationStatus")) & {"unconfirmed", "presumed", "provisional"}
    extra = [criticality and f"criticality: {criticality}", *sorted(doubt), notes(resource)]
    return joined([*told, *extra])


def flag(entry: Entry, _: Bundle) -> list[Sketch]:
    """Return a Flag: about food as a diet, about an allergy as an allergy, else as a risk.

    A food-allergy flag becomes both, so that the kitchen meets it wherever it looks.
    """
    resource = entry.resource
    words = whole_concept(resource.get("code")) or NOT_STATED
    dates = (resource.get("period"),)
    made: list[Sketch] = []
    if _ALLERGY.search(words):
        made.append(Sketch("allergy", _flagged_allergy(resource, words), dates))
    if _FOOD & codes(resource.get("category")):
        made.append(Sketch("diet", {"requirements": with_status(words, resource, ("active",), LONG)}, dates))
    return made or [Sketch("risk_assessment", _flagged_risk(resource, words), dates)]


def _flagged_allergy(resource: JsonObject, words: str) -> JsonObject:
    in_force = status(resource) == "active"
    over = "refuted" if is_entered_in_error(resource) else "resolved"
    substance = short(first([concept(resource.get("code")), words]))
    return present(
        substance=substance,
        reaction=paragraph(words) if words != substance else None,
        severity="severe" if _SEVERE.search(words) else "unknown",
        status="active" if in_force else over,
    )


def _flagged_risk(resource: JsonObject, words: str) -> JsonObject:
    # Somebody thought a warning necessary: until it is assessed here it counts as high
    return {
        "kind": with_status(concepts(resource.get("category")) or "Flag", resource, ("active",)),
        "level": "high",
        "mitigation": long(words),
    }
