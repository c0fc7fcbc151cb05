"""Words shared by the mappings: what stands where the source says nothing, and how it is cut."""

from collections.abc import Iterable

from app.exchange.bundle import JsonObject
from app.exchange.elements import fit, joined, status, text
from app.residents.texts import LONG, PARAGRAPH, SHORT

_ORDERS = ("order", "original-order", "reflex-order", "filler-order", "instance-order")
NOT_STATED = "Not stated in the imported record"


def short(words: str | None) -> str:
    """Return words for a short field, or that nothing is stated."""
    return fit(words or NOT_STATED, SHORT)


def paragraph(words: str | None) -> str:
    """Return words for a paragraph, or that nothing is stated."""
    return fit(words or NOT_STATED, PARAGRAPH)


def long(words: str | None) -> str:
    """Return words for a long field, or that nothing is stated."""
    return fit(words or NOT_STATED, LONG)


def marked(words: str | None, marks: Iterable[str | None], limit: int = SHORT) -> str:
    """Return words with marks in brackets behind them, which are never cut off."""
    told = joined((fit(mark, 60) for mark in marks if mark), ", ")
    suffix = f" ({told})" if told else ""
    return fit(words or NOT_STATED, limit - len(suffix)) + suffix


def with_status(
    words: str | None, resource: JsonObject, usual: Iterable[str], limit: int = SHORT, *but: str | None
) -> str:
    """Return words that say so when the source's status is not one of the usual ones, and what else to say.

    A care plan that was revoked, or whose time is over, must not read like one that is followed.
    """
    code = status(resource)
    return marked(words, [code if code not in usual else None, *but], limit)


def no_order(resource: JsonObject, *usual: str) -> str | None:
    """Return the intent of a resource in words when it is neither an order nor one of the usual ones."""
    intent = resource.get("intent")
    code = text(intent)
    return None if intent is None or code in (*_ORDERS, *usual) else f"intent: {code or 'cannot be read'}"


def present(**fields: object) -> JsonObject:
    """Return the fields that have a value: an absent field is left out of a body, never null."""
    return {name: value for name, value in fields.items() if value is not None}
