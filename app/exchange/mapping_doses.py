"""MedicationAdministration and Immunization: what was given, and to which medication it belongs."""

import re
from dataclasses import replace
from typing import Any

from app.exchange.bundle import Entry, JsonObject
from app.exchange.dates import begins, is_whole
from app.exchange.dosage import dose, instructions, route
from app.exchange.drafts import NotImportableError, Sketch
from app.exchange.elements import (
    an_object,
    concept,
    concepts,
    first,
    fit,
    is_entered_in_error,
    joined,
    notes,
    number,
    objects,
    quantity,
    status,
    text,
    whole_concept,
)
from app.exchange.mapping_medicines import dosages_of, medication
from app.exchange.products import medicine
from app.exchange.reading import Reading, truth
from app.exchange.wording import long, paragraph, present, short
from app.residents.texts import PARAGRAPH

_ONLY_GIVEN = "Known only because it was given once; no prescription came with it."
_REFUSED = re.compile(r"refus|declin|object(ion|ed|s)|\bpatobj\b", re.IGNORECASE)
_NO_REFUSAL = re.compile(r"\b(no|not|never|without) (\w+ ){0,2}(refus|declin|object)\w*", re.IGNORECASE)
_NOT_THERE = re.compile(r"stock|unavailab|not available|supply", re.IGNORECASE)
_GIVEN = {"completed", "in-progress", "stopped"}
_NOT_GIVEN = {"not-done", "on-hold"}
_NOT_GIVEN_WORDS = {"not-done": "NOT GIVEN", "entered-in-error": "Entered in error"}


def administration(reading: Reading) -> list[Sketch]:
    """Return a MedicationAdministration, linked to the medication it belongs to.

    That is the record of the request it names; else of the one prescription of the resident
    for the same product; else a medication, stopped, made from the administration itself.

    Raises:
        NotImportableError: It does not say when it was or whether the medicine was given.
    """
    resource = reading.resource
    outcome = _outcome(resource)
    dosages = dosages_of(reading, "dosage")
    name, product = medicine(reading)
    prescribed = _prescribed_by(reading, product)
    elsewhere = _prescribed_elsewhere(reading)
    when = _times(resource.get("effectiveDateTime"), resource.get("effectivePeriod"))
    made: list[Sketch] = []
    if prescribed is None:
        extra: list[str | None] = [_ONLY_GIVEN, instructions(dosages)]
        made = [medication(reading, dosages, extra, when, {"status": "stopped"})]
    key = _key(prescribed) if prescribed else made[0].key_of(reading.entry)
    told = [_given_as(name, prescribed, elsewhere, reading), _administered(resource, dosages)]
    given = _given(outcome, joined(told), when, key).read_with(product)
    return [replace(one, prescription=elsewhere) for one in (*made, given)]


def _times(*dates: Any) -> tuple[Any, ...]:
    """Return the dates with a time of day: without it nobody can tell when the next dose may be given."""
    return tuple(one for one in dates if "T" in (text(begins(one)) or ""))


def _given_as(
    name: str | None, prescribed: Entry | None, elsewhere: str | None, reading: Reading
) -> str | None:
    """Return what was given, where the record it belongs to may call it otherwise."""
    if name is None or not (prescribed or elsewhere):
        return None
    if prescribed and elsewhere is None:
        of_request = medicine(replace(reading, entry=prescribed, remarks=[]))[0] or ""
        if name.casefold().split() == of_request.casefold().split():
            return None
        reading.remark("It is called otherwise than in the prescription it belongs to: compare the two.")
    return f"given as: {short(name)}"


def _given(outcome: str, note: str | None, when: tuple[Any, ...], key: str) -> Sketch:
    body = present(outcome=outcome, note=fit(note, PARAGRAPH) if note else None)
    return Sketch("medication_administration", body, when, medication=key)


def _administered(resource: JsonObject, dosages: list[JsonObject]) -> str | None:
    code = status(resource)
    reason = concepts(resource.get("statusReason"))
    unusual = [reason, f"status: {fit(code, 40)}" if code != "completed" else None]
    if code == "not-done" and (reason or "").replace(" ", "_") == _outcome(resource):
        unusual = []  # the outcome is this word
    told = [dose(dosages), route(dosages), instructions(dosages), *unusual]
    return joined([*told, notes(resource)])


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


def _prescribed_by(reading: Reading, product: Entry | None) -> Entry | None:
    named = reading.bundle.resolve(reading.resource.get("request"), reading.entry)
    if named and reading.bundle.belonging(named) is not reading.owner:
        reading.remark("The prescription it names is not this resident's: ask whose dose it was.")
        return None
    if named and is_entered_in_error(named.resource):
        reading.remark("The prescription it names was entered in error.")
    elif named and named.type == "MedicationRequest":
        return named
    same = reading.bundle.prescriptions(product, reading.owner) if product else _statements(reading)
    return same[0] if len(same) == 1 else None


def _statements(reading: Reading) -> list[Entry]:
    """Return the statements of the resident that it rests on; what it names as `request` is another thing."""
    listed = objects(reading.resource.get("supportingInformation"))
    found = [reading.bundle.resolve(one, reading.entry) for one in listed]
    return [
        one
        for one in found
        if one
        and one.type == "MedicationStatement"
        and reading.bundle.belonging(one) is reading.owner
        and not is_entered_in_error(one.resource)
    ]


def _prescribed_elsewhere(reading: Reading) -> str | None:
    """Return the key of the record that an earlier run may have made of the request it names."""
    named = reading.resource.get("request")
    if reading.bundle.resolve(named, reading.entry) or not text(an_object(named).get("reference")):
        return None
    address = reading.bundle.named_elsewhere(named, reading.entry)
    if address is None:
        reading.remark("The prescription it names is no entry of the bundle.")
    return f"{address}#medication" if address else None


def _key(prescription: Entry) -> str:
    return f"{prescription.address}#medication"


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
        _subpotent(resource),
        *(_in_series(one) for one in objects(resource.get("protocolApplied"))),
        None if is_whole(when) else text(when),
        text(resource.get("occurrenceString")),
        *(_reaction(one, reading) for one in objects(resource.get("reaction"))),
        notes(resource),
    ]
    body = {
        "name": short(whole_concept(resource.get("vaccineCode"))),
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


def _subpotent(resource: JsonObject) -> str | None:
    is_weak = truth(resource, "isSubpotent")
    return joined(["SUBPOTENT DOSE", concepts(resource.get("subpotentReason"))], ": ") if is_weak else None


def _in_series(protocol: JsonObject) -> str | None:
    place, of = (
        first([number(protocol.get(f"{name}PositiveInt")), text(protocol.get(f"{name}String"))])
        for name in ("doseNumber", "seriesDoses")
    )
    against = concepts(protocol.get("targetDisease"))
    told = [
        text(protocol.get("series")),
        joined([f"dose {place or 'not numbered'}", of], " of ") if place or of else None,
        against and f"against {against}",
    ]
    return joined(told, ", ")


def _reaction(one: JsonObject, reading: Reading) -> str:
    what = reading.called(one.get("detail")) or "not described"
    return f"REACTION: {joined([what, text(one.get('date'))], ', ')}"
