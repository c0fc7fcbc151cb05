"""User names: how they are kept, and how they are found.

A name is looked up, throttled and compared only in its folded form, made in this one place: were one
spelling counted apart from another, trying both would double the attempts.
"""

import re
import unicodedata

from app.core.errors import InvalidRequestError

# Begins with a letter or digit: no spreadsheet takes an exported name for a formula.
_ALLOWED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{2,63}")
_RULE = "Use 3 to 64 of: letters a to z, digits, and . _ @ -; begin with a letter or a digit."


def normalise_username(given: str) -> str:
    """Return a new user name as it is kept and shown.

    Raises:
        InvalidRequestError: It holds something else than the letters allowed.
    """
    name = unicodedata.normalize("NFKC", given).strip()
    if not _ALLOWED.fullmatch(name):
        raise InvalidRequestError(("/username", _RULE))
    return name


def fold_username(given: str) -> str:
    """Return the form in which a user name is looked up: case and surrounding spaces do not count.

    Refuses nothing: at a sign-in a name that could never exist is just an unknown one.
    """
    return unicodedata.normalize("NFKC", given).strip().casefold()
