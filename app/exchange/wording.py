"""Words shared by the mappings: what stands where the source says nothing, and how it is cut."""

from collections.abc import Iterable

from app.exchange.bundle import JsonObject
from app.exchange.elements import fit, status
from app.residents.texts import LONG, PARAGRAPH, SHORT

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


def with_status(words: str | None, resource: JsonObject, usual: Iterable[str], limit: int = SHORT) -> str:
    """Return words that say so when the source's status is not one of the usual ones.

    A care plan that was revoked must not read like one that is followed.
    """
    code = status(resource)
    suffix = f" ({fit(code, 40)})" if code and code not in usual else ""
    return fit(words or NOT_STATED, limit - len(suffix)) + suffix


def present(**fields: object) -> JsonObject:
    """Return the fields that have a value: an absent field is left out of a body, never null."""
    return {name: value for name, value in fields.items() if value is not None}
