"""Consent and CarePlan: what is agreed, and what is to be done."""

from collections.abc import Iterator
from typing import Any

from app.exchange.bundle import JsonObject
from app.exchange.dates import day
from app.exchange.dosage import timing
from app.exchange.drafts import Sketch
from app.exchange.elements import (
    UNREADABLE,
    an_object,
    concept,
    concepts,
    first,
    fit,
    joined,
    notes,
    objects,
    status,
    text,
)
from app.exchange.reading import A_MEDICINE, Reading, truth
from app.exchange.wording import paragraph, present, with_status
from app.residents.texts import MOST_ITEMS, PARAGRAPH, SHORT


def consent(reading: Reading) -> list[Sketch]:
    """Return a Consent. It counts as given only while it is active and permits without exception."""
    resource = reading.resource
    provisions = list(_within(resource))
    over = first([reading.over(one.get("period")) for one in provisions])
    policies = [text(one.get("uri")) for one in objects(resource.get("policy"))]
    basis = joined([concept(resource.get("policyRule")), *policies])
    by = reading.all_called(resource.get("performer"))
    denials = [one for one in provisions if not _permits(one)]
    if 0 < len(denials) < len(provisions):
        reading.remark("It permits only in part, so it does not count as given: read what it denies.")
    is_in_force = status(resource) == "active" and over is None and not _is_unverified(resource)
    body = present(
        purpose=with_status(_purpose(resource, provisions), resource, ("active",), but=over),
        given=is_in_force and not denials,
        basis=fit(basis, PARAGRAPH) if basis else None,
        given_by=fit(by, SHORT) if by else None,
        review_on=day(an_object(an_object(resource.get("provision")).get("period")).get("end")),
    )
    return [Sketch("consent", body, (resource.get("dateTime"),))]


def _purpose(resource: JsonObject, provisions: list[JsonObject]) -> str | None:
    permitted = joined(_purposes(one) for one in provisions if _permits(one))
    denied = joined((_purposes(one) or "something" for one in provisions if not _permits(one)), ", ")
    what = joined([concepts(resource.get("category")), permitted]) or concept(resource.get("scope"))
    return joined([what, denied and f"DENIED: {denied}"])


def _within(provision: JsonObject) -> Iterator[JsonObject]:
    for one in _listed(provision.get("provision")):
        yield one
        yield from _within(one)


def _listed(value: Any) -> list[JsonObject]:
    """Return the objects of a list; what is none stands as one that permits and verifies nothing."""
    listed = value if isinstance(value, list) else [] if value is None else [value]
    return [one if isinstance(one, dict) else {"type": UNREADABLE, "verified": False} for one in listed]


def _permits(provision: JsonObject) -> bool:
    return provision.get("type") in (None, "permit")


def _purposes(provision: JsonObject) -> str | None:
    coded = [
        first([text(one.get("display")), text(one.get("code"))]) for one in objects(provision.get("purpose"))
    ]
    return joined([*coded, concepts(provision.get("action")), concepts(provision.get("code"))])


def _is_unverified(resource: JsonObject) -> bool:
    checks = _listed(resource.get("verification"))
    return any(check.get("verified") is not None and not truth(check, "verified") for check in checks)


def care_plan(reading: Reading) -> list[Sketch]:
    """Return a CarePlan: its title and category as the need, its goals, its activities."""
    resource = reading.resource
    needs = [text(resource.get("title")), concepts(resource.get("category"))]
    need = joined([*needs, reading.all_called(resource.get("addresses"))])
    goal = joined(
        [text(resource.get("description")), reading.all_called(resource.get("goal")), notes(resource)]
    )
    activities = objects(resource.get("activity"))
    if len(activities) > MOST_ITEMS:
        reading.remark(f"Of its {len(activities)} activities the first {MOST_ITEMS} are imported.")
    actions = [_action(one, reading) for one in activities[:MOST_ITEMS]]
    over = reading.over(resource.get("period"))
    body = {
        "need": with_status(need, resource, ("active",), PARAGRAPH, over),
        "goal": paragraph(goal),
        "actions": [paragraph(action) for action in actions if action],
    }
    return [Sketch("care_plan", body, (resource.get("period"), resource.get("created")))]


def _action(activity: JsonObject, reading: Reading) -> str | None:
    detail = an_object(activity.get("detail"))
    what = joined([concept(detail.get("code")), text(detail.get("description"))])
    what = what or reading.called(activity.get("reference"))
    if what == A_MEDICINE or _is_about_a_medicine(detail):
        return reading.a_medicine()
    if what and truth(detail, "doNotPerform"):
        what = f"Do not: {what}"
    state = status(detail)
    often = joined([timing(detail.get("scheduledTiming")), text(detail.get("scheduledString"))], ", ")
    outcome = concepts(activity.get("outcomeCodeableConcept"))
    return joined([what, often, state and f"status: {state}", outcome and f"outcome: {outcome}"], "; ")


def _is_about_a_medicine(detail: JsonObject) -> bool:
    kind = text(detail.get("kind")) or ""
    has_product = any(detail.get(f"product{one}") for one in ("CodeableConcept", "Reference"))
    return kind.startswith("Medication") or (has_product and kind != "NutritionOrder")
