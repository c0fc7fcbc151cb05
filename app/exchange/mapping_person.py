"""Patient, RelatedPerson, Consent and CarePlan: who somebody is, who is close, what is agreed."""

import re
from datetime import date
from typing import Any

from app.core.errors import InvalidRequestError
from app.exchange.bundle import Entry, JsonObject
from app.exchange.dosage import timing
from app.exchange.drafts import NotImportableError, Sketch
from app.exchange.elements import (
    an_object,
    concept,
    concepts,
    day,
    first,
    fit,
    human_name,
    joined,
    notes,
    objects,
    phone,
    status,
    text,
    whole_concept,
    words_of,
)
from app.exchange.references import NHS_NUMBER_SYSTEM, Bundle
from app.exchange.wording import long, paragraph, present, short, with_status
from app.residents.identity import Identifiers, Identity, parse_identifiers, parse_identity
from app.residents.texts import MOST_ITEMS, PARAGRAPH, SHORT

_NEXT_OF_KIN = {"n", "nok"}
_LASTING_POWER = re.compile(r"\blasting power of attorney\b|\bLPA\b", re.IGNORECASE)
_SEXES = {"female", "male", "other", "unknown"}
_NAME_ORDER = {"official": 0, "usual": 1}


def resident(entry: Entry, on: date) -> tuple[Identity, Identifiers]:
    """Return who a Patient is.

    Raises:
        NotImportableError: A name, a full date of birth or a sound NHS number is missing; a
            resident whose identity is in doubt is admitted by a person, not by an import.
    """
    patient = entry.resource
    try:
        identity = parse_identity(_identity(patient), "")
        return identity, parse_identifiers(_identifiers(patient), on, "")
    except InvalidRequestError as refused:
        faults = " ".join(f"{pointer[1:]}: {sentence}" for pointer, sentence in refused.errors)
        raise NotImportableError("not-valid", f"The resident's identity is not sound. {faults}") from None


def _identity(patient: JsonObject) -> JsonObject:
    in_use = [
        name for name in objects(patient.get("name")) if name.get("use") not in ("old", "maiden", "nickname")
    ]
    ranked = sorted(in_use, key=lambda name: _NAME_ORDER.get(str(name.get("use")), 2))
    name = ranked[0] if ranked else {}
    given = " ".join(words_of(name.get("given")))
    called = [
        " ".join(words_of(one.get("given")))
        for one in objects(patient.get("name"))
        if one.get("use") in ("usual", "nickname")
    ]
    preferred = first(one for one in called if one != given)
    sex = patient.get("gender")
    return present(
        given_name=given or None,
        family_name=first(words_of([name.get("family")])),
        preferred_name=fit(preferred, SHORT) if preferred else None,
        sex=sex if isinstance(sex, str) and sex in _SEXES else None,
    )


def _identifiers(patient: JsonObject) -> JsonObject:
    numbers = {
        text(identifier["value"]) or ""  # of another type: no NHS number, and no reason to go without
        for identifier in objects(patient.get("identifier"))
        if identifier.get("system") == NHS_NUMBER_SYSTEM
        and identifier.get("use") != "old"
        and identifier.get("value") is not None
    }
    if len(numbers) > 1:
        raise NotImportableError("not-valid", "The Patient carries several NHS numbers.")
    return present(date_of_birth=text(patient.get("birthDate")), nhs_number=next(iter(numbers), None))


def patient_records(entry: Entry, _: Bundle) -> list[Sketch]:
    """Return what a Patient says beside the identity: contacts, and how to speak with the person."""
    contacts = objects(entry.resource.get("contact"))
    made = [
        Sketch("contacts", _contact(one, one.get("name")), facet=f"contacts.{n}")
        for n, one in enumerate(contacts)
    ]
    languages = joined(
        whole_concept(one.get("language")) for one in objects(entry.resource.get("communication"))
    )
    if languages:
        made.append(Sketch("about_me", {"text": long(f"Communicates in: {languages}")}))
    return made


