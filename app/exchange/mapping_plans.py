"""Consent and CarePlan: what is agreed, and what is to be done."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from app.exchange.bundle import JsonObject
from app.exchange.dates import day, outside
from app.exchange.dosage import timing
from app.exchange.drafts import Sketch
from app.exchange.elements import (
    UNREADABLE,
    an_object,
    codes,
    concept,
    concepts,
    first,
    fit,
    joined,
    notes,
    objects,
    quantity,
    span,
    status,
    text,
    whole_concept,
    words_of_concept,
)
from app.exchange.own_terms import REVIEW_ON
from app.exchange.reading import Reading, Target, truth
from app.exchange.wording import no_order, paragraph, present, with_status
from app.residents.texts import LAST_YEAR, MOST_ITEMS, PARAGRAPH, SHORT

_PRIVACY = "patient-privacy"
_DIRECTIVES = {"adr", "acd", "dnr", "hcd", "polst"}
_DIRECTIVE_WORDS = re.compile(
    r"\badvanced? (care )?(decision|directive)|\bDNA?CPR\b|\bDNR\b|resuscitat", re.IGNORECASE
)
_OPTED_OUT = re.compile(r"\bopt(s|ed|ing)?[ -]?out", re.IGNORECASE)
_ON_DATA = ("data", "dataPeriod", "securityLabel", "class")
_IN_PART = "It permits only in part, so it does not count as given: read what it denies."
_SOME_DATA = "It is about some data only, which its words may not tell: ask whoever sent it."
_DIRECTIVE = "It is an advance directive: it does not count as given, ask for its signed original."
_UNTOLD = "What an activity consists of is not said, or it may be a medicine: ask whoever sent it."


def consent(reading: Reading) -> list[Sketch]:
    """Return a Consent. It counts as given only while it is active and permits without exception."""
    resource = reading.resource
    provisions = list(_within(resource))
    over = first([reading.over(one.get("period")) for one in provisions])
    policies = [text(one.get("uri")) for one in objects(resource.get("policy"))]
    basis = joined([concept(resource.get("policyRule")), *policies])
    by = reading.all_called(resource.get("performer"))
    denied = _denied(resource, provisions, reading)
    is_directive = _is_directive(resource)
    if denied and any(map(_permits, provisions)):
        reading.remark(_IN_PART)
    if is_directive:
        reading.remark(_DIRECTIVE)
    if any(one.get(name) for one in provisions for name in _ON_DATA):
        reading.remark(_SOME_DATA)
    is_in_force = status(resource) == "active" and over is None and not _is_unverified(resource)
    permitted = [one for one in provisions if _permits(one)]
    only = joined((_for_whom(one, reading) for one in permitted), ", ")
    ends = None if over else _until(provisions)
    until = ends and f"until {ends}"
    what = [
        _scope(resource),
        concepts(resource.get("category")),
        *map(_purposes, permitted),
        denied and f"DENIED: {denied}",
    ]
    body = present(
        purpose=with_status(
            joined(what), resource, ("active",), SHORT, over, until, only and f"only: {only}"
        ),
        given=is_in_force and all(map(_permits, provisions)) and not denied and not is_directive,
        basis=fit(basis, PARAGRAPH) if basis else None,
        given_by=fit(by, SHORT) if by else None,
        review_on=_review_on(resource) or day(ends),
    )
    return [Sketch("consent", body, (resource.get("dateTime"),))]


def _until(provisions: list[JsonObject]) -> str | None:
    """Return when the first of the rules ceases to be valid; an end that never comes is none."""
    ends = [an_object(one.get("period")).get("end") for one in provisions]
    return min(
        (day(end) or end for end in filter(None, map(text, ends)) if end[:4] <= str(LAST_YEAR)), default=None
    )


def _review_on(resource: JsonObject) -> str | None:
    extensions = objects(resource.get("extension"))
    return first(day(one.get("valueDate")) for one in extensions if one.get("url") == REVIEW_ON)


def _scope(resource: JsonObject) -> str | None:
    # Every consent has a scope; that it is about privacy is said where nothing else is
    is_bare = codes(resource.get("scope")) == {_PRIVACY} and not words_of_concept(resource.get("scope"))
    return None if is_bare and concepts(resource.get("category")) else concept(resource.get("scope"))


def _denied(resource: JsonObject, provisions: list[JsonObject], reading: Reading) -> str | None:
    is_refused_as_named = provisions == [{"type": "deny"}] and concepts(resource.get("category"))
    told = (
        []
        if is_refused_as_named
        else [
            joined([_purposes(one), whom and f"for {whom}"], " ") or "something"
            for one in provisions
            if not _permits(one)
            for whom in [_for_whom(one, reading)]
        ]
    )
    rules = objects(resource.get("policyRule"))
    has_opted_out = _OPTED_OUT.search(" ".join([*codes(rules), *(whole_concept(one) or "" for one in rules)]))
    return joined([*told, "opted out" if has_opted_out else None], ", ")


def _for_whom(provision: JsonObject, reading: Reading) -> str | None:
    actors = (
        first([reading.called(one.get("reference")), concept(one.get("role")), "somebody not named"])
        for one in _listed(provision.get("actor"))
    )
    data = (reading.called(one.get("reference")) or "some data" for one in _listed(provision.get("data")))
    return joined([*actors, *data], ", ")


def _is_directive(resource: JsonObject) -> bool:
    kinds = [resource.get("scope"), *objects(resource.get("category"))]
    words = joined(map(whole_concept, kinds)) or ""
    return bool(_DIRECTIVES & codes(kinds) or _DIRECTIVE_WORDS.search(words))


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
        "need": with_status(need, resource, ("active",), PARAGRAPH, no_order(resource, "plan"), over),
        "goal": paragraph(goal),
        "actions": [paragraph(action) for action in actions if action],
    }
    return [Sketch("care_plan", body, (resource.get("period"), resource.get("created")))]


def _action(activity: JsonObject, reading: Reading) -> str | None:
    detail, named = an_object(activity.get("detail")), activity.get("reference")
    what, is_medicine, holder = _planned(detail), _is_about_a_medicine(detail), detail
    if named is not None and not what and not is_medicine:
        target = reading.target(named)
        if target is None:
            return None
        if not target.kind:  # what is displayed, or came of it, may name a medicine
            reading.remark(_UNTOLD)
            return None
        holder, is_medicine = target.resource, target.is_a_medicine or _serves_a_medicine(target, reading)
        what = reading.called(named)
    if is_medicine:
        what = reading.a_medicine()
    if what and truth(holder, "doNotPerform"):
        what = f"Do not: {what}"
    if is_medicine:
        return what
    if not what:
        reading.remark(_UNTOLD)
    how, outcome = _how(detail, reading.today), concepts(activity.get("outcomeCodeableConcept"))
    progress = joined(text(one.get("text")) for one in objects(activity.get("progress")))
    came_of_it = [outcome and f"outcome: {outcome}", progress and f"progress: {progress}"]
    standing = [_standing(holder, usual="unknown" if holder is detail else "active"), no_order(holder)]
    is_told = any([what, how, *came_of_it])
    return joined([what, how, *standing, *came_of_it], "; ") if is_told else None


def _planned(detail: JsonObject) -> str | None:
    what = joined([concept(detail.get("code")), text(detail.get("description"))])
    food = concept(detail.get("productCodeableConcept")) if detail.get("kind") == "NutritionOrder" else None
    return what if food and what and food.lower() in what.lower() else joined([food, what])


def _how(detail: JsonObject, today: date) -> str | None:
    period = detail.get("scheduledPeriod")
    daily, much = quantity(detail.get("dailyAmount")), quantity(detail.get("quantity"))
    when = [
        timing(detail.get("scheduledTiming")),
        text(detail.get("scheduledString")),
        outside(period, today) or span(period),
    ]
    return joined([*when, daily and f"{daily} a day", much and f"quantity: {much}"], ", ")


def _standing(holder: JsonObject, usual: str) -> str | None:
    state, why = status(holder), concept(holder.get("statusReason"))
    if why:
        return f"status: {state or 'not stated'} ({why})"
    return f"status: {state}" if state not in (usual, "") else None


def _is_about_a_medicine(detail: JsonObject) -> bool:
    kind = text(detail.get("kind")) or ""
    has_product = any(detail.get(f"product{one}") for one in ("CodeableConcept", "Reference"))
    return kind.startswith("Medication") or (has_product and kind != "NutritionOrder")


def _serves_a_medicine(target: Target, reading: Reading) -> bool:
    # A Task says in its own words what the prescription says that it carries out
    behind = [target.resource.get("focus"), *objects(target.resource.get("basedOn"))]
    return target.kind == "Task" and reading.names_a_medicine(behind)
