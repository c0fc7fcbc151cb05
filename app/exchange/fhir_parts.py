"""Parts of FHIR R4 resources, made of what a record says; what a part cannot hold is none of it."""

import re
from typing import Any

from app.exchange.exact import PLAIN, Exact, is_kept_by_floats

JsonObject = dict[str, Any]

TERMS = "http://terminology.hl7.org/CodeSystem"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AMOUNT = re.compile(r"(\S+) ([A-Za-z\u00b5%]+(?:/[A-Za-z]+)?)")


def coded(system: str, code: str) -> JsonObject:
    """Return a CodeableConcept of one code."""
    return {"coding": [{"system": system, "code": code}]}


def period(start: Any, end: Any) -> JsonObject | None:
    """Return a Period of the days that are told."""
    return without_nothing({"start": day(start), "end": day(end)}) or None


def quantity(value: str, unit: Any) -> JsonObject | None:
    """Return a Quantity, if no reader makes another number of the value."""
    if not PLAIN.fullmatch(value) or not is_kept_by_floats(value):
        return None
    return {"value": Exact(value)} | ({"unit": unit} if unit else {})


def amount_of(dose: str) -> JsonObject | None:
    """Return the Quantity of a dose that is a number and one unit: not of `1 or 2 tablets`."""
    found = _AMOUNT.fullmatch(dose)
    return quantity(*found.groups()) if found else None


def word(said: Any, *words: str, otherwise: str = "") -> str:
    """Return a word of a list, if it is one."""
    return said if said in words else otherwise


def day(said: Any) -> str | None:
    """Return a day, if it is one."""
    return said if isinstance(said, str) and _DAY.fullmatch(said) else None


def some(said: Any) -> list[str]:
    """Return a text as a list, which is empty if there is none."""
    return [said] if isinstance(said, str) and said else []


def without_nothing(resource: JsonObject) -> JsonObject:
    """Return a resource without members that hold nothing: FHIR has neither null nor empty lists."""
    return {name: value for name, value in resource.items() if value not in (None, "", [], {})}
