"""Telling a caller what is wrong with a body: a JSON pointer and a plain sentence, no input.

The one place that turns pydantic's errors into the application's own, so that no value a
caller sent - not even the name of a field - comes back in an answer or in a log.
"""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.core.errors import InvalidRequestError

TAG = "*"
"""First letter of a union's tag: tags stand in pydantic's locations but not in the input."""

_SENTENCES = {
    "missing": "This field is needed.",
    "extra_forbidden": "There is a field here that is not part of it. Send only the documented fields.",
    "invalid_key": "The names of fields must be text.",
    "string_type": "Must be text.",
    "string_unicode": "Must not hold control characters or broken Unicode.",
    "string_too_short": "Must not be empty.",
    "string_too_long": "Must have at most {max_length} characters.",
    "string_pattern_mismatch": "Is not written as it must be. See the documentation of this field.",
    "bool_type": "Must be true or false.",
    "int_type": "Must be a whole number.",
    "greater_than_equal": "Must be at least {ge}.",
    "less_than_equal": "Must be at most {le}.",
    "list_type": "Must be a list.",
    "too_long": "Must have at most {max_length} items.",
    "too_short": "Must have at least {min_length} items.",
    "literal_error": "Must be one of {expected}.",
    "model_type": "Must be an object.",
    "model_attributes_type": "Must be an object.",
    "value_error": "{error}",
}
_PLACED_AT_PARENT = {"extra_forbidden", "invalid_key"}

Model = TypeVar("Model", bound=BaseModel)


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
    listed = (_fault(dict(error), at) for error in refused.errors(include_input=False, include_url=False))
    return tuple(dict.fromkeys(listed))


def _fault(error: dict[str, Any], at: str) -> tuple[str, str]:
    places = [str(part) for part in error["loc"] if not str(part).startswith(TAG)]
    if error["type"] in _PLACED_AT_PARENT:
        places = places[:-1]
    sentence = _SENTENCES.get(error["type"], "Is not valid.")
    return at + "".join(f"/{place}" for place in places), sentence.format(**error.get("ctx", {}))
