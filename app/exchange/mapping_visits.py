"""Encounter, Procedure and ServiceRequest: what professionals from outside did or were asked to do."""

from app.exchange.bundle import Entry
from app.exchange.drafts import Sketch
from app.exchange.elements import an_object, concept, concepts, first, joined, notes, objects, span, text
from app.exchange.references import Bundle
from app.exchange.wording import short, with_status
from app.residents.texts import LONG


def encounter(entry: Entry, bundle: Bundle) -> list[Sketch]:
    """Return an Encounter: which kind of contact, with whom, why and until when."""
    resource = entry.resource
    kind = text(an_object(resource.get("class")).get("display"))
    people = [bundle.called(one.get("individual"), entry) for one in objects(resource.get("participant"))]
    where = bundle.called(resource.get("serviceProvider"), entry)
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


def procedure(entry: Entry, bundle: Bundle) -> list[Sketch]:
    """Return a Procedure: what was done, by whom, and what came of it."""
    resource = entry.resource
    performers = objects(resource.get("performer"))
    told = [
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
        "name": short(joined(bundle.called(one.get("actor"), entry) for one in performers)),
        "outcome": with_status(joined(told), resource, ("completed",), LONG),
    }
    dates = tuple(resource.get(name) for name in ("performedDateTime", "performedPeriod", "performedString"))
    return [Sketch("professional_visit", body, dates)]


def service_request(entry: Entry, bundle: Bundle) -> list[Sketch]:
    """Return a ServiceRequest: what was asked for, of whom, why, and how far it is."""
    resource = entry.resource
    reasons = joined(
        [concepts(resource.get("reasonCode")), bundle.all_called(resource.get("reasonReference"), entry)]
    )
    details = concepts(resource.get("orderDetail"))
    asked = "Not to be done" if resource.get("doNotPerform") is True else "Requested"
    what = joined([concept(resource.get("code")), details], ", ")
    requester = bundle.called(resource.get("requester"), entry)
    told = [
        f"{asked}: {short(what)}",
        requester and f"by: {requester}",
        reasons and f"reason: {reasons}",
        text(resource.get("patientInstruction")),
        notes(resource),
    ]
    body = {
        "profession": short(
            first([concept(resource.get("performerType")), concepts(resource.get("category"))])
        ),
        "name": short(bundle.all_called(resource.get("performer"), entry)),
        "outcome": with_status(joined(told), resource, (), LONG),
    }
    return [
        Sketch("professional_visit", body, (resource.get("authoredOn"), resource.get("occurrencePeriod")))
    ]
