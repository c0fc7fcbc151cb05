"""Decimals as they are written: FHIR has a decimal keep its precision, and JSON libraries make floats of it.

`98.10` was measured to the second place, `98.1` was not. Source: hl7.org/fhir/R4/datatypes.html#decimal.
"""

import re
from decimal import Decimal

import orjson

PLAIN = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")
"""A decimal as a record may hold it."""


class Exact(float):
    """A decimal with its own digits, which are its text; to whatever knows only floats it is one."""

    def __init__(self, text: str) -> None:
        self._text = format(Decimal(text), "f")

    def __str__(self) -> str:
        """Return the digits."""
        return self._text


def read(text: str) -> float:
    """Return a number of a JSON text, for `json.loads`: what a record cannot hold is read as ever."""
    return Exact(text) if PLAIN.fullmatch(text) else float(text)


def written(value: object) -> orjson.Fragment:
    """Return a decimal in its own digits, for `orjson.dumps`."""
    if isinstance(value, Exact):
        return orjson.Fragment(str(value))
    raise TypeError(f"{type(value).__name__} is no value of JSON")


def is_kept_by_floats(text: str) -> bool:
    """Say whether a reader who makes a float of a decimal has the same value."""
    return Decimal(repr(float(text))) == Decimal(text)
