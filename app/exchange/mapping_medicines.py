"""MedicationRequest, -Statement, -Administration and Immunization.

A Medication resource is a product, not a prescription: it has no record of its own but is
read, and kept, with each record that names it. What the source does not clearly say is
being taken is never `active`.
"""

import re
from typing import Any

from app.exchange.bundle import Entry, JsonObject
from app.exchange.dosage import dose, frequency, instructions, route
from app.exchange.drafts import NotImportableError, Sketch
from app.exchange.elements import (
    an_object,
    concept,
    concepts,
    day,
    first,
    fit,
    is_entered_in_error,
    joined,
    notes,
    objects,
    quantity,
    status,
    text,
)
from app.exchange.references import Bundle
from app.exchange.wording import long, paragraph, present, short
from app.residents.texts import PARAGRAPH

_ORDERS = {"order", "original-order", "reflex-order", "filler-order", "instance-order", ""}
_STOPPED = {"completed", "stopped", "cancelled", "not-taken", "entered-in-error"}
_ONLY_GIVEN = "Known only because it was given once; no prescription came with it."
_REFUSED = re.compile(r"refus|declin|object", re.IGNORECASE)
_NOT_THERE = re.compile(r"stock|unavailab|not available|supply", re.IGNORECASE)
_GIVEN = {"completed", "in-progress", "stopped"}
_NOT_GIVEN = {"not-done", "on-hold"}


def request(entry: Entry, bundle: Bundle) -> list[Sketch]:
    """Return a MedicationRequest. Only an order that is active is active; a proposal is on hold."""
    resource = entry.resource
    dosages = objects(resource.get("dosageInstruction"))
    forbidden = "DO NOT GIVE" if resource.get("doNotPerform") is True else None
    intent = text(resource.get("intent")) or ""
    proposal = f"intent: {intent}" if intent not in _ORDERS else None
    extra = [forbidden, proposal, instructions(dosages), notes(resource)]
    state = "stopped" if forbidden else _state(resource, is_order=proposal is None)
    dates = (resource.get("authoredOn"),)
    return [_medication(entry, bundle, dosages, extra, state, dates, day(resource.get("authoredOn")), None)]


def statement(entry: Entry, bundle: Bundle) -> list[Sketch]:
    """Return a MedicationStatement: what is, or was, taken by somebody's word."""
    resource = entry.resource
    dosages = objects(resource.get("dosage"))
    period = an_object(resource.get("effectivePeriod"))
    reasons = concepts(resource.get("reasonCode"))
    extra = ["Reported as taken", instructions(dosages), reasons and f"reason: {reasons}", notes(resource)]
    dates = (resource.get("effectiveDateTime"), period, resource.get("dateAsserted"))
    state = _state(resource, is_order=True)
    return [
        _medication(
            entry, bundle, dosages, extra, state, dates, day(period.get("start")), day(period.get("end"))
        )
    ]


def _state(resource: JsonObject, *, is_order: bool) -> str:
    code = status(resource)
    if code in _STOPPED:
        return "stopped"
    return "active" if code == "active" and is_order else "on_hold"


def _medication(
    entry: Entry,
    bundle: Bundle,
    dosages: list[JsonObject],
    extra: list[str | None],
    state: str,
    dates: tuple[Any, ...],
    started_on: str | None,
    ended_on: str | None,
) -> Sketch:
    name, product = _medicine(entry, bundle)
    body = present(
        name=short(name),
        dose=paragraph(dose(dosages)),
        route=short(route(dosages)),
        frequency=paragraph(frequency(dosages)),
        instructions=long(told) if (told := joined(extra)) else None,
        status=state,
        started_on=started_on,
        ended_on=ended_on,
    )
    return Sketch("medication", body, dates, parts=(product,) if product else ())


def _medicine(entry: Entry, bundle: Bundle) -> tuple[str | None, Entry | None]:
    reference = entry.resource.get("medicationReference")
    product = bundle.resolve(reference, entry)
    product = product if product and product.type == "Medication" else None
    inside = product.resource if product else bundle.contained(reference, entry) or {}
    named = joined([concept(inside.get("code")), concept(inside.get("form"))], ", ")
    written = concept(entry.resource.get("medicationCodeableConcept"))
    return first([written, named, text(an_object(reference).get("display"))]), product


def administration(entry: Entry, bundle: Bundle) -> list[Sketch]:
    """Return a MedicationAdministration, linked to the medication it belongs to.

    That is the record of the request it names; else of the one prescription of the resident
    for the same product; else a medication, stopped, made from the administration itself.

    Raises:
        NotImportableError: It does not say when it was or whether the medicine was given.
    """
    resource = entry.resource
    outcome = _outcome(resource)
    dosages = objects(resource.get("dosage"))
    key = _prescribed_by(entry, bundle)
    when = (resource.get("effectiveDateTime"), resource.get("effectivePeriod"))
    made: list[Sketch] = []
    if key is None:
        extra: list[str | None] = [_ONLY_GIVEN, instructions(dosages)]
        made = [_medication(entry, bundle, dosages, extra, "stopped", when, None, None)]
        key = made[0].key_of(entry)
    product = _medicine(entry, bundle)[1]
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
    if _REFUSED.search(reason):
        return "refused"
    return "not_available" if _NOT_THERE.search(reason) else "withheld"


def _prescribed_by(entry: Entry, bundle: Bundle) -> str | None:
    owner = bundle.belonging(entry)
    named = bundle.resolve(entry.resource.get("request"), entry)
    is_ours = named and named.type == "MedicationRequest" and bundle.belonging(named) is owner
    if named and is_ours and not is_entered_in_error(named.resource):
        return f"{named.key}#medication"
    product = _medicine(entry, bundle)[1]
    same = bundle.prescriptions(product, owner) if product and isinstance(owner, Entry) else []
    return f"{same[0].key}#medication" if len(same) == 1 else None


def immunization(entry: Entry, bundle: Bundle) -> list[Sketch]:
    """Return an Immunization: the vaccine as a stopped medication, and that it was given.

    Both are read only by roles that read medication. Without a date there is no
    administration, only the medication with what the source says about the time.
    """
    resource = entry.resource
    vaccine = concept(resource.get("vaccineCode"))
    told = joined(["Vaccine", text(resource.get("occurrenceString")), notes(resource)])
    body = {
        "name": short(vaccine),
        "dose": paragraph(quantity(resource.get("doseQuantity"))),
        "route": short(concept(resource.get("route"))),
        "frequency": paragraph(None),
        "instructions": long(told),
        "status": "stopped",
    }
    when = (resource.get("occurrenceDateTime"),)
    made = [Sketch("medication", body, when)]
    if day(resource.get("occurrenceDateTime")) is None:
        return made
    note = joined([bundle.called(resource.get("location"), entry), concepts(resource.get("statusReason"))])
    return [*made, _given(_outcome(resource), note, when, made[0].key_of(entry))]
