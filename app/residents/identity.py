"""Who a resident is: names, sex, date of birth and NHS number, and how they are looked up."""

import re
import unicodedata
from datetime import date
from typing import Annotated, Any, Literal

from nhs_number.validate import is_valid
from pydantic import AfterValidator, Field

from app.core.errors import InvalidRequestError
from app.residents.refusals import FaultError, read
from app.residents.texts import Body, Day, Line, Maybe, read_day

EARLIEST_BIRTH = date(1880, 1, 1)
LONGEST_NUMBER = 64
"""Letters of an NHS number, with whatever stands between its digits."""
Sex = Literal["female", "male", "other", "unknown"]
"""Administrative gender, in the words of FHIR."""

# Only ASCII digits: Python's \d would let ten Arabic or Thai digits through
_TEN_DIGITS = re.compile("[0-9]{10}")

# Space, hyphens and apostrophes of every kind people type into names and numbers. Removed before and
# after NFKC, which turns the acute accent standing alone into a space and a combining mark
_UNSAID = re.compile(
    "[\\s\u00ad\u200b-\u200d\u2060\ufeff"  # white space, soft hyphen, zero width
    "\\-\u058a\u2010-\u2015\u2043\u2212\ufe58\ufe63\uff0d"  # hyphens, dashes, minus
    "'`\u00b4\u02b9\u02bb-\u02bd\u02c8\u02ca\u02cb\u055a\u2018-\u201b\u2032\u2035\ua78c\uff07\uff40]"
)


def read_nhs_number(text: str) -> str:
    """Return the ten digits of an NHS number. Spaces and hyphens do not count, nor the width of digits.

    Raises:
        FaultError: It is not ten digits, or the check digit (modulus 11) is wrong.
    """
    digits = fold_name(text) if len(text) <= LONGEST_NUMBER else ""
    if not _TEN_DIGITS.fullmatch(digits):
        raise FaultError("Must be ten digits, in groups of 3, 3 and 4 if you like.")
    if not is_valid(digits):
        raise FaultError("Is not an NHS number: its check digit does not fit. Compare it with the source.")
    return digits


def fold_name(text: str) -> str:
    """Return what a name is compared by: `O'Neill`, `O’NEILL` and `o neill` are one.

    NFKC and case folding, without spaces, hyphens and apostrophes. Accents stay: an
    `é` is another letter than an `e`.
    """
    bare = unicodedata.normalize("NFKC", _UNSAID.sub("", text))
    return _UNSAID.sub("", unicodedata.normalize("NFKC", bare.casefold()))


class Identity(Body):
    """What a resident is called. Every role that sees residents sees this."""

    given_name: Line
    family_name: Line
    preferred_name: Maybe[Line] = None
    sex: Maybe[Sex] = None


NhsNumber = Annotated[str, Field(max_length=LONGEST_NUMBER), AfterValidator(read_nhs_number)]


class Identifiers(Body):
    """What tells a resident apart from everybody else: not for the kitchen."""

    date_of_birth: Day
    nhs_number: Maybe[NhsNumber] = None


def parse_identity(raw: Any, at: str = "/identity") -> Identity:
    """Return the identity a caller sent.

    Raises:
        InvalidRequestError: With a JSON pointer from `at` and a sentence for each fault.
    """
    return read(Identity, raw, at)


def parse_identifiers(raw: Any, on: date, at: str = "/identifiers") -> Identifiers:
    """Return the identifiers a caller sent on a day.

    Args:
        raw: The decoded JSON value.
        on: The present day: nobody is born after it.
        at: JSON pointer of the value in the request.

    Raises:
        InvalidRequestError: With a JSON pointer from `at` and a sentence for each fault.
    """
    identifiers = read(Identifiers, raw, at)
    born = read_day(identifiers.date_of_birth)
    if not EARLIEST_BIRTH <= born <= on:
        sentence = f"Must lie between {EARLIEST_BIRTH.isoformat()} and today."
        raise InvalidRequestError((f"{at}/date_of_birth", sentence))
    return identifiers
