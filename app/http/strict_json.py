"""What clients send, read strictly: JSON bodies and the headers of the contract.

Python's JSON reader takes more than JSON and more than both databases can hold: NaN, the last
of two equal keys, half a surrogate pair, NUL, 4,300-digit integers, a thousand levels. Two
readers that differ on such input can be played against each other, so each of these is refused
here, before any other code sees the body. Refusals never repeat what was sent.
"""

import codecs
import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Literal, NoReturn, cast, get_args
from urllib.parse import unquote_to_bytes

from starlette.datastructures import Headers

from app.core.errors import InvalidRequestError, PreconditionRequiredError, TokenInvalidError

GREATEST_WHOLE_NUMBER = 2**53 - 1
"""The greatest integer every JSON reader keeps exactly (RFC 8259, section 6)."""
DEEPEST_NESTING = 32
MOST_VALUES = 10_000
"""Values and keys of one body, counted together."""
LONGEST_NUMBER = 32
LONGEST_REASON = 500
LONGEST_TOKEN = 4096

Purpose = Literal[
    "care", "emergency", "administration", "subject-access", "safeguarding", "audit", "research"
]

_PURPOSES = get_args(Purpose)
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_PERCENT_ENCODED = re.compile(r"(?:[ !-$&-~]|%[0-9A-Fa-f]{2})*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")
_STRONG_VERSION = re.compile(r'"([1-9][0-9]{0,17})"')
_BEARER = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)")


def loads(body: bytes) -> object:
    """Return the value of a JSON body.

    Raises:
        InvalidRequestError: It is not strict JSON in UTF-8, or beyond the limits above.
    """
    if body.startswith(codecs.BOM_UTF8):
        _refuse("The body starts with a byte order mark. Send UTF-8 without one.")
    marks = _marks(body)
    if marks >= MOST_VALUES and _surely_too_many(body):
        _refuse(f"The body holds more than {MOST_VALUES} values.")
    value = _parsed(_decoded(body))
    # Bounds from above that cost almost nothing: most bodies need no walk through the tree.
    if marks >= MOST_VALUES or b"\\u" in body or marks > DEEPEST_NESTING < _brackets(body):
        _walk(value)
    return value


def _refuse(sentence: str) -> NoReturn:
    raise InvalidRequestError(detail=sentence)


def _marks(body: bytes) -> int:
    """Count the marks that stand before a value or a key: never fewer than values and keys, less one."""
    return _brackets(body) + body.count(b",") + body.count(b":")


def _brackets(body: bytes) -> int:
    """Count the marks that begin a level: never fewer than there are levels."""
    return body.count(b"[") + body.count(b"{")


def _surely_too_many(body: bytes) -> bool:
    """Say whether there are too many values, without building them (8 MiB of `0,` cost a second)."""
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if unescaped.count(b'"') > 2 * MOST_VALUES:
        return True
    outside_strings = b"".join(unescaped.split(b'"')[::2])
    # each value is announced by at most two marks: the one before it and its own bracket
    return _marks(outside_strings) > 2 * MOST_VALUES


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise InvalidRequestError(detail="The body is not UTF-8.") from None


def _parsed(text: str) -> object:
    try:
        return cast(object, _READER.decode(text))
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise InvalidRequestError(detail=f"The body is not valid JSON. Look at {at}.") from None
    except RecursionError:
        raise InvalidRequestError(detail=_TOO_DEEP) from None


_TOO_DEEP = f"The body is nested deeper than {DEEPEST_NESTING} levels."


def _walk(top: object) -> None:
    """Refuse a tree that is too deep or too large, or holds text no database can keep."""
    level, depth, seen = [top], 0, 0
    while level:
        depth, seen = depth + 1, seen + len(level)
        below: list[object] = []
        for item in level:
            if isinstance(item, str):
                _refuse_unstorable(item)
            elif isinstance(item, dict | list):
                if depth > DEEPEST_NESTING:
                    _refuse(_TOO_DEEP)
                below += item
                below += item.values() if isinstance(item, dict) else ()
        if seen > MOST_VALUES:
            _refuse(f"The body holds more than {MOST_VALUES} values.")
        level = below


