"""Tolerant readers of FHIR's data types: a value of the wrong type reads as absent.

They never raise, whatever the bundle holds. They only make words and numbers of what is
there; what a word means for the record is decided in the mappings.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from app.core.clock import spell
from app.residents.texts import read_day, read_instant

JsonObject = dict[str, Any]

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]+")
_DECIMAL = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")
_PARTIAL = re.compile(r"[0-9]{4}(-[0-9]{2})?")
_FINE_FRACTION = re.compile(r"(\.[0-9]{6})[0-9]+")
ENTERED_IN_ERROR = "entered-in-error"


def text(value: Any) -> str | None:
    """Return a string without control characters, in NFC; nothing for blanks and other types."""
    if not isinstance(value, str):
        return None
    return unicodedata.normalize("NFC", _CONTROLS.sub(" ", value)).strip() or None


def fit(words: str, limit: int) -> str:
    """Return words of at most `limit` characters; `…` shows that the original says more."""
    return words if len(words) <= limit else words[: limit - 1] + "…"


def joined(parts: Iterable[str | None], between: str = "; ") -> str | None:
    """Return the parts that are there, each once, in order."""
    return between.join(dict.fromkeys(part for part in parts if part)).replace(".; ", ". ") or None


def first(parts: Iterable[str | None]) -> str | None:
    """Return the first part that is there."""
    return next((part for part in parts if part), None)


def an_object(value: Any) -> JsonObject:
    """Return the object, or an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[JsonObject]:
    """Return the objects of a list, or the one object that stands where a list may."""
    listed = value if isinstance(value, list) else [value]
    return [one for one in listed if isinstance(one, dict)]


def codes(concepts: Any) -> set[str]:
    """Return every code of one or more CodeableConcepts, trimmed and in lower case."""
    found = (text(coding.get("code")) for one in objects(concepts) for coding in objects(one.get("coding")))
    return {code.lower() for code in found if code}


def concept(value: Any) -> str | None:
    """Return a CodeableConcept in words: its text, else a display, else a bare code."""
    one = an_object(value)
    codings = objects(one.get("coding"))
    displays = [text(coding.get("display")) for coding in codings]
    return first([text(one.get("text")), *displays, *(text(coding.get("code")) for coding in codings)])


def whole_concept(value: Any) -> str | None:
    """Return all words of a CodeableConcept: where a missed word could do harm."""
    one = an_object(value)
    displays = [text(coding.get("display")) for coding in objects(one.get("coding"))]
    return joined([text(one.get("text")), *displays]) or concept(value)


def concepts(value: Any) -> str | None:
    """Return several CodeableConcepts in words."""
    return joined(concept(one) for one in objects(value))


def number(value: Any) -> str | None:
    """Return a number as the decimal text of the contract, if it can be written as one."""
    plain = _written_out(value)
    return plain if plain is not None and _DECIMAL.fullmatch(plain) else None


def _written_out(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return format(Decimal(str(value)), "f")


def unit(quantity: Any) -> str | None:
    """Return the unit of a Quantity in words, else its code."""
    one = an_object(quantity)
    return first([text(one.get("unit")), text(one.get("code"))])


def quantity(value: Any) -> str | None:
    """Return a Quantity in words: `< 5 mmol/L`."""
    one = an_object(value)
    amount = _written_out(one.get("value")) or text(one.get("value"))
    return joined([text(one.get("comparator")), amount, unit(one)], " ") if amount else None


def span(value: Any, between: str = " to ") -> str | None:
    """Return a Range or a Period in words."""
    one = an_object(value)
    ends = (one.get(name) for name in ("low", "high", "start", "end"))
    return joined((quantity(end) or text(end) for end in ends), between)


def human_name(value: Any) -> str | None:
    """Return a HumanName as it is written: given names, then family name."""
    one = an_object(value)
    parts = [*words_of(one.get("prefix")), *words_of(one.get("given")), *words_of([one.get("family")])]
    return " ".join(parts) or text(one.get("text"))


def words_of(values: Any) -> list[str]:
    """Return the strings of a list, each on one line."""
    listed = values if isinstance(values, list) else []
    return [" ".join(found.split()) for found in map(text, listed) if found]


def phone(contact_points: Any) -> str | None:
    """Return the first telephone number of a list of ContactPoints that is still used."""
    usable = (one for one in objects(contact_points) if one.get("use") != "old")
    return first(text(one.get("value")) for one in usable if one.get("system") in ("phone", "sms"))


def notes(resource: JsonObject) -> str | None:
    """Return the Annotations of a resource."""
    return joined(text(note.get("text")) for note in objects(resource.get("note")))


def said(holder: JsonObject) -> str | None:
    """Return `value[x]` in words, whichever of FHIR's types it has."""
    return first(_said_as(name, value) for name, value in sorted(holder.items()) if name.startswith("value"))


def _said_as(name: str, value: Any) -> str | None:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if not isinstance(value, dict):
        return _written_out(value) or text(value)
    if name == "valueRatio":
        return joined([quantity(value.get("numerator")), quantity(value.get("denominator"))], " : ")
    words = (quantity, concept, span, human_name)
    own = (text(value.get(part)) for part in ("display", "title", "code", "url"))
    return first([*(read(value) for read in words), *own])


def is_entered_in_error(resource: JsonObject) -> bool:
    """Say whether any status of the resource, whatever it is called, says `entered-in-error`."""
    statuses = (value for name, value in resource.items() if "status" in name.lower())
    return any(ENTERED_IN_ERROR in _status_codes(value) for value in statuses)


def _status_codes(value: Any) -> set[str]:
    return {value.strip().lower()} if isinstance(value, str) else codes(value)


def status(resource: JsonObject) -> str:
    """Return the status code of a resource, or an empty text."""
    return (text(resource.get("status")) or "").lower()


@dataclass(frozen=True)
class Moment:
    """When something occurred: an instant in UTC, or nothing, and whether it had to be estimated."""

    at: str | None = None
    estimated: bool = True


def moment(candidates: Iterable[Any], latest: datetime) -> Moment:
    """Return the first candidate that is a FHIR date or instant not after `latest`.

    A day counts from its first minute in UTC, which is the same day in London all year. A
    bare year or month does too, but is marked as estimated.
    """
    for candidate in _starts(candidates):
        found = _moment_of(candidate)
        if found and found[0] <= latest:
            return Moment(spell(found[0]), estimated=found[1])
    return Moment()


def _starts(candidates: Iterable[Any]) -> Iterator[str]:
    for candidate in candidates:
        start = candidate.get("start") if isinstance(candidate, dict) else candidate
        if isinstance(start, str):
            yield _FINE_FRACTION.sub(r"\1", start.strip())


def _moment_of(written: str) -> tuple[datetime, bool] | None:
    partial = _PARTIAL.fullmatch(written)
    whole = (written + "-01-01")[:10] if partial and len(written) == 4 else (written + "-01")[:10]
    try:
        if "T" in written:
            return read_instant(written), False
        born = read_day(whole if partial else written)
    except ValueError:
        return None
    return datetime(born.year, born.month, born.day, tzinfo=UTC), partial is not None


def day(value: Any) -> str | None:
    """Return the day of a FHIR date or dateTime that names one."""
    written = (text(value) or "")[:10]
    try:
        read_day(written)
    except ValueError:
        return None
    return written
