"""Tolerant readers of FHIR's data types: a value of the wrong type reads as absent.

They never raise, whatever the bundle holds. They only make words and numbers of what is
there; what a word means for the record is decided in the mappings.
"""

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from app.exchange.exact import PLAIN

JsonObject = dict[str, Any]

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]+")
ENTERED_IN_ERROR = "entered-in-error"
UNREADABLE = "status cannot be read"


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


def words_of_concept(value: Any) -> list[str]:
    """Return the text of a CodeableConcept and all its displays."""
    one = an_object(value)
    displays = (text(coding.get("display")) for coding in objects(one.get("coding")))
    return [words for words in (text(one.get("text")), *displays) if words]


def whole_concept(value: Any) -> str | None:
    """Return all words of a CodeableConcept: where a missed word could do harm."""
    return joined(words_of_concept(value)) or concept(value)


def concepts(value: Any) -> str | None:
    """Return several CodeableConcepts in words."""
    return joined(concept(one) for one in objects(value))


def number(value: Any) -> str | None:
    """Return a number as the decimal text of the contract, if it can be written as one."""
    plain = _written_out(value)
    return plain if plain is not None and PLAIN.fullmatch(plain) else None


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


def span(value: Any) -> str | None:
    """Return a Range or a Period in words; one end alone never reads like the value itself."""
    one = an_object(value)
    low, high, start, end = (
        quantity(one.get(name)) or text(one.get(name)) for name in ("low", "high", "start", "end")
    )
    return between(low, high) or between(start, end, "from", "until")


def between(
    low: str | None, high: str | None, at_least: str = "at least", up_to: str = "up to"
) -> str | None:
    """Return two bounds in words, or the one that is there."""
    if low and high:
        return low if low == high else f"{low} to {high}"
    return (low and f"{at_least} {low}") or (high and f"{up_to} {high}")


def ratio(value: Any, over: str = " : ") -> str | None:
    """Return a Ratio in words, if both ends have some: half of one reads like a whole amount."""
    one = an_object(value)
    above, below = quantity(one.get("numerator")), _measure(one.get("denominator"))
    return f"{above}{over}{below}" if above and below else None


def _measure(value: Any) -> str | None:
    # Where no number stands before it, a unit below the line is one: 4 g in a day
    return unit(value) if an_object(value).get("value") is None else quantity(value)


def human_name(value: Any) -> str | None:
    """Return a HumanName as it is written: given names, then family name."""
    one = an_object(value)
    parts = [*words_of(one.get("prefix")), *words_of(one.get("given")), *words_of([one.get("family")])]
    return " ".join(parts) or text(one.get("text"))


def words_of(values: Any) -> list[str]:
    """Return the strings of a list, each on one line."""
    listed = values if isinstance(values, list) else []
    return [" ".join(found.split()) for found in map(text, listed) if found]


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
    if name == "valueQuantity":
        return quantity(value)  # a unit alone is no value
    if name == "valueRatio":
        return ratio(value)
    if name == "valueReference":
        return None  # what it may be called depends on whose it is
    words = (quantity, concept, span, human_name)
    own = (text(value.get(part)) for part in ("display", "title", "code", "url"))
    return first([*(read(value) for read in words), *own])


def is_entered_in_error(resource: JsonObject) -> bool:
    """Say whether any status of the resource, whatever it is called, says `entered-in-error`."""
    statuses = (value for name, value in resource.items() if "status" in name.lower())
    return any(ENTERED_IN_ERROR in states(value) for value in statuses)


def states(value: Any) -> set[str]:
    """Return what a status says: its codes, else its words, also where a bare text stands for it."""
    listed = value if isinstance(value, list) else [value]
    words = (word for one in listed for word in [text(one), *words_of_concept(one)])
    said = codes(value) or {word.lower() for word in words if word}
    return {ENTERED_IN_ERROR if one == "entered in error" else one for one in said}


def status(resource: JsonObject) -> str:
    """Return the status code of a resource, or an empty text; what is no text is a status of its own."""
    written = resource.get("status")
    return (text(written) or "").lower() if isinstance(written, str | None) else UNREADABLE
