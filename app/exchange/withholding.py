"""Taking words out of what is shown of somebody: at a path, or wherever they stand.

An item is a record with its versions, or what is held about the resident beside records. Only members in
which people wrote something are searched; ids and instants are not. A file is searched if it is
plain text.
"""

import binascii
import re
import sys
import unicodedata
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import orjson

JsonObject = dict[str, Any]

WITHHELD = "[withheld: third party]"
_SEARCHED = (
    *("body", "amendment_reason", "identity", "identifiers", "room", "history", "hold"),
    "erasures_asked_for",
)
"""Members in which people wrote something."""
_BYTES = "content_base64"
LEAST_LETTERS = 3
"""Shorter words stand inside too many others."""
_WORD, _LONG_WORD, _ANY_WORD = re.compile(r"\w{3,}"), re.compile(r"\w{5,}"), re.compile(r"\w+")
_FEW_WORDS = 6


def copied(item: JsonObject) -> JsonObject:
    """Return a copy, which may be changed."""
    copied: JsonObject = orjson.loads(orjson.dumps(item))
    return copied


def holders(item: JsonObject) -> list[JsonObject]:
    """Return what paths begin at: each version of a record, and the item itself for what has none."""
    versions: list[JsonObject] = item.get("versions", [])
    return [*versions, item]


def withhold_at(holder: JsonObject, path: str) -> list[str]:
    """Replace everything at a JSON pointer; return the texts that stood there."""
    *before, last = [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]
    if (before or [last])[0] not in _SEARCHED:
        return []
    inside: Any = holder
    for part in before:
        inside = _inside(inside, part)
    there = _inside(inside, last)
    if there is None:
        return []
    inside[int(last) if isinstance(inside, list) else last] = _emptied(there)
    if last == _BYTES:
        return [_text_in(there, str(holder.get("body", {}).get("media_type", ""))) or ""]
    return [text for _, text in _leaves("", there)]


def _inside(value: Any, part: str) -> Any:
    if isinstance(value, dict):
        return value.get(part)
    if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
        return value[int(part)]
    return None


def _emptied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _emptied(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_emptied(one) for one in value]
    return WITHHELD


def replace_words(holder: JsonObject, pattern: re.Pattern[str]) -> int:
    """Replace words wherever they stand; return how often they stood there."""
    count = 0

    def put(text: str) -> str:
        nonlocal count
        parts = [pattern.subn(WITHHELD, part) for part in _normal(text).split(WITHHELD)]
        met = sum(one for _, one in parts)
        count += met
        return WITHHELD.join(part for part, _ in parts) if met else text

    def put_bytes(encoded: str, media_type: str) -> str:
        text = _text_in(encoded, media_type)
        if text is None or not pattern.search(_normal(text)):
            return encoded
        return b64encode(put(text).encode()).decode()

    for name in _SEARCHED:
        if name in holder:
            holder[name] = _mapped(holder[name], put, put_bytes)
    return count


def _mapped(value: Any, put: Callable[[str], str], put_bytes: Callable[[str, str], str]) -> Any:
    if isinstance(value, str):
        return put(value)
    if isinstance(value, list):
        return [_mapped(one, put, put_bytes) for one in value]
    if isinstance(value, dict):
        mapped = {name: _mapped(one, put, put_bytes) for name, one in value.items() if name != _BYTES}
        if _BYTES in value:
            encoded = value[_BYTES]
            media_type = str(value.get("media_type", ""))
            mapped[_BYTES] = put_bytes(encoded, media_type) if isinstance(encoded, str) else encoded
        return mapped
    return value


def texts(item: JsonObject) -> Iterator[tuple[str, str]]:
    """Yield every text of an item that somebody wrote, with its path, also those in plain text files."""
    for n, holder in enumerate(holders(item)):
        at = f"version {holder.get('version', n)} " if "versions" in item and holder is not item else ""
        for name in _SEARCHED:
            if name in holder:
                yield from ((at + path, text) for path, text in _leaves(f"/{name}", holder[name]))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for n, one in enumerate(value):
            yield from _leaves(f"{path}/{n}", one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name != _BYTES:
                yield from _leaves(f"{path}/{name}", one)
            elif (text := _text_in(one, str(value.get("media_type", "")))) is not None:
                yield f"{path}/{name}", text
    elif value is not None:
        yield path, str(value)


def _text_in(encoded: Any, media_type: str) -> str | None:
    """Return the text of a file that is plain text."""
    if not isinstance(encoded, str) or not media_type.startswith(("text/", "application/json")):
        return None
    try:
        return b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


@cache
def pattern_of(text: str) -> re.Pattern[str]:
    """Return what finds words however they are spaced and whichever of their letters are large.

    Very short ones are found as whole words: `Jo`, not `Joan`.
    """
    found = r"\s+".join(map(re.escape, _normal(text).split()))
    return re.compile(rf"(?<!\w){found}(?!\w)" if is_short(text) else found, re.IGNORECASE)


def is_short(text: str) -> bool:
    """Say whether a text is too short to be looked for inside other words."""
    return len(folded(text)) < LEAST_LETTERS


def _normal(text: str) -> str:
    """Return a text as it is seen: letters composed, without characters that nobody sees."""
    return text if text.isascii() else unicodedata.normalize("NFC", text.translate(_invisible()))


@cache
def _invisible() -> dict[int, None]:
    """Return the format characters, and other code points that are drawn as nothing."""
    fillers = (0x034F, 0x115F, 0x1160, 0x3164, 0xFFA0)
    variants = (*range(0x180B, 0x180E), *range(0xFE00, 0xFE10))
    formatting = (one for one in range(sys.maxunicode + 1) if unicodedata.category(chr(one)) == "Cf")
    return dict.fromkeys((*fillers, *variants, *formatting))


def folded(text: str) -> str:
    """Return what a text is compared by."""
    return " ".join(_normal(text).casefold().split())


def words(text: str) -> set[str]:
    """Return the words that may give somebody away: of a long text only the long ones."""
    shape = _WORD if len(text.split()) <= _FEW_WORDS else _LONG_WORD
    return set(shape.findall(folded(text))) if text != WITHHELD else set()


def chosen_words(text: str) -> set[str]:
    """Return those of a text that a person wants withheld, however short it is."""
    return set(_ANY_WORD.findall(folded(text))) if is_short(text) else words(text)


def said(original: Any) -> set[str]:
    """Return all words of the original of an import, and the names of its members."""
    if isinstance(original, dict):
        inside = [said(one) for one in original.values()]
        return set(original).union(*inside)
    if isinstance(original, list):
        return set[str]().union(*map(said, original))
    return set(_ANY_WORD.findall(folded(str(original))))
