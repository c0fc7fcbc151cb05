"""A line of the trail: the exact bytes that are stored, hashed and exported.

    {"c":{"org":O,"prev":P,"seq":N,"ts":T},"e":{...}}

`e` is what happened, written in canonical form (RFC 8785) by whoever reports it; `c` is its place
in the chain, put around it by the head of the chain. As "c" sorts before "e", the whole is
canonical without being written again. The profile is narrower than RFC 8785 - no floats, integers
below 2^53, keys of `[a-z0-9_]` - so that no two JSON libraries can disagree about a byte.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from app.audit.merkle import leaf_hash
from app.core.errors import CaretrailError

INTEGER_LIMIT = 2**53
_KEY = re.compile("[a-z0-9_]+", re.ASCII)
_ORGANISATION = re.compile("[A-Za-z0-9._-]{1,64}", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_LINK = re.compile("[0-9a-f]{64}", re.ASCII)
# orjson itself refuses integers past 53 bits, lone surrogates, keys that are no text; the
# pass-through options make it refuse what it would otherwise turn into text on its own.
_CANONICAL = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_STRICT_INTEGER
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
)

leaf = leaf_hash
"""The leaf of a line (without its newline): SHA-256(0x00 || line)."""


class LineBrokenError(CaretrailError):
    """Bytes that are no line of a trail, or an event that cannot become one."""

    def __init__(self, reason: str) -> None:
        super().__init__(why="line-broken: " + reason)


@dataclass(frozen=True, slots=True)
class Line:
    """A line, read."""

    org: str
    seq: int
    ts: str
    prev: str
    event: dict[str, Any]


def genesis(org: str) -> str:
    """Return what line 0 of an organisation's chain names as the line before it."""
    return sha256(b"caretrail/v1 genesis\n" + org.encode()).hexdigest()


def canonical(event: dict[str, Any]) -> bytes:
    """Return the canonical bytes of an event.

    Runs for every entry, so it trusts its callers to name keys in `[a-z0-9_]` (`check_profile`
    checks that in the tests and in `read`) and refuses only what could come in with data.

    Raises:
        LineBrokenError: The event holds a float, an integer past 53 bits, text that is not
            Unicode, or something that is not JSON at all.
    """
    _refuse_floats(event.values())
    try:
        return orjson.dumps(event, option=_CANONICAL)
    except TypeError as error:
        raise LineBrokenError("the event cannot be written") from error


_PLAIN = {str, int, bool, type(None)}


def _refuse_floats(values: Any) -> None:
    # orjson would write 1.0 as it likes and NaN as null
    if _PLAIN.issuperset(map(type, values)):
        return
    for value in values:
        kind = type(value)
        if kind is dict:
            _refuse_floats(value.values())
        elif kind is list or kind is tuple:
            _refuse_floats(value)
        elif not (value is None or isinstance(value, str | int)):
            raise LineBrokenError("a value is neither text, integer, boolean, null, list nor object")


def splice(org: str, seq: int, ts: str, prev: str, event: bytes) -> bytes:
    """Return the line of an event in its place.

    Args:
        org: The chain: the organisation's id or `system`.
        seq: Number of the line, from 0.
        ts: The instant in its one spelling (`core.clock.spell`).
        prev: Hex of the leaf of the line before, or `genesis(org)`.
        event: What `canonical` returned.
    """
    place = f'{{"c":{{"org":"{org}","prev":"{prev}","seq":{seq},"ts":"{ts}"}},"e":'
    return place.encode() + event + b"}"


def read(line: bytes) -> Line:
    """Return a line taken apart.

    Raises:
        LineBrokenError: The bytes are not exactly a canonical line.
    """
    try:
        whole = orjson.loads(line)
    except ValueError as error:
        raise LineBrokenError("not JSON") from error
    check_profile(whole)
    found = _parts(whole)
    # Written again it must be the same bytes: spaces, other escapes or orders, double keys are not.
    if splice(found.org, found.seq, found.ts, found.prev, canonical(found.event)) != line:
        raise LineBrokenError("not canonical")
    return found


def _parts(whole: Any) -> Line:
    match whole:
        case {"c": {"org": str(org), "prev": str(prev), "seq": int(seq), "ts": str(ts)}, "e": dict(event)}:
            shapes = _ORGANISATION.fullmatch(org), _LINK.fullmatch(prev), _INSTANT.fullmatch(ts)
            if all(shapes) and type(seq) is int and seq >= 0:
                return Line(org, seq, ts, prev, event)
    raise LineBrokenError("not the shape of a line")


def check_profile(value: Any) -> None:
    """Refuse a JSON value outside the trail's profile of RFC 8785.

    Raises:
        LineBrokenError: A float, an integer past 53 bits, a key outside `[a-z0-9_]`, text with
            a lone surrogate, or something JSON does not know.
    """
    kind = type(value)
    if kind is str:
        _check_text(value)
    elif kind is dict:
        for key, inner in value.items():
            _check_key(key)
            check_profile(inner)
    elif kind is list:
        for inner in value:
            check_profile(inner)
    elif not (value is None or kind is bool or (kind is int and abs(value) < INTEGER_LIMIT)):
        raise LineBrokenError(f"{kind.__name__} is outside the profile")


def _check_key(key: Any) -> None:
    if not (isinstance(key, str) and _KEY.fullmatch(key)):
        raise LineBrokenError("a key is not of [a-z0-9_]")


def _check_text(text: str) -> None:
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise LineBrokenError("text holds a lone surrogate")
