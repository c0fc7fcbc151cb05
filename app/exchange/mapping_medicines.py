"""MedicationRequest, -Statement, -Administration and Immunization.

A Medication resource is a product, not a prescription: it has no record of its own but is
read, and kept, with each record that names it. What the source does not clearly say is
being taken is never `active`.
"""

import re
from collections.abc import Mapping
from typing import Any

from app.exchange.bundle import JsonObject
from app.exchange.dates import day, is_whole, outside
from app.exchange.dosage import dose, frequency, instructions, route
from app.exchange.dosage_unread import objections
from app.exchange.drafts import NotImportableError, Sketch
from app.exchange.elements import (
    an_object,
    concept,
    concepts,
    fit,
    is_entered_in_error,
    joined,
    notes,
    objects,
    quantity,
    status,
    text,
)
from app.exchange.products import medicine
from app.exchange.reading import Reading, truth
from app.exchange.wording import long, paragraph, present, short
from app.residents.texts import PARAGRAPH

_ORDERS = {"order", "original-order", "reflex-order", "filler-order", "instance-order"}
_STOPPED = {"completed", "stopped", "cancelled", "not-taken", "entered-in-error"}
_ONLY_GIVEN = "Known only because it was given once; no prescription came with it."
_OVER = "The source calls it active although its period is over: ask the prescriber."
_REFUSED = re.compile(r"refus|declin|object(ion|ed|s)|\bpatobj\b", re.IGNORECASE)
_NO_REFUSAL = re.compile(r"\b(no|not|never|without) (\w+ ){0,2}(refus|declin|object)\w*", re.IGNORECASE)
_NOT_THERE = re.compile(r"stock|unavailab|not available|supply", re.IGNORECASE)
_GIVEN = {"completed", "in-progress", "stopped"}
_NOT_GIVEN = {"not-done", "on-hold"}
_NOT_GIVEN_WORDS = {"not-done": "NOT GIVEN", "entered-in-error": "Entered in error"}
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
    dosages = _dosages(reading, "dosageInstruction")
    forbidden = "DO NOT GIVE" if truth(resource, "doNotPerform") else None
    intent = resource.get("intent")
    is_order = intent is None or text(intent) in _ORDERS
    proposal = None if is_order else f"intent: {text(intent) or 'cannot be read'}"
    extra = [forbidden, proposal, instructions(dosages), _why(resource), notes(resource)]
    authored = resource.get("authoredOn")
    written = {
        "status": "stopped" if forbidden else _state(resource, is_order=is_order),
        "started_on": day(authored),
    }
    if written["status"] == "active" and _are_over(dosages, reading):
        reading.remark(_OVER)
    return [_medication(reading, dosages, extra, (authored,), written)]


def _are_over(dosages: list[JsonObject], reading: Reading) -> bool:
    repeats = [an_object(an_object(one.get("timing")).get("repeat")) for one in dosages]
    return bool(repeats) and all(outside(one.get("boundsPeriod"), reading.today) for one in repeats)


def statement(reading: Reading) -> list[Sketch]:
    """Return a MedicationStatement: what is, or was, taken by somebody's word."""
    resource = reading.resource
    dosages = _dosages(reading, "dosage")
    period = resource.get("effectivePeriod")
    over = outside(period, reading.today)
    ends = day(an_object(period).get("end"))
    reasons = concepts(resource.get("reasonCode"))
    extra = [
        _REPORTED.get(status(resource), "Reported; whether it is taken is not stated"),
        over if not ends else None,
        instructions(dosages),
        reasons and f"reason: {reasons}",
        _why(resource),
        notes(resource),
    ]
    written = {
        "status": _state(resource, is_order=True),
        "started_on": day(an_object(period).get("start")),
        "ended_on": ends,
    }
    if over and written["status"] == "active":
        reading.remark(_OVER)
    dates = (resource.get("effectiveDateTime"), period, resource.get("dateAsserted"))
    return [_medication(reading, dosages, extra, dates, written)]


def _dosages(reading: Reading, name: str) -> list[JsonObject]:
    for sentence in objections(reading.resource.get(name)):
        reading.remark(sentence)
    return objects(reading.resource.get(name))


def _why(resource: JsonObject) -> str | None:
    reason = concepts(resource.get("statusReason"))
    return f"{status(resource) or 'status'}: {reason}" if reason else None


