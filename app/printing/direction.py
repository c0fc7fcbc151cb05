"""The direction of text: what is printed stands in the order in which it was written.

A character in a name can turn around the rest of its line, and with it an NHS number or a date of birth
beside the name. So it stands as its Unicode number, on pages and in PDFs alike. A name in a script that runs
from right to left needs none of these: it only has to be kept apart from what stands beside it, which
templates and style sheets do.
"""

import re
from html import escape
from typing import Any, Final

_TURNING: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What turns the direction of a line around: printed as its number, or a word would read as another."""


def as_written(printed: Any) -> Any:
    """Return JSON values with all in the order in which it was written, whatever a text would have."""
    if isinstance(printed, str):
        return _TURNING.sub(lambda found: f"[U+{ord(found[0]):04X}]", printed)
    if isinstance(printed, list):
        return [as_written(one) for one in printed]
    if isinstance(printed, dict):
        return {name: as_written(one) for name, one in printed.items()}
    return printed


def in_html(text: str) -> str:
    """Return a text as it stands in a page: nothing of it is markup, and it turns nothing around."""
    return escape(as_written(text))
