"""Reading a bundle: its entries, each checked to be plain JSON before anybody looks inside.

A resource that is not what FHIR says is never an exception further on: it is either set
aside here with a reason, or read with the tolerant readers of `elements.py`.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from app.core.errors import InvalidRequestError
from app.exchange import exact

JsonObject = dict[str, Any]

BUNDLE_TYPES = ("collection", "transaction", "searchset")
MOST_ENTRIES = 20_000
DEEPEST = 64
_LARGEST_NUMBER = 10**30

_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_TYPE = re.compile(r"[A-Za-z]{1,64}")
_URN_UUID = re.compile(r"urn:uuid:([0-9a-fA-F-]{36})")
_RESTFUL = re.compile(r"(https?://[^#?\s]{1,2000})/([A-Za-z]{1,64})/[A-Za-z0-9.-]{1,64}")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Entry:
    """One resource of the bundle, and where it stands.

    `has_namesakes`: the bundle holds another of its type and id, from another server.
    """

    position: int
    type: str
    id: str
    full_url: str | None
    resource: JsonObject = field(repr=False)
    has_namesakes: bool = False

    @property
    def name(self) -> str:
        """`ResourceType/id`: what a server calls this resource; another may call something else so."""
        return f"{self.type}/{self.id}"

    @property
    def address(self) -> str:
        """The name with the address of the server before it, if that is told: what later runs know it by."""
        return f"{self.base}/{self.name}" if self.base else self.name

    @property
    def key(self) -> str:
        """What names this resource in the plan and in the report: its name, where one alone is called so."""
        return self.address if self.has_namesakes else self.name

    @property
    def base(self) -> str | None:
        """The address of the server the resource came from, if its fullUrl tells."""
        found = _RESTFUL.fullmatch(self.full_url or "")
        return found.group(1) if found else None


@dataclass(frozen=True)
class SetAside:
    """An entry that cannot be read: its place, what can safely be said of it, and why."""

    position: int
    key: str
    code: str
    reason: str


def load(data: bytes) -> Any:
    """Return the JSON value of a file.

    Raises:
        InvalidRequestError: It is not JSON in UTF-8, names a field twice, or nests too deep.
    """
    try:
        return json.loads(
            data.decode(), object_pairs_hook=_each_once, parse_constant=_no_number, parse_float=exact.read
        )
    except (ValueError, RecursionError):
        raise InvalidRequestError(("", "Must be JSON in UTF-8, with every field named once.")) from None


def _each_once(pairs: list[tuple[str, Any]]) -> JsonObject:
    named = dict(pairs)
    if len(named) != len(pairs):
        raise ValueError("a field is named twice")
    return named


def _no_number(_: str) -> Any:
    raise ValueError("NaN and Infinity are no numbers of JSON")


def entries_of(bundle: Any) -> tuple[list[Entry], list[SetAside]]:
    """Return the readable entries of a bundle and those set aside.

    Raises:
        InvalidRequestError: It is no bundle of a kind that can be imported.
    """
    entries: list[Entry] = []
    aside: list[SetAside] = []
    for position, raw in enumerate(_listed(bundle)):
        objection = _objection_to(raw)
        if objection:
            aside.append(SetAside(position, _label(position, raw), *objection))
        else:
            entries.append(_entry(position, raw))
    return _without_twins(entries, aside)


def without_server(key: str) -> str:
    """Return a key, or an address, without the server: `ResourceType/id`, with the facet if it has one."""
    return "/".join(key.rsplit("/", 2)[-2:])


def canonical(value: Any) -> bytes:
    """Return one spelling of a JSON value, so that a second run can tell what has changed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical spelling, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _listed(bundle: Any) -> list[Any]:
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise InvalidRequestError(("/resourceType", "Must be a FHIR R4 Bundle in JSON."))
    if bundle.get("type") not in BUNDLE_TYPES:
        raise InvalidRequestError(("/type", f"Must be one of {', '.join(BUNDLE_TYPES)}."))
    listed = bundle.get("entry", [])
    if not isinstance(listed, list):
        raise InvalidRequestError(("/entry", "Must be a list."))
    if len(listed) > MOST_ENTRIES:
        raise InvalidRequestError(("/entry", f"Must have at most {MOST_ENTRIES} items."))
    return listed