def _state(resource: JsonObject, *, is_order: bool) -> str:
    code = status(resource)
    if code in _STOPPED:
        return "stopped"
    return "active" if code == "active" and is_order else "on_hold"


def _medication(
    reading: Reading,
    dosages: list[JsonObject],
    extra: list[str | None],
    dates: tuple[Any, ...],
    written: Mapping[str, str | None],
) -> Sketch:
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


def administration(reading: Reading) -> list[Sketch]:
    """Return a MedicationAdministration, linked to the medication it belongs to.

    That is the record of the request it names; else of the one prescription of the resident
    for the same product; else a medication, stopped, made from the administration itself.

    Raises:
        NotImportableError: It does not say when it was or whether the medicine was given.
    """
    resource = reading.resource
    outcome = _outcome(resource)
    dosages = _dosages(reading, "dosage")
    key = _prescribed_by(reading)
    when = (resource.get("effectiveDateTime"), resource.get("effectivePeriod"))
    made: list[Sketch] = []
    if key is None:
        extra: list[str | None] = [_ONLY_GIVEN, instructions(dosages)]
        made = [_medication(reading, dosages, extra, when, {"status": "stopped"})]
        key = made[0].key_of(reading.entry)
    product = medicine(reading)[1]
    given = _given(outcome, _administered(resource, dosages), when, key)
    return [*made, given.read_with(product)]


def _given(outcome: str, note: str | None, when: tuple[Any, ...], key: str) -> Sketch:
    body = present(outcome=outcome, note=fit(note, PARAGRAPH) if note else None)
    return Sketch("medication_administration", body, when, medication=key)


def _administered(resource: JsonObject, dosages: list[JsonObject]) -> str | None:
    code = status(resource)
    unusual = f"status: {fit(code, 40)}" if code != "completed" else None
    told = [dose(dosages), route(dosages), instructions(dosages), concepts(resource.get("statusReason"))]
    return joined([*told, unusual, notes(resource)])


def _outcome(resource: JsonObject) -> str:
    code = status(resource)
    if code in _GIVEN or is_entered_in_error(resource):
        return "given"
    if code not in _NOT_GIVEN:
        raise NotImportableError("no-outcome", "It does not say whether the medicine was given.")
    reason = concepts(resource.get("statusReason")) or ""
    if _REFUSED.search(_NO_REFUSAL.sub("", reason)):
        return "refused"
    return "not_available" if _NOT_THERE.search(reason) else "withheld"


def _prescribed_by(reading: Reading) -> str | None:
    named = reading.bundle.resolve(reading.resource.get("request"), reading.entry)
    if named and reading.bundle.belonging(named) is not reading.owner:
        reading.remark("The prescription it names is not this resident's: ask whose dose it was.")
        return None
    if named and is_entered_in_error(named.resource):
        reading.remark("The prescription it names was entered in error.")
    elif named and named.type == "MedicationRequest":
        return f"{named.key}#medication"
    product = medicine(reading)[1]
    same = reading.bundle.prescriptions(product, reading.owner) if product else []
    return f"{same[0].key}#medication" if len(same) == 1 else None


def immunization(reading: Reading) -> list[Sketch]:
    """Return an Immunization: the vaccine as a stopped medication, and that it was given, or not.

    Both are read only by roles that read medication. Without a whole date there is no
    administration, only the medication with what the source says about the time.
    """
    resource = reading.resource
    when = resource.get("occurrenceDateTime")
    told = [
        "Vaccine",
        _not_given(resource),
        None if is_whole(when) else text(when),
        text(resource.get("occurrenceString")),
        notes(resource),
    ]
    body = {
        "name": short(concept(resource.get("vaccineCode"))),
        "dose": paragraph(quantity(resource.get("doseQuantity"))),
        "route": short(concept(resource.get("route"))),
        "frequency": paragraph(None),
        "instructions": long(joined(told)),
        "status": "stopped",
    }
    made = [Sketch("medication", body, (when,))]
    if not is_whole(when):
        return made
    note = joined([reading.called(resource.get("location")), concepts(resource.get("statusReason"))])
    return [*made, _given(_outcome(resource), note, (when,), made[0].key_of(reading.entry))]


def _not_given(resource: JsonObject) -> str | None:
    code, reason = status(resource), concepts(resource.get("statusReason"))
    given = None if code == "completed" else _NOT_GIVEN_WORDS.get(code, "Whether it was given is not stated")
    return joined([given, reason], ": ")
