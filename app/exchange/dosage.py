"""FHIR's Dosage in the words a nurse reads: how much, which way, how often."""

from typing import Any

from app.exchange.elements import (
    JsonObject,
    an_object,
    concept,
    concepts,
    first,
    joined,
    number,
    objects,
    quantity,
    span,
    text,
    words_of,
)

THEN = "; then "
_UNITS = {"s": "second", "min": "minute", "h": "hour", "d": "day", "wk": "week", "mo": "month", "a": "year"}
_TIMES = {"1": "once", "2": "twice"}


def dose(dosages: list[JsonObject]) -> str | None:
    """Return the doses of all steps: `200 milligram; then 100 milligram`."""
    return joined((_dose(one) for one in dosages), THEN)


def _dose(dosage: JsonObject) -> str | None:
    steps = objects(dosage.get("doseAndRate"))
    amounts = [first([quantity(step.get("doseQuantity")), span(step.get("doseRange"))]) for step in steps]
    return joined([*amounts, quantity(dosage.get("dose"))]) or text(dosage.get("text"))


def route(dosages: list[JsonObject]) -> str | None:
    """Return the ways the medicine is taken."""
    return joined(concept(one.get("route")) for one in dosages)


def frequency(dosages: list[JsonObject]) -> str | None:
    """Return how often, for all steps: `3 times a day`, `once every 12 hours, as needed`."""
    return joined((joined([timing(one.get("timing")), as_needed(one)], ", ") for one in dosages), THEN)


def as_needed(dosage: JsonObject) -> str | None:
    """Return `as needed` and for what, if the medicine is taken only then."""
    reason = concept(dosage.get("asNeededCodeableConcept"))
    if reason:
        return f"as needed for {reason}"
    return "as needed" if dosage.get("asNeededBoolean") is True else None


def instructions(dosages: list[JsonObject]) -> str | None:
    """Return everything said in free words about taking it."""
    return joined(
        part
        for one in dosages
        for part in (
            text(one.get("text")),
            concepts(one.get("additionalInstruction")),
            text(one.get("patientInstruction")),
            concept(one.get("site")),
        )
    )


def timing(value: Any) -> str | None:
    """Return a Timing in words."""
    one = an_object(value)
    repeat = an_object(one.get("repeat"))
    moments = [
        _listed("at", repeat.get("timeOfDay")),
        _listed("on", repeat.get("dayOfWeek")),
        _listed("when", repeat.get("when")),
        _listed("at", one.get("event")),
    ]
    bounds = first([quantity(repeat.get("boundsDuration")), span(repeat.get("boundsRange"))])
    until = span(repeat.get("boundsPeriod"))
    said = [concept(one.get("code")), _rhythm(repeat), *moments, bounds and f"for {bounds}", until]
    return joined(said, ", ")


def _rhythm(repeat: JsonObject) -> str | None:
    unit = repeat.get("periodUnit")
    period = number(repeat.get("period"))
    if not isinstance(unit, str) or unit not in _UNITS or period is None:
        return None
    often = _up_to(number(repeat.get("frequency")) or "1", number(repeat.get("frequencyMax")))
    times = _TIMES.get(often, f"{often} times")
    long = _up_to(period, number(repeat.get("periodMax")))
    return f"{times} a {_UNITS[unit]}" if long == "1" else f"{times} every {long} {_UNITS[unit]}s"


def _up_to(low: str, high: str | None) -> str:
    return f"{low} to {high}" if high and high != low else low


def _listed(word: str, values: Any) -> str | None:
    found = words_of(values)
    return f"{word} {', '.join(found)}" if found else None
