"""From a resident's records to FHIR R4 resources, where a category has a natural one.

What goes in may have been redacted: any field may say that it is withheld, also one that holds a date or a
word of a list. A resource then leaves it out or says `unknown`; an allergy counts as active. What was entered
in error is marked so. Nothing is said that nobody recorded: what FHIR asks for and no record has
is told as unknown, or that no more is known. Numbers are written in their own digits; one of more digits than
a reader's float keeps becomes words.
"""

import re
from collections.abc import Callable, Mapping
from html import escape
from types import MappingProxyType
from typing import Any, get_args

from app.exchange.fhir_parts import (
    TERMS,
    amount_of,
    coded,
    day,
    period,
    quantity,
    some,
    without_nothing,
    word,
)
from app.exchange.own_terms import ABOUT, NO_KNOWN_ALLERGY, REVIEW_ON, SNOMED_CT, UNKNOWN
from app.residents.clinical_bodies import AboutCategory

JsonObject = dict[str, Any]

_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z")
_CLAIMS = ("next of kin", "lasting power of attorney")
_IN_ERROR = "entered-in-error"
_UNKNOWN_MEDIA_TYPE = "application/octet-stream"


def patient(resident: JsonObject) -> JsonObject:
    """Return the resident as a Patient."""
    identity, identifiers = resident["identity"], resident["identifiers"]
    name = {"use": "official", "family": identity["family_name"], "given": [identity["given_name"]]}
    called = some(identity.get("preferred_name"))
    names = [name, *({"use": "usual", "text": one, "given": [one]} for one in called)]
    number = [n for n in some(identifiers.get("nhs_number")) if n.isdigit()]
    return without_nothing(
        {
            "resourceType": "Patient",
            "id": resident["id"],
            "active": resident["status"] == "resident" and not resident["deleted"],
            "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": n} for n in number],
            "name": names,
            "gender": word(identity.get("sex"), "female", "male", "other", otherwise="unknown"),
            "birthDate": day(identifiers.get("date_of_birth")),
            "deceasedBoolean": True if resident["status"] == "died" else None,
        }
    )


def resource_of(item: JsonObject, resident_id: str, medicines: Mapping[str, str]) -> JsonObject | None:
    """Return a record as a resource; None if its category has none, or all of it is withheld.

    Args:
        item: The record with its versions; the present one is told.
        resident_id: Whose it is.
        medicines: The names of the resident's medicines by the ids of their records.
    """
    write = _RESOURCES.get(item["category"])
    if write is None or "withheld" in item:
        return None
    present: JsonObject = item["versions"][0]
    facts = present | {"of": {"reference": f"urn:uuid:{resident_id}"}, "medicines": medicines}
    resource = {"id": item["id"]} | write(facts["body"], facts)
    return without_nothing(resource)


def _allergy(body: JsonObject, facts: JsonObject) -> JsonObject:
    state = word(body.get("status"), "active", "resolved", "refuted", otherwise="active")
    verified = _IN_ERROR if facts["deleted"] else "refuted" if state == "refuted" else None
    # The clinical status stands beside every other, and never beside an error (ait-1, ait-2)
    clinical = None if facts["deleted"] else "inactive" if state == "refuted" else state
    severity = word(body.get("severity"), "mild", "moderate", "severe")
    manifestation = {"text": body["reaction"]} if body.get("reaction") else UNKNOWN
    reaction = {"manifestation": [manifestation], "severity": severity}
    return {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": clinical and coded(f"{TERMS}/allergyintolerance-clinical", clinical),
        "verificationStatus": verified and coded(f"{TERMS}/allergyintolerance-verification", verified),
        "code": _allergen(body),
        "patient": facts["of"],
        "recordedDate": facts["recorded_at"],
        "reaction": [without_nothing(reaction)] if body.get("reaction") or severity else None,
    }


def _allergen(body: JsonObject) -> JsonObject:
    if body.get("none_known") is True:
        coding = {"system": SNOMED_CT, "code": NO_KNOWN_ALLERGY, "display": "No known allergy"}
        return {"coding": [coding], "text": "No known allergies"}
    return {"text": body.get("substance") or body["none_known"]}


