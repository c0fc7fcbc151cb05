"""From a resident's records to FHIR R4 resources, where a category has a natural one.

What goes in may have been redacted: any field may say that it is withheld, also one that holds a date or a
word of a list. A resource then leaves it out or says `unknown`; an allergy counts as active. What was entered
in error is marked so. Numbers that JSON would round become words.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from html import escape
from types import MappingProxyType
from typing import Any

JsonObject = dict[str, Any]

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z")
_DECIMAL = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")
_IN_ERROR = "entered-in-error"
_TERMS = "http://terminology.hl7.org/CodeSystem"
_UNKNOWN_MEDIA_TYPE = "application/octet-stream"


def patient(resident: JsonObject) -> JsonObject:
    """Return the resident as a Patient."""
    identity, identifiers = resident["identity"], resident["identifiers"]
    name = {"use": "official", "family": identity["family_name"], "given": [identity["given_name"]]}
    names = [name, *({"use": "usual", "text": one} for one in _some(identity.get("preferred_name")))]
    number = [n for n in _some(identifiers.get("nhs_number")) if n.isdigit()]
    return _without_nothing(
        {
            "resourceType": "Patient",
            "id": resident["id"],
            "active": resident["status"] == "resident" and not resident["deleted"],
            "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": n} for n in number],
            "name": names,
            "gender": _word(identity.get("sex"), "female", "male", "other", otherwise="unknown"),
            "birthDate": _day(identifiers.get("date_of_birth")),
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
    return _without_nothing(resource)


def _allergy(body: JsonObject, facts: JsonObject) -> JsonObject:
    in_error, none_known = facts["deleted"], "none_known" in body
    state = _word(body.get("status"), "active", "resolved", "refuted", otherwise="active")
    verified = _IN_ERROR if in_error else "refuted" if state == "refuted" else "unconfirmed"
    severity = _word(body.get("severity"), "mild", "moderate", "severe")
    reaction = {"manifestation": [{"text": body.get("reaction")}], "severity": severity}
    clinical = None if in_error else "inactive" if state == "refuted" else state
    return {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": clinical and _coded(f"{_TERMS}/allergyintolerance-clinical", clinical),
        "verificationStatus": _coded(f"{_TERMS}/allergyintolerance-verification", verified),
        "code": {"text": "No known allergies" if none_known else body["substance"]},
        "patient": facts["of"],
        "recordedDate": facts["recorded_at"],
        "reaction": [_without_nothing(reaction)] if body.get("reaction") else None,
    }


def _related(body: JsonObject, facts: JsonObject) -> JsonObject:
    roles = [body["relationship"]]
    roles += ["next of kin"] if body["next_of_kin"] is True else []
    roles += ["lasting power of attorney"] if body["lasting_power_of_attorney"] is True else []
    return {
        "resourceType": "RelatedPerson",
        "active": not facts["deleted"],
        "patient": facts["of"],
        "relationship": [{"text": role} for role in roles],
        "name": [{"text": body["name"]}],
        "telecom": [{"system": "phone", "value": phone} for phone in _some(body.get("phone"))],
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
    if "value" in said and _DECIMAL.fullmatch(value) and Decimal(repr(float(value))) == Decimal(value):
        return {"valueQuantity": {"value": float(value)} | ({"unit": unit} if unit else {})}
    return {"valueString": f"{value} {unit}" if unit else value}


def _medication(body: JsonObject, facts: JsonObject) -> JsonObject:
    state = _word(body.get("status"), "active", "on_hold", "stopped", otherwise="unknown")
    dosage = f"{body['dose']}, {body['route']}, {body['frequency']}"
    return {
        "resourceType": "MedicationStatement",
        "status": _IN_ERROR if facts["deleted"] else state.replace("_", "-"),
        "medicationCodeableConcept": {"text": body["name"]},
        "subject": facts["of"],
        "effectivePeriod": _period(body.get("started_on"), body.get("ended_on")),
        "dateAsserted": facts["recorded_at"],
        "dosage": [
            _without_nothing({"text": dosage, "patientInstruction": body.get("instructions")}),
        ],
    }


def _administration(body: JsonObject, facts: JsonObject) -> JsonObject:
    given_at, medicine = body["given_at"], body["medication_id"]
    outcome = _word(body["outcome"], "given", "refused", "withheld", "not_available", otherwise="unknown")
    status = {"given": "completed", "unknown": "unknown"}.get(outcome, "not-done")
    return {
        "resourceType": "MedicationAdministration",
        "status": _IN_ERROR if facts["deleted"] else status,
        "statusReason": [{"text": outcome.replace("_", " ")}] if status == "not-done" else None,
        "medicationCodeableConcept": {"text": facts["medicines"].get(medicine, "a medicine not told here")},
        "subject": facts["of"],
        "effectiveDateTime": given_at if _INSTANT.fullmatch(given_at) else facts["occurred_at"],
        "note": [{"text": note} for note in _some(body.get("note"))],
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
    provision = {"type": kind, "period": _period(None, body.get("review_on"))}
    return {
        "resourceType": "Consent",
        "status": _IN_ERROR if facts["deleted"] else "active" if kind else "proposed",
        "scope": _coded(f"{_TERMS}/consentscope", "patient-privacy"),
        "category": [{"text": body["purpose"]}],
        "patient": facts["of"],
        "dateTime": facts["occurred_at"],
        "performer": [{"display": by} for by in _some(body.get("given_by"))],
        "policyRule": {"text": body.get("basis") or "No basis recorded"},
        "provision": _without_nothing(provision) or None,
    }


def _advance(body: JsonObject, facts: JsonObject) -> JsonObject:
    state = _word(body["status"], "in_force", "revoked", "superseded", otherwise="unknown")
    narrative = escape(body["summary"], quote=False)
    return {
        "resourceType": "Consent",
        "text": {
            "status": "additional",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{narrative}</div>',
        },
        "status": _IN_ERROR if facts["deleted"] else "active" if state == "in_force" else "inactive",
        "scope": _coded(f"{_TERMS}/consentscope", "adr"),
        "category": [{"text": f"Advance care plan: {body['kind']}"}],
        "patient": facts["of"],
        "dateTime": _day(body["valid_from"]) or facts["occurred_at"],
        "performer": [{"display": by} for by in _some(body.get("signed_by"))],
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
        "oralDiet": _without_nothing(oral),
    }


def _document(body: JsonObject, facts: JsonObject) -> JsonObject:
    kept = body.get("content_base64")
    media_type = body["media_type"] if "/" in body["media_type"] else _UNKNOWN_MEDIA_TYPE
    attachment: JsonObject = {"contentType": media_type, "title": body["title"]}
    if isinstance(kept, dict):
        attachment |= {"url": kept["file"], "size": kept["bytes"]}
    return {
        "resourceType": "DocumentReference",
        "status": _IN_ERROR if facts["deleted"] else "current",
        "type": {"text": f"About: {body['about']}"},
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


def _coded(system: str, code: str) -> JsonObject:
    return {"coding": [{"system": system, "code": code}]}


def _period(start: Any, end: Any) -> JsonObject | None:
    return _without_nothing({"start": _day(start), "end": _day(end)}) or None


def _word(said: Any, *words: str, otherwise: str = "") -> str:
    return said if said in words else otherwise


def _day(said: Any) -> str | None:
    return said if isinstance(said, str) and _DAY.fullmatch(said) else None


def _some(said: Any) -> list[str]:
    return [said] if isinstance(said, str) and said else []


def _without_nothing(resource: JsonObject) -> JsonObject:
    """Return a resource without members that hold nothing: FHIR has neither null nor empty lists."""
    return {name: value for name, value in resource.items() if value not in (None, "", [], {})}
