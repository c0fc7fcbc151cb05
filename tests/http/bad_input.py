"""Bodies no operation takes: each with what must come of it, on both databases alike."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import orjson

JSON = {"Content-Type": "application/json"}
MEBIBYTE = 1024 * 1024
CANARY = "verräterisch"
"""Stands in every bad body that can hold it: no answer may repeat it."""


class Bad(NamedTuple):
    """One bad request body. `unread`: it must be refused as JSON, before its fields are looked at."""

    name: str
    status: int
    content: bytes
    headers: dict[str, str] = JSON
    unread: bool = False


def _with(member: str, body: dict[str, Any]) -> bytes:
    """Return a valid body with one more member, as it stands."""
    text = orjson.dumps(body).decode()
    return (text[:-1] + ("," if body else "") + member + "}").encode("utf-8", "surrogatepass")


def bad_texts(body: dict[str, Any]) -> Iterator[Bad]:
    """Give what is no strict JSON, or JSON one of the two databases could not keep."""
    members = {
        "NUL": r'"x": "a\u0000b"',
        "NUL in a key": r'"a\u0000b": 1',
        "NUL as it is": '"x": "a\x00b"',
        "control character": '"x": "a\x1bb"',
        "high surrogate": r'"x": "\ud800"',
        "low surrogate": r'"x": "\udc00"',
        "surrogates the wrong way round": r'"x": "\udc00\ud800"',
        "surrogate in a key": r'"\udfff": 1',
        "surrogate as bytes": '"x": "\ud800"',
        "NaN": '"x": NaN',
        "Infinity": '"x": Infinity',
        "-Infinity": '"x": -Infinity',
        "1e400": '"x": 1e400',
        "-1e400": '"x": -1e400',
        "2^53": f'"x": {2**53}',
        "-2^63": f'"x": {-(2**63)}',
        "5,000 digits": f'"x": {"7" * 5_000}',
        "5,000 digits of a fraction": f'"x": 0.{"7" * 5_000}',
        "leading zero": '"x": 007',
        "plus sign": '"x": +7',
        "hexadecimal": '"x": 0x7',
        "duplicate key": '"x": 1, "x": 2',
        "duplicate key, nested": '"x": {"y": 1, "y": 2}',
        "duplicate key, escaped": r'"x": 1, "\u0078": 2',
        "deep lists": f'"x": {"[" * 33}{"]" * 33}',
        "very deep lists": f'"x": {"[" * 100_000}{"]" * 100_000}',
        "deep objects": f'"x": {"{" + chr(34) + "y" + chr(34) + ":"}' * 40 + "1" + "}" * 40,
        "many keys": ",".join(f'"k{n}": {n}' for n in range(20_000)),
        "many values": f'"x": [{",".join("0" * 20_000)}]',
        "trailing comma": '"x": 1,',
        "comment": '"x": 1 /* why */',
        "single quotes": "'x': 1",
    }
    for name, member in members.items():
        yield Bad(name, 422, _with(member, body), unread=True)
    yield Bad("unknown field", 422, _with(f'"{CANARY}": "{CANARY}"', body))
    yield Bad("unknown field, known elsewhere", 422, _with('"__proto__": {"admin": true}', body))


def bad_wholes(body: dict[str, Any]) -> Iterator[Bad]:
    """Give bodies that are wrong as a whole."""
    good = orjson.dumps(body)
    text = good.decode()
    unread = {
        "blank": b"  \n",
        "half": good[: len(good) // 2],
        "twice": good + good,
        "garbage after": good + b" " + CANARY.encode(),
        "NaN": b"NaN",
        "byte order mark": b"\xef\xbb\xbf" + good,
        "UTF-16": text.encode("utf-16"),
        "UTF-32": text.encode("utf-32"),
        "Latin-1": '{"x": "ä"}'.encode("latin-1"),
        "overlong UTF-8": b'{"x": "\xc0\xaf"}',
        "NUL after": good + b"\x00",
        "form": b"x=1",
        "deep objects": b'{"x":' * 50_000 + b"1" + b"}" * 50_000,
        "open lists": b"[" * 200_000,
    }
    other_kinds = {
        "nothing": b"",
        "null": b"null",
        "list": b"[]",
        "list of it": b"[" + good + b"]",
        "text": b'"x"',
        "number": b"7",
        "true": b"true",
    }
    for name, content in unread.items():
        yield Bad(f"whole: {name}", 422, content, unread=True)
    for name, content in other_kinds.items():
        yield Bad(f"whole: {name}", 422, content)


def bad_media(body: dict[str, Any]) -> Iterator[Bad]:
    """Give good bodies under a wrong flag."""
    good = orjson.dumps(body)
    for media in (
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
        "application/json; charset=utf-16",
        "application/json; x=1",
        "application/jsonp",
        "application/xml",
        "application/octet-stream",
        "*/*",
        "json",
    ):
        yield Bad(f"media: {media}", 415, good, {"Content-Type": media})
    yield Bad("media: none", 415, good, {})
    packed: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "identity": bytes,
        "br": bytes,
        "gzip, gzip": lambda raw: gzip.compress(gzip.compress(raw)),
    }
    for coding, pack in packed.items():
        yield Bad(f"coding: {coding}", 415, pack(good), JSON | {"Content-Encoding": coding})
    bomb = gzip.compress(b'{"x": "' + b" " * (8 * MEBIBYTE) + b'"}')
    yield Bad("coding: a bomb", 415, bomb, JSON | {"Content-Encoding": "gzip"})


def all_bad(body: dict[str, Any]) -> list[Bad]:
    """Return every bad body made from a good one."""
    return [*bad_texts(body), *bad_wholes(body), *bad_media(body)]