def _related(body: JsonObject, facts: JsonObject) -> JsonObject:
    named = body["relationship"]
    claims = [one for one in _CLAIMS if body[one.replace(" ", "_")] is True]
    unsaid = [one for one in claims if one not in named.split("; ")]  # where an import puts them
    return {
        "resourceType": "RelatedPerson",
        "active": not facts["deleted"],
        "patient": facts["of"],
        "relationship": [{"text": role} for role in (named, *unsaid)],
        "name": [{"text": body["name"]}],
        "telecom": [{"system": "phone", "value": phone} for phone in some(body.get("phone"))],
    }


def _observation(body: JsonObject, facts: JsonObject) -> JsonObject:
    parts = body.get("components")
    return {
        "resourceType": "Observation",
        "status": _IN_ERROR if facts["deleted"] else "amended" if facts["version"] > 1 else "final",
        "code": {"text": body["kind"]},
        "subject": facts["of"],
        "effectiveDateTime": facts["occurred_at"],
        "issued": facts["recorded_at"],
        "component": [{"code": {"text": p["kind"]}} | _value(p) for p in parts] if parts else None,
    } | ({} if parts else _value(body))


def _value(said: JsonObject) -> JsonObject:
    value, unit = str(said.get("value", said.get("text"))), said.get("unit")
    if "value" in said and (exact := quantity(value, unit)):
        return {"valueQuantity": exact}
    return {"valueString": f"{value} {unit}" if unit else value}


def _medication(body: JsonObject, facts: JsonObject) -> JsonObject:
    state = word(body.get("status"), "active", "on_hold", "stopped", otherwise="unknown")
    amount = amount_of(body["dose"])
    dosage = {
        "text": f"{body['dose']}, {body['route']}, {body['frequency']}",
        "patientInstruction": body.get("instructions"),
        "timing": {"code": {"text": body["frequency"]}},
        "route": {"text": body["route"]},
        "doseAndRate": [{"doseQuantity": amount}] if amount else None,
    }
    return {
        "resourceType": "MedicationStatement",
        "status": _IN_ERROR if facts["deleted"] else state.replace("_", "-"),
        "medicationCodeableConcept": {"text": body["name"]},
        "subject": facts["of"],
        "effectivePeriod": period(body.get("started_on"), body.get("ended_on")),
        "dateAsserted": facts["recorded_at"],
        "dosage": [without_nothing(dosage)],
    }


def _administration(body: JsonObject, facts: JsonObject) -> JsonObject:
    given_at, medicine = body["given_at"], body["medication_id"]
    is_told = medicine in facts["medicines"]
    outcome = word(body["outcome"], "given", "refused", "withheld", "not_available", otherwise="unknown")
    status = {"given": "completed", "unknown": "unknown"}.get(outcome, "not-done")
    return {
        "resourceType": "MedicationAdministration",
        "status": _IN_ERROR if facts["deleted"] else status,
        "statusReason": [{"text": outcome.replace("_", " ")}] if status == "not-done" else None,
        "medicationCodeableConcept": {"text": facts["medicines"].get(medicine, "a medicine not told here")},
        "subject": facts["of"],
        "supportingInformation": [{"reference": f"urn:uuid:{medicine}"}] if is_told else None,
        "effectiveDateTime": given_at if _INSTANT.fullmatch(given_at) else facts["occurred_at"],
        "note": [{"text": note} for note in some(body.get("note"))],
    }


def _care_plan(body: JsonObject, facts: JsonObject) -> JsonObject:
    return {
        "resourceType": "CarePlan",
        "status": _IN_ERROR if facts["deleted"] else "active",
        "intent": "plan",
        "title": body["need"],
        "description": body["goal"],
        "subject": facts["of"],
        "created": facts["recorded_at"],
        "activity": [{"detail": {"status": "unknown", "description": one}} for one in body["actions"]],
    }


