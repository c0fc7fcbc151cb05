"""What of a Dosage no words could be made of: named in the report, for a dose half told is no dose."""

from collections.abc import Callable, Iterator
from typing import Any

from app.exchange.dosage import are_numbered
from app.exchange.elements import (
    JsonObject,
    an_object,
    concept,
    concepts,
    number,
    objects,
    quantity,
    ratio,
    text,
    words_of,
)

Readers = dict[str, Callable[[Any], object]]


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def _bounds(value: Any) -> bool:
    """Say whether every bound that is there was read: what is left of the others looks whole."""
    one = an_object(value)
    bounds = [one[name] for name in ("low", "high", "start", "end") if one.get(name) is not None]
    return bool(bounds) and all(quantity(bound) or text(bound) for bound in bounds)


_RATES: Readers = {"rateQuantity": quantity, "rateRange": _bounds, "rateRatio": ratio}
_DOSAGE: Readers = _RATES | {
    "id": text,
    "sequence": number,
    "text": text,
    "additionalInstruction": concepts,
    "patientInstruction": text,
    "timing": an_object,
    "asNeededBoolean": _is_truth,
    "asNeededCodeableConcept": concept,
    "site": concept,
    "route": concept,
    "method": concept,
    "dose": quantity,
    "doseAndRate": objects,
    "maxDosePerPeriod": ratio,
    "maxDosePerAdministration": quantity,
    "maxDosePerLifetime": quantity,
}
_DOSE: Readers = _RATES | {"id": text, "type": concept, "doseQuantity": quantity, "doseRange": _bounds}
_TIMING: Readers = {"id": text, "code": concept, "event": words_of, "repeat": an_object}
_REPEAT: Readers = {
    "id": text,
    "boundsDuration": quantity,
    "boundsRange": _bounds,
    "boundsPeriod": _bounds,
    "count": number,
    "countMax": number,
    "duration": number,
    "durationMax": number,
    "durationUnit": text,
    "frequency": number,
    "frequencyMax": number,
    "period": number,
    "periodMax": number,
    "periodUnit": text,
    "dayOfWeek": words_of,
    "timeOfDay": words_of,
    "when": words_of,
    "offset": number,
}


def objections(value: Any) -> Iterator[str]:
    """Return what to remark of the dosages of a resource."""
    dosages = objects(value)
    unread = sorted({name for one in dosages for name in _unread_in(one)})
    if unread:
        yield f"Of its dosage this could not be read: {', '.join(unread)}. See the original."
    if value is not None and len(dosages) < (len(value) if isinstance(value, list) else 1):
        yield "Its dosage is not written as FHIR says, and could not be read. See the original."
    if any("sequence" in one for one in dosages) and not are_numbered(dosages):
        yield "Not every step of its dosage has its number: in which order they follow is not told."


def _unread_in(dosage: JsonObject) -> Iterator[str]:
    timing = an_object(dosage.get("timing"))
    yield from _unread(dosage, _DOSAGE)
    yield from _unread(timing, _TIMING)
    yield from _unread(an_object(timing.get("repeat")), _REPEAT)
    for one in objects(dosage.get("doseAndRate")):
        yield from _unread(one, _DOSE)


def _unread(part: JsonObject, readers: Readers) -> Iterator[str]:
    for name, value in part.items():
        read = readers.get(name)
        if read is None or not read(value):
            yield name