def _objection_to(raw: Any) -> tuple[str, str] | None:
    if not isinstance(raw, dict) or not is_plain(raw):
        return (
            "malformed",
            "It is not plain JSON: an object, not too deep, sound text, numbers of a sane size.",
        )
    request = raw.get("request")
    if isinstance(request, dict) and request.get("method") == "DELETE":
        return "deletion", "The bundle asks to delete it. An import deletes nothing."
    resource = raw.get("resource")
    if not isinstance(resource, dict) or not _type_of(resource):
        return "malformed", "It holds no resource with a resourceType."
    if not _id_of(raw):
        return "no-id", "It has neither an id nor a fullUrl with a UUID: a second run could not know it."
    if resource.get("implicitRules") or _is_modified(resource):
        return "modified-meaning", "It carries a modifier of its meaning that is not understood here."
    return None


def _is_modified(resource: JsonObject) -> bool:
    # FHIR forbids to process what a modifier extension stands in: it may turn "give" into "never give"
    waiting: list[Any] = [resource]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict) and part.get("modifierExtension"):
            return True
        if isinstance(part, dict | list):
            waiting.extend(part.values() if isinstance(part, dict) else part)
    return False


def _entry(position: int, raw: JsonObject) -> Entry:
    full_url = raw.get("fullUrl")
    full_url = full_url if isinstance(full_url, str) else None
    return Entry(position, _type_of(raw["resource"]), _id_of(raw), full_url, raw["resource"])


def _label(position: int, raw: Any) -> str:
    resource = raw.get("resource") if isinstance(raw, dict) else None
    if not isinstance(resource, dict):
        return f"entry {position}"
    kind, known = _type_of(resource) or "unknown", _id_of(raw)
    return f"{kind}/{known}" if known else f"entry {position} ({kind})"


def _type_of(resource: JsonObject) -> str:
    return _matching(_TYPE, resource.get("resourceType"))


def _id_of(raw: JsonObject) -> str:
    found = _URN_UUID.fullmatch(raw["fullUrl"]) if isinstance(raw.get("fullUrl"), str) else None
    return _matching(_ID, raw["resource"].get("id")) or (found.group(1).lower() if found else "")


def is_plain(value: Any) -> bool:
    """Say whether a value is JSON that can be stored: strings sound, numbers finite, not too deep."""
    waiting = [(value, 0)]
    while waiting:
        part, depth = waiting.pop()
        if isinstance(part, dict | list):
            if depth >= DEEPEST:
                return False
            inner = part.values() if isinstance(part, dict) else part
            waiting.extend((one, depth + 1) for one in inner)
            if isinstance(part, dict) and not all(map(_is_sound, part)):
                return False
        elif not _is_plain_leaf(part):
            return False
    return True


def _is_plain_leaf(part: Any) -> bool:
    if isinstance(part, str):
        return _is_sound(part)
    if isinstance(part, float):
        return math.isfinite(part)
    if isinstance(part, int):
        return -_LARGEST_NUMBER < part < _LARGEST_NUMBER
    return part is None


def _is_sound(text: Any) -> bool:
    return isinstance(text, str) and not _SURROGATE.search(text)


def _matching(shape: re.Pattern[str], value: Any) -> str:
    return value if isinstance(value, str) and shape.fullmatch(value) else ""


def _without_twins(entries: list[Entry], aside: list[SetAside]) -> tuple[list[Entry], list[SetAside]]:
    by_name: dict[str, list[Entry]] = {}
    for entry in entries:
        by_name.setdefault(entry.name, []).append(entry)
    kept: list[Entry] = []
    for named in by_name.values():
        for first, *others in _apart(named):
            if _all_alike([first, *others]):
                kept.append(first)
                reason = "The bundle holds it more than once; it is imported once."
                aside += [SetAside(other.position, other.key, "duplicate", reason) for other in others]
            else:
                reason = (
                    "The bundle holds different resources under this id; which one is right cannot be told."
                )
                aside += [
                    SetAside(one.position, one.key, "contradiction", reason) for one in (first, *others)
                ]
    return kept, aside


def _apart(named: list[Entry]) -> Iterable[list[Entry]]:
    """Return resources of one type and id by server: each of several servers may have one of its own."""
    by_server: dict[str | None, list[Entry]] = {}
    for one in named:
        by_server.setdefault(one.base, []).append(one)
    if len(by_server) == 1 or None in by_server or _all_alike(named):
        return [named]
    return [[replace(one, has_namesakes=True) for one in same] for same in by_server.values()]


def _all_alike(entries: list[Entry]) -> bool:
    first, *others = entries
    return not others or {digest(other.resource) for other in others} == {digest(first.resource)}