def _consent(body: JsonObject, facts: JsonObject) -> JsonObject:
    given = body["given"]
    kind = {True: "permit", False: "deny"}.get(given) if isinstance(given, bool) else None
    return {
        "resourceType": "Consent",
        "extension": _review(body),
        "status": _IN_ERROR if facts["deleted"] else "active" if kind else "proposed",
        "scope": coded(f"{TERMS}/consentscope", "patient-privacy"),
        "category": [{"text": body["purpose"]}],
        "patient": facts["of"],
        "dateTime": facts["occurred_at"],
        "performer": [{"display": by} for by in some(body.get("given_by"))],
        "policyRule": {"text": body["basis"]} if body.get("basis") else UNKNOWN,
        "provision": {"type": kind} if kind else None,
    }


def _review(body: JsonObject) -> list[JsonObject]:
    # Not the end of its period, which would say that it does not hold any more
    return [{"url": REVIEW_ON, "valueDate": on} for on in [day(body.get("review_on"))] if on]


def _advance(body: JsonObject, facts: JsonObject) -> JsonObject:
    state = word(body["status"], "in_force", "revoked", "superseded", otherwise="unknown")
    narrative = escape(body["summary"], quote=False)
    return {
        "resourceType": "Consent",
        "text": {
            "status": "additional",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{narrative}</div>',
        },
        "extension": _review(body),
        "status": _IN_ERROR if facts["deleted"] else "active" if state == "in_force" else "inactive",
        "scope": coded(f"{TERMS}/consentscope", "adr"),
        "category": [{"text": f"Advance care plan: {body['kind']}"}],
        "patient": facts["of"],
        "dateTime": day(body["valid_from"]) or facts["occurred_at"],
        "performer": [{"display": by} for by in some(body.get("signed_by"))],
        "policyRule": {"text": f"Not valid without its signed original: {_original(body)}"},
    }


def _original(body: JsonObject) -> str:
    return str(body.get("original_location") or "where it is kept is not recorded")


def _risk(body: JsonObject, facts: JsonObject) -> JsonObject:
    return {
        "resourceType": "RiskAssessment",
        "status": _IN_ERROR if facts["deleted"] else "final",
        "subject": facts["of"],
        "occurrenceDateTime": facts["occurred_at"],
        "prediction": [{"outcome": {"text": body["kind"]}, "qualitativeRisk": {"text": body["level"]}}],
        "mitigation": body["mitigation"],
    }


def _diet(body: JsonObject, facts: JsonObject) -> JsonObject:
    food, fluid = body.get("iddsi_food"), body.get("iddsi_fluid")
    oral = {
        "type": [{"text": body["requirements"]}],
        "texture": [{"modifier": {"text": f"IDDSI food level {food}"}}] if food is not None else None,
        "fluidConsistencyType": [{"text": f"IDDSI drink level {fluid}"}] if fluid is not None else None,
    }
    return {
        "resourceType": "NutritionOrder",
        "status": _IN_ERROR if facts["deleted"] else "active",
        "intent": "order",
        "patient": facts["of"],
        "dateTime": facts["occurred_at"],
        "oralDiet": without_nothing(oral),
    }


def _document(body: JsonObject, facts: JsonObject) -> JsonObject:
    kept, about = body.get("content_base64"), word(body["about"], *get_args(AboutCategory))
    media_type = body["media_type"] if "/" in body["media_type"] else _UNKNOWN_MEDIA_TYPE
    attachment: JsonObject = {"contentType": media_type, "title": body["title"]}
    if isinstance(kept, dict):
        attachment |= {"url": kept["file"], "size": kept["bytes"]}
    return {
        "resourceType": "DocumentReference",
        "status": _IN_ERROR if facts["deleted"] else "current",
        "type": {"text": f"About: {body['about']}"} | (coded(ABOUT, about) if about else {}),
        "subject": facts["of"],
        "date": facts["recorded_at"],
        "content": [{"attachment": attachment}],
    }


_RESOURCES: Mapping[str, Callable[[JsonObject, JsonObject], JsonObject]] = MappingProxyType(
    {
        "advance_care_plan": _advance,
        "allergy": _allergy,
        "care_plan": _care_plan,
        "consent": _consent,
        "contacts": _related,
        "diet": _diet,
        "document": _document,
        "medication": _medication,
        "medication_administration": _administration,
        "observation": _observation,
        "risk_assessment": _risk,
    }
)
WRITTEN = frozenset(_RESOURCES)
"""The categories that become resources. The others are told in the page and in JSON only."""
