"""MedicationRequest and MedicationStatement: what is, or was, to be taken.

A Medication resource is a product, not a prescription: it has no record of its own but is
read, and kept, with each record that names it. What the source does not clearly say is
being taken is never `active`.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from app.exchange.bundle import JsonObject
from app.exchange.dates import day, outside
from app.exchange.dosage import dose, frequency, instructions, route
from app.exchange.dosage_unread import objections
from app.exchange.drafts import Sketch
from app.exchange.elements import (
    an_object,
    concepts,
    joined,
    notes,
    objects,
    status,
    text,
)
from app.exchange.products import medicine
from app.exchange.reading import Reading, truth
from app.exchange.wording import long, no_order, paragraph, present, short

_STOPPED = {"completed", "stopped", "cancelled", "not-taken", "entered-in-error"}
_REPORTED = {
    "active": "Reported as taken",
    "completed": "Reported as taken, and completed",
    "entered-in-error": "Reported in error",
    "intended": "Reported as intended, not as taken",
    "not-taken": "Reported as NOT taken",
    "on-hold": "Reported as taken, and put on hold",
    "stopped": "Reported as taken, and stopped",
}


def request(reading: Reading) -> list[Sketch]:
    """Return a MedicationRequest. Only an order that is active is active; a proposal is on hold."""
    resource = reading.resource
    dosages = dosages_of(reading, "dosageInstruction")
    forbidden = "DO NOT GIVE" if truth(resource, "doNotPerform") else None
    proposal = no_order(resource)
    told = [instructions(dosages), _reason(resource), _why(resource), notes(resource)]
    authored = resource.get("authoredOn")
    written = {
        "status": "stopped" if forbidden else _state(resource, is_order=proposal is None),
        "started_on": day(authored),
    }
    over = _over(dosages, reading.today)
    if over and written["status"] == "active":
        _ask_prescriber(reading, over)
    return [medication(reading, dosages, [forbidden, proposal, *told], (authored,), written)]


def _over(dosages: list[JsonObject], today: date) -> str | None:
    """Return in words why none of the dosages holds today; nothing where one does."""
    repeats = [an_object(an_object(one.get("timing")).get("repeat")) for one in dosages]
    over = [outside(one.get("boundsPeriod"), today) for one in repeats]
    return joined(over, ", ") if all(over) else None


def _ask_prescriber(reading: Reading, over: str) -> None:
    told = f"its time is over or has not come ({over})"
    reading.remark(f"The source calls it active, but {told}: ask the prescriber.")


def statement(reading: Reading) -> list[Sketch]:
    """Return a MedicationStatement: what is, or was, taken by somebody's word."""
    resource = reading.resource
    dosages = dosages_of(reading, "dosage")
    period = resource.get("effectivePeriod")
    over = outside(period, reading.today)
    start, end = (an_object(period).get(name) for name in ("start", "end"))
    extra = [
        _REPORTED.get(status(resource), "Reported; whether it is taken is not stated"),
        over if not day(end) else None,
        _vague("from", start),
        _vague("until", end) if not outside({"end": end}, reading.today) else None,
        instructions(dosages),
        _reason(resource),
        _why(resource),
        notes(resource),
    ]
    state = _state(resource, is_order=True)
    written = {"status": state, "started_on": day(start), "ended_on": day(end)}
    if over and state == "active":
        _ask_prescriber(reading, over)
    dates = (resource.get("effectiveDateTime"), period, resource.get("dateAsserted"))
    return [medication(reading, dosages, extra, dates, written)]


def _vague(word: str, bound: Any) -> str | None:
    # A record has room for whole days: what is less stands in words
    return f"{word} {text(bound)}" if text(bound) and not day(bound) else None


def dosages_of(reading: Reading, name: str) -> list[JsonObject]:
    """Return the Dosages of a resource; what of them is not read is remarked on."""
    for sentence in objections(reading.resource.get(name)):
        reading.remark(sentence)
    return objects(reading.resource.get(name))


def _reason(resource: JsonObject) -> str | None:
    reasons = concepts(resource.get("reasonCode"))
    return f"reason: {reasons}" if reasons else None


def _why(resource: JsonObject) -> str | None:
    reason = concepts(resource.get("statusReason"))
    return f"{status(resource) or 'status'}: {reason}" if reason else None


def _state(resource: JsonObject, *, is_order: bool) -> str:
    code = status(resource)
    if code in _STOPPED:
        return "stopped"
    return "active" if code == "active" and is_order else "on_hold"


def medication(
    reading: Reading,
    dosages: list[JsonObject],
    extra: list[str | None],
    dates: tuple[Any, ...],
    written: Mapping[str, str | None],
) -> Sketch:
    """Return the sketch of a medication: the medicine, its dosages, and what else is said of it."""
    name, product = medicine(reading)
    body = present(
        name=short(name),
        dose=paragraph(dose(dosages)),
        route=short(route(dosages)),
        frequency=paragraph(frequency(dosages)),
        instructions=long(told) if (told := joined(extra)) else None,
        **written,
    )
    return Sketch("medication", body, dates, parts=(product,) if product else ())