def related_person(entry: Entry, _: Bundle) -> list[Sketch]:
    """Return a RelatedPerson as a contact."""
    names = objects(entry.resource.get("name"))
    body = _contact(entry.resource, names[0] if names else None)
    if entry.resource.get("active") is False:
        body["relationship"] = fit(body["relationship"], SHORT - 20) + " (no longer active)"
    return [Sketch("contacts", body, (entry.resource.get("period"),))]


def _contact(person: JsonObject, name: Any) -> JsonObject:
    relationship = concepts(person.get("relationship"))
    number = phone(person.get("telecom"))
    return present(
        name=short(first([human_name(name), text(an_object(person.get("organization")).get("display"))])),
        relationship=short(relationship),
        phone=fit(number, SHORT) if number else None,
        next_of_kin=_is_next_of_kin(person, relationship or ""),
        # Only the words themselves: a power nobody holds must not be made up from a code
        lasting_power_of_attorney=bool(_LASTING_POWER.search(relationship or "")),
    )


def _is_next_of_kin(person: JsonObject, relationship: str) -> bool:
    codings = (coding for one in objects(person.get("relationship")) for coding in objects(one.get("coding")))
    listed = {str(coding.get("code")).lower() for coding in codings}
    return bool(listed & _NEXT_OF_KIN) or "next of kin" in relationship.lower().replace("-", " ")


def consent(entry: Entry, bundle: Bundle) -> list[Sketch]:
    """Return a Consent. It counts as given only while it is active and does not deny."""
    resource = entry.resource
    provision = an_object(resource.get("provision"))
    purposes = [
        text(one.get("display")) or text(one.get("code")) for one in objects(provision.get("purpose"))
    ]
    policies = [text(one.get("uri")) for one in objects(resource.get("policy"))]
    basis = joined([concept(resource.get("policyRule")), *policies])
    by = bundle.all_called(resource.get("performer"), entry)
    purpose = joined([concepts(resource.get("category")), *purposes]) or concept(resource.get("scope"))
    body = present(
        purpose=with_status(purpose, resource, ("active",)),
        given=status(resource) == "active" and provision.get("type") != "deny",
        basis=fit(basis, PARAGRAPH) if basis else None,
        given_by=fit(by, SHORT) if by else None,
        review_on=day(an_object(provision.get("period")).get("end")),
    )
    return [Sketch("consent", body, (resource.get("dateTime"),))]


def care_plan(entry: Entry, bundle: Bundle) -> list[Sketch]:
    """Return a CarePlan: its title and category as the need, its goals, its activities."""
    resource = entry.resource
    needs = [text(resource.get("title")), concepts(resource.get("category"))]
    need = joined([*needs, bundle.all_called(resource.get("addresses"), entry)])
    goal = joined(
        [text(resource.get("description")), bundle.all_called(resource.get("goal"), entry), notes(resource)]
    )
    actions = [_action(one, entry, bundle) for one in objects(resource.get("activity"))[:MOST_ITEMS]]
    body = {
        "need": with_status(need, resource, ("active",), PARAGRAPH),
        "goal": paragraph(goal),
        "actions": [paragraph(action) for action in actions if action],
    }
    return [Sketch("care_plan", body, (resource.get("period"), resource.get("created")))]


def _action(activity: JsonObject, entry: Entry, bundle: Bundle) -> str | None:
    detail = an_object(activity.get("detail"))
    what = joined([concept(detail.get("code")), text(detail.get("description"))])
    what = what or bundle.called(activity.get("reference"), entry)
    if what and detail.get("doNotPerform") is True:
        what = f"Do not: {what}"
    state = status(detail)
    often = joined([timing(detail.get("scheduledTiming")), text(detail.get("scheduledString"))], ", ")
    outcome = concepts(activity.get("outcomeCodeableConcept"))
    return joined([what, often, state and f"status: {state}", outcome and f"outcome: {outcome}"], "; ")
