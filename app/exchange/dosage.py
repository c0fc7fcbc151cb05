"""FHIR's Dosage in the words a nurse reads: how much, which way, how often, and no more than what.

Several dosages are steps. Each keeps its own dose and time together, and no step is left out
because it resembles another. Only where every step has its number do they follow each other
(`then`); all others are to be read side by side (`and`).
"""

from collections.abc import Callable
from typing import Any

from app.exchange.elements import (
    JsonObject,
    an_object,
    between,
    concept,
    concepts,
    first,
    joined,
    number,
    objects,
    quantity,
    ratio,
    span,
    text,
    words_of,
)

AND, THEN = "; and ", "; then "
_UNITS = {"s": "second", "min": "minute", "h": "hour", "d": "day", "wk": "week", "mo": "month", "a": "year"}
_TIMES = {"1": "once", "2": "twice"}


def dose(dosages: list[JsonObject]) -> str | None:
    """Return how much: of several steps each with its time, `200 mg, once a day; then 100 mg, once a day`."""
    return _stepwise(dosages, _dose if len(dosages) == 1 else _dose_in_time)


def _dose_in_time(dosage: JsonObject) -> str | None:
    when = _when(dosage)
    return joined([_dose(dosage) or (when and "dose not stated"), when], ", ")


def _dose(dosage: JsonObject) -> str | None:
    rates = objects(dosage.get("doseAndRate"))
    amounts = [_amount(one, is_one_of_several=len(rates) > 1) for one in rates]
    # An administration has one dose and one rate, without the list around them
    own = joined([quantity(dosage.get("dose")), _rate(dosage)], ", ")
    told = joined([*amounts, own]) or text(dosage.get("text"))
    return joined([told, *_limits(dosage)], ", ")


def _amount(one: JsonObject, *, is_one_of_several: bool) -> str | None:
    much = first([quantity(one.get("doseQuantity")), span(one.get("doseRange"))])
    kind = concept(one.get("type")) if is_one_of_several else None  # ordered, or only calculated
    return joined([kind, much, _rate(one)], ", ")


def _rate(one: JsonObject) -> str | None:
    at = [quantity(one.get("rateQuantity")), span(one.get("rateRange")), ratio(one.get("rateRatio"), " per ")]
    rate = first(at)
    return f"at {rate}" if rate else None


def _limits(dosage: JsonObject) -> list[str | None]:
    in_period = ratio(dosage.get("maxDosePerPeriod"), " in ")
    at_once = quantity(dosage.get("maxDosePerAdministration"))
    in_life = quantity(dosage.get("maxDosePerLifetime"))
    return [
        in_period and f"at most {in_period}",
        at_once and f"at most {at_once} at a time",
        in_life and f"at most {in_life} in a lifetime",
    ]


def route(dosages: list[JsonObject]) -> str | None:
    """Return the way the medicine is taken, of every step unless all have the same."""
    return _same_or_stepwise(dosages, lambda one: concept(one.get("route")))


def frequency(dosages: list[JsonObject]) -> str | None:
    """Return how often, for all steps: `3 times a day`, `once every 12 hours, as needed`."""
    return _stepwise(dosages, _when)


def _when(dosage: JsonObject) -> str | None:
    return joined([timing(dosage.get("timing")), as_needed(dosage)], ", ")


def as_needed(dosage: JsonObject) -> str | None:
    """Return `as needed` and for what, if the medicine is taken only then."""
    reason = concept(dosage.get("asNeededCodeableConcept"))
    if reason:
        return f"as needed for {reason}"
    return "as needed" if dosage.get("asNeededBoolean") is True else None


def instructions(dosages: list[JsonObject]) -> str | None:
    """Return everything said in free words about taking it."""
    return _same_or_stepwise(
        dosages,
        lambda one: joined(
            [
                _more_than_told(one),
                concepts(one.get("additionalInstruction")),
                text(one.get("patientInstruction")),
                concept(one.get("site")),
                concept(one.get("method")),
            ]
        ),
    )


def _more_than_told(dosage: JsonObject) -> str | None:
    """Return the text of a dosage, unless it is word for word what the rest of it says."""
    words = text(dosage.get("text"))
    told = joined([_dose(dosage), concept(dosage.get("route")), _when(dosage)], ", ")
    return None if dosage.get("doseAndRate") and words == told else words


def _same_or_stepwise(dosages: list[JsonObject], told: Callable[[JsonObject], str | None]) -> str | None:
    one, *others = {told(dosage) for dosage in dosages} or {None}
    return _stepwise(dosages, told) if others else one


def _stepwise(dosages: list[JsonObject], told: Callable[[JsonObject], str | None]) -> str | None:
    steps = _in_order(dosages)
    words = [told(step) for step in steps]
    if not any(words):
        return None
    written = words[0] or "not stated"
    for earlier, step, said in zip(steps, steps[1:], words[1:], strict=False):
        between_them = AND if _place(earlier) == _place(step) or not are_numbered(dosages) else THEN
        written += between_them + (said or "not stated")
    return written


def _in_order(dosages: list[JsonObject]) -> list[JsonObject]:
    return sorted(dosages, key=lambda one: _place(one) or 0) if are_numbered(dosages) else dosages


def are_numbered(dosages: list[JsonObject]) -> bool:
    """Say whether every step has the number of its place."""
    return all(_place(one) is not None for one in dosages)


def _place(dosage: JsonObject) -> int | None:
    place = dosage.get("sequence")
    return place if isinstance(place, int) and not isinstance(place, bool) else None


def timing(value: Any) -> str | None:
    """Return a Timing in words."""
    one = an_object(value)
    repeat = an_object(one.get("repeat"))
    moments = [
        _listed("at", repeat.get("timeOfDay")),
        _listed("on", repeat.get("dayOfWeek")),
        _offset(repeat),
        _listed("at", one.get("event")),
    ]
    bounds = first([quantity(repeat.get("boundsDuration")), span(repeat.get("boundsRange"))])
    lasting, total = _range(repeat, "duration"), _range(repeat, "count")
    said = [
        concept(one.get("code")),
        _rhythm(repeat),
        *moments,
        lasting and f"over {_in_units(lasting, text(repeat.get('durationUnit')))} each",
        bounds and f"for {bounds}",
        span(repeat.get("boundsPeriod")),
        total and f"{_TIMES.get(total, f'{total} times')} in all",
    ]
    return joined(said, ", ")


def _rhythm(repeat: JsonObject) -> str | None:
    often, period = _range(repeat, "frequency"), _range(repeat, "period")
    unit = text(repeat.get("periodUnit")) or ""
    if not often and not period:
        return None
    times = _TIMES.get(often or "1", f"{often} times")
    if not period:
        return f"{times} in a time not stated"
    if period == "1" and unit in _UNITS:
        return f"{times} a {_UNITS[unit]}"
    return f"{times} every {_in_units(period, unit)}"


def _in_units(amount: str, unit: str | None) -> str:
    if unit in _UNITS:
        return f"{amount} {_UNITS[unit]}{'' if amount == '1' else 's'}"
    return f"{amount} {unit or '(unit not stated)'}"


def _range(repeat: JsonObject, name: str) -> str | None:
    low, high = number(repeat.get(name)), number(repeat.get(f"{name}Max"))
    return between(low, high) if high else low


def _offset(repeat: JsonObject) -> str | None:
    when, minutes = _listed("when", repeat.get("when")), number(repeat.get("offset"))
    return joined([when, minutes and f"{minutes} minutes off"], ", ")


def _listed(word: str, values: Any) -> str | None:
    found = words_of(values)
    return f"{word} {', '.join(found)}" if found else None
