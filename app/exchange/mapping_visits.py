"""Encounter, Procedure and ServiceRequest: what professionals from outside did or were asked to do."""

from app.exchange.dosage import as_needed, timing
from app.exchange.drafts import Sketch
from app.exchange.elements import (
    an_object,
    concept,
    concepts,
    first,
    joined,
    notes,
    objects,
    quantity,
    ratio,
    span,
    status,
    text,
)
from app.exchange.reading import Reading, truth
from app.exchange.wording import no_order, short, with_status
from app.residents.texts import LONG


def encounter(reading: Reading) -> list[Sketch]:
    """Return an Encounter: which kind of contact, with whom, why and until when."""
    resource = reading.resource
    kind = text(an_object(resource.get("class")).get("display"))
    people = [reading.called(one.get("individual")) for one in objects(resource.get("participant"))]
    where = reading.called(resource.get("serviceProvider"))
    stay = an_object(resource.get("hospitalization"))
    reasons = concepts(resource.get("reasonCode"))
    period = span(resource.get("period"))
    told = [
        joined([concepts(resource.get("type")), kind], ", "),
        where and f"at {where}",
        reasons and f"reason: {reasons}",
        period,
        concept(stay.get("dischargeDisposition")),
    ]
    body = {
        "profession": short(first([concept(resource.get("serviceType")), kind])),
        "name": short(joined(people)),
        "outcome": with_status(joined(told), resource, ("finished",), LONG),
    }
    return [Sketch("professional_visit", body, (resource.get("period"),))]


def procedure(reading: Reading) -> list[Sketch]:
    """Return a Procedure: what was done, by whom, and what came of it."""
    resource = reading.resource
    performers = objects(resource.get("performer"))
    why = concepts(resource.get("statusReason"))
    told = [
        why and f"{status(resource) or 'status'}: {why}",
        concept(resource.get("code")),
        concepts(resource.get("bodySite")),
        concepts(resource.get("reasonCode")),
        concept(resource.get("outcome")),
        concepts(resource.get("complication")),
        concepts(resource.get("followUp")),
        notes(resource),
    ]
    body = {
        "profession": short(concepts([one.get("function") for one in performers])),
        "name": short(joined(reading.called(one.get("actor")) for one in performers)),
        "outcome": with_status(joined(told), resource, ("completed",), LONG),
    }
    dates = tuple(resource.get(name) for name in ("performedDateTime", "performedPeriod", "performedString"))
    return [Sketch("professional_visit", body, dates)]


def service_request(reading: Reading) -> list[Sketch]:
    """Return a ServiceRequest: what was asked for, of whom, why, and how far it is."""
    resource = reading.resource
    reasons = joined(
        [concepts(resource.get("reasonCode")), reading.all_called(resource.get("reasonReference"))]
    )
    details = concepts(resource.get("orderDetail"))
    intent = no_order(resource)
    asked = f"Not ordered ({intent})" if intent else "Requested"
    asked = "Not to be done" if truth(resource, "doNotPerform") else asked
    when = first(
        [
            text(resource.get("occurrenceDateTime")),
            span(resource.get("occurrencePeriod")),
            timing(resource.get("occurrenceTiming")),
        ]
    )
    much = first(
        [
            quantity(resource.get("quantityQuantity")),
            ratio(resource.get("quantityRatio")),
            span(resource.get("quantityRange")),
        ]
    )
    what = joined([concept(resource.get("code")), details, concepts(resource.get("bodySite"))], ", ")
    requester = reading.called(resource.get("requester"))
    told = [
        f"{asked}: {short(what)}",
        requester and f"by: {requester}",
        much and f"how much: {much}",
        when and f"when: {when}",
        as_needed(resource),
        reasons and f"reason: {reasons}",
        text(resource.get("patientInstruction")),
        notes(resource),
    ]
    body = {
        "profession": short(
            first([concept(resource.get("performerType")), concepts(resource.get("category"))])
        ),
        "name": short(reading.all_called(resource.get("performer"))),
        "outcome": with_status(joined(told), resource, (), LONG),
    }
    dates = tuple(resource.get(name) for name in ("authoredOn", "occurrencePeriod", "occurrenceDateTime"))
    return [Sketch("professional_visit", body, dates)]
