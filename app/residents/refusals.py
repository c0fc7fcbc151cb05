"""Telling a caller what is wrong with a body: a JSON pointer and a plain sentence, no input.

The one place that turns pydantic's errors into the application's own, so that no value a
caller sent - not even the name of a field - comes back in an answer or in a log.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.access.categories import CATEGORIES
from app.core.errors import InvalidRequestError

TAG = "*"
"""First letter of a union's tag: tags stand in pydantic's locations but not in the input."""

# The first beginning that fits the type of an error gives the sentence. What stands in braces is a
# limit or a list of ours, which only the type that is spelled out in full brings along.
_SENTENCES: tuple[tuple[str | tuple[str, ...], str], ...] = (
    ("missing", "This is needed."),
    ("extra_forbidden", "There is a field here that is not part of it. Send only the documented fields."),
    ("invalid_key", "The names of fields must be text."),
    ("string_type", "Must be text."),
    ("string_unicode", "Must not hold control characters or broken Unicode."),
    ("string_too_short", "Must have {min_length} or more characters."),
    ("string_too_long", "Must have at most {max_length} characters."),
    ("string", "Is not written as it must be. See the documentation of this field."),
    ("int", "Must be a whole number."),
    (("float", "finite_number"), "Must be a number."),
    ("decimal", "Must be a decimal number with the documented number of digits."),
    ("bool", "Must be true or false."),
    (("datetime", "timezone"), "Must be an instant with its offset, like 2026-03-01T10:00:00Z."),
    ("date", "Must be a date like 2026-03-01."),
    ("uuid", "Must be an id of this service."),
    ("greater_than_equal", "Must be at least {ge}."),
    ("greater_than", "Must be more than {gt}."),
    ("less_than_equal", "Must be at most {le}."),
    ("less_than", "Must be less than {lt}."),
    ("too_short", "Must have {min_length} or more items."),
    ("too_long", "Must have at most {max_length} items."),
    (("list", "tuple"), "Must be a list."),
    (("dict", "model"), "Must be an object."),
    ("literal_error", "Must be one of {expected}."),
    ("enum", "Must be one of the documented values."),
    ("union_tag_not_found", f"This is needed: one of {', '.join(CATEGORIES)}."),
    ("union_tag_invalid", "Must be one of {expected_tags}."),
    ("", "This is not valid here. See the API description for what is."),
)
WRITTEN_SO: Mapping[str, str] = MappingProxyType(
    {
        r"^-?[0-9]{1,12}(\.[0-9]{1,6})?$": (
            "Must be a decimal number as text, such as 37.5: up to 12 digits, then up to 6 after a point."
        ),
        r"^-?[0-9]{1,12}(\.[0-9]{1,2})?$": (
            "Must be pounds as text, such as 12.50 or -3: up to 12 digits, then up to 2 after a point."
        ),
        r"^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$": (
            "Must be a media type without parameters, such as application/pdf."
        ),
        r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$": "Must be the id of a record: a UUID.",
        r"^[A-Za-z0-9._:-]{1,64}$": (
            "Must be 1 to 64 letters, digits, dots, underscores, colons or hyphens, all of ASCII."
        ),
        r"^[A-Z0-9]{1,10}$": "Must be 1 to 10 capital letters and digits.",
        r"^[0-9A-Z-]{1,20}$": "Must be 1 to 20 digits, capital letters and hyphens.",
        r"^[0-9a-f]{32}$": "Must be a source as entries name it: 32 hexadecimal digits in lower case.",
    }
)
"""What to say of a text that does not fit a pattern; the description of the API says it of the field, too."""

_PLACED_AT_PARENT = {"extra_forbidden", "invalid_key"}

Model = TypeVar("Model", bound=BaseModel)


class FaultError(ValueError):
    """What our own validators raise: a sentence for the caller, which repeats nothing of the input."""


def read(model: type[Model], raw: Any, at: str) -> Model:
    """Return the model of a raw JSON value that stands at a JSON pointer.

    Raises:
        InvalidRequestError: It is not what the model takes; every fault is listed.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as refused:
        raise InvalidRequestError(*faults(refused, at)) from None


def faults(refused: ValidationError, at: str) -> tuple[tuple[str, str], ...]:
    """Return (JSON pointer, sentence) for each fault, without anything of the input."""
    listed = (_fault(error, at) for error in refused.errors(include_input=False, include_url=False))
    return tuple(dict.fromkeys(listed))


def _fault(error: Mapping[str, Any], at: str) -> tuple[str, str]:
    places = [str(part) for part in error["loc"] if not str(part).startswith(TAG)]
    if error["type"] in _PLACED_AT_PARENT:
        places = places[:-1]
    return at + "".join(f"/{place}" for place in places), sentence_of(error)


def sentence_of(error: Mapping[str, Any]) -> str:
    """Return what to say of an error as pydantic lists it.

    The words of a library's `ValueError` are not shown: they may repeat what was sent.
    """
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error" and isinstance(context["error"], FaultError):
        return str(context["error"])
    if kind == "string_pattern_mismatch" and context["pattern"] in WRITTEN_SO:
        return WRITTEN_SO[context["pattern"]]
    sentence = next(sentence for beginning, sentence in _SENTENCES if kind.startswith(beginning))
    return sentence.format(**context)