def _refuse_unstorable(text: str) -> None:
    """Refuse NUL and half surrogate pairs: one database stores them, the other does not."""
    if "\x00" in text:
        _refuse("A text in the body holds the character NUL.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequestError(detail="A text in the body holds half a surrogate pair.") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        _refuse("An object in the body has the same key twice.")
    return members


def _whole(digits: str) -> int:
    # the length first: turning a long string of digits into a number is quadratic
    if len(digits) > LONGEST_NUMBER or abs(number := int(digits)) > GREATEST_WHOLE_NUMBER:
        _refuse("A whole number in the body is beyond 2^53 - 1. Send ids and amounts as text.")
    return number


def _fraction(digits: str) -> float:
    if len(digits) > LONGEST_NUMBER or not math.isfinite(number := float(digits)):
        _refuse("A number in the body is too large or has too many digits. Send amounts as text.")
    return number


def _constant(_: str) -> NoReturn:
    _refuse("The body is not valid JSON: NaN and Infinity are no JSON values.")


_READER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_whole, parse_float=_fraction, parse_constant=_constant
)


def parse_header_text(encoded: str, header: str = "Audit-Reason") -> str:
    """Return the text of a percent-encoded UTF-8 header value.

    Raises:
        InvalidRequestError: Not percent-encoded UTF-8, blank, longer than 500 characters or
            holding control characters; the pointer names the header.
    """
    # four bytes of UTF-8, three letters each, are the most one character can take
    if len(encoded) > LONGEST_REASON * 12 or not _PERCENT_ENCODED.fullmatch(encoded):
        _refuse_header(header, f"Send percent-encoded UTF-8, at most {LONGEST_REASON} characters.")
    try:
        text = unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        raise _header_error(header, "The percent-encoded bytes are not UTF-8.") from None
    if not 0 < len(text) <= LONGEST_REASON or text.isspace():
        _refuse_header(header, f"Send between 1 and {LONGEST_REASON} characters.")
    if _CONTROL.search(text):
        _refuse_header(header, "Send one line of text without control characters.")
    return text


def audit_reason(headers: Headers) -> str | None:
    """Return the decoded `Audit-Reason`, or None when there is none."""
    encoded = _single(headers, "Audit-Reason")
    return None if encoded is None else parse_header_text(encoded)


def audit_purpose(headers: Headers) -> Purpose:
    """Return the declared `Audit-Purpose`; without one it is care."""
    purpose = _single(headers, "Audit-Purpose")
    if purpose is not None and purpose not in _PURPOSES:
        _refuse_header("Audit-Purpose", "Send one of: " + ", ".join(_PURPOSES) + ".")
    return cast(Purpose, purpose or "care")


def idempotency_key(headers: Headers) -> str | None:
    """Return the `Idempotency-Key`, or None when there is none."""
    key = _single(headers, "Idempotency-Key")
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        _refuse_header("Idempotency-Key", "Send 1 to 255 visible ASCII characters.")
    return key


def if_match(headers: Headers) -> int:
    """Return the version named by `If-Match`: one strong ETag, as this service gave it.

    Raises:
        PreconditionRequiredError: There is no `If-Match`.
        InvalidRequestError: `*`, a weak ETag, a list or anything else.
    """
    tag = _single(headers, "If-Match")
    if tag is None:
        raise PreconditionRequiredError
    version = _STRONG_VERSION.fullmatch(tag)
    if version is None:
        _refuse_header("If-Match", "Send the one strong ETag that came with the version you read.")
    return int(version[1])


def bearer_token(headers: Headers) -> str:
    """Return the bearer token of the `Authorization` header, or the one token that several say alike.

    Raises:
        TokenInvalidError: There is none, it is no bearer token, or there are different ones.
    """
    tokens = {_token_in(value) for value in headers.getlist("authorization")}
    token = tokens.pop() if len(tokens) == 1 else None
    if token is None:
        raise TokenInvalidError
    return token


def _token_in(value: str) -> str | None:
    shape = _BEARER.fullmatch(value)
    return shape[1] if shape is not None and len(shape[1]) <= LONGEST_TOKEN else None


def refuse_repeated_credential(headers: Headers) -> None:
    """Refuse more than one `Authorization`, once `bearer_token` has said whose request it is."""
    _single(headers, "Authorization")


def request_id(given: Sequence[bytes], make: Callable[[], str]) -> str:
    """Return the request id the client gave, if it is one well-formed id, else a made one."""
    if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]):
        return given[0].decode("ascii")
    return make()


def _single(headers: Headers, name: str) -> str | None:
    values = headers.getlist(name)
    if len(values) > 1:
        _refuse_header(name, "Send this header once.")
    return values[0] if values else None


def _refuse_header(name: str, sentence: str) -> NoReturn:
    raise _header_error(name, sentence)


def _header_error(name: str, sentence: str) -> InvalidRequestError:
    return InvalidRequestError((f"/headers/{name}", sentence))
