"""Characters that no font here can show, spelled as their Unicode numbers: `[U+8001]`.

Care workers write names in the script of the person, and emoji. A reader of paper is told that something
stands there and what it is; a character that silently vanished from a name could be taken for the name.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, Final

_CONTROL: Final = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\ufffe"
"""No picture in any font, whatever it says, or not allowed in PDF/UA; not tabs and the ends of lines."""
_TAB: Final = "    "
"""A tab has a width and no picture; at the end of a line some fonts fail over it."""
_JOINING: Final = ("M", "Cf", "Sk")
"""Marks, joiners and modifiers: what is drawn onto, or into, the character before."""
_SHAPING: Final = ("Cf", "Me", "Zl", "Zp")
_SELECTORS: Final = frozenset(map(chr, range(0xFE00, 0xFE10)))


class Spelling:
    """Text as it can be printed, with a count of what was spelled.

    Attributes:
        count: How many characters were spelled so far.
        first: The first of them, as it was spelled.
    """

    def __init__(self, unshown: Iterable[str]) -> None:
        """Begin.

        Args:
            unshown: Characters to spell; control characters and the like always are.
        """
        self.count, self.first = 0, ""
        escaped = "".join(re.escape(one) for one in sorted(unshown))
        self._pattern = re.compile(f"[{_CONTROL}{escaped}]+")

    def of(self, told: Any) -> Any:
        """Return JSON values with every text in them as it can be printed."""
        if isinstance(told, str):
            return self._pattern.sub(self._spelled, told.replace("\t", _TAB))
        if isinstance(told, list):
            return [self.of(one) for one in told]
        if isinstance(told, dict):
            return {name: self.of(one) for name, one in told.items()}
        return told

    def _spelled(self, found: re.Match[str]) -> str:
        numbers = [f"U+{ord(one):04X}" for one in found[0]]
        self.count += len(numbers)
        self.first = self.first or f"[{numbers[0]}]"
        return f"[{' '.join(numbers)}]"

    def __str__(self) -> str:
        """Return what a reader is told of it; nothing where all is shown."""
        if not self.count:
            return ""
        return (
            f"Characters that no font has where this was made: {self.count}. Each stands as its Unicode"
            f" number in square brackets, such as {self.first}. What is recorded is unchanged."
        )


def joining(characters: Iterable[str]) -> Iterator[str]:
    """Yield those that are drawn onto or into another, which is not shown either where they cannot be."""
    return (one for one in characters if unicodedata.category(one).startswith(_JOINING))


def shaping(characters: Iterable[str]) -> Iterator[str]:
    """Yield those without a picture that turn, join, part or enclose others: typesetting trips over them."""
    return (one for one in characters if unicodedata.category(one) in _SHAPING or one in _SELECTORS)
