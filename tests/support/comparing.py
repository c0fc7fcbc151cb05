"""Comparing two playings of one history: ids differ, what they stand for does not."""

import re
from typing import Any

import orjson

from tests.support.playing import Played, Seen

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NEXT = re.compile(r'"next_cursor":"[^"]+"')
_HASH = re.compile(r"[0-9a-f]{64}")
# Activity is written down at the end of a turn, and at most once in 2.5 % of the idle time: never exact
_ABOUT = re.compile(r'"seen_at":"[^"]+"')


class Labels:
    """Names ids by the order in which they appear."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __call__(self, value: Any) -> Any:
        """Return a JSON value with each id replaced by its label."""
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=repr).decode()
        text = _ID.sub(lambda found: self._known.setdefault(found[0], f"id{len(self._known)}"), text)
        text = _ABOUT.sub('"seen_at":"about now"', _NEXT.sub('"next_cursor":"more"', text))
        return orjson.loads(_HASH.sub("hash", text))


def differences(first: Played, second: Played, most: int = 20) -> list[str]:
    """Return in what two playings differ; nothing when they are alike."""
    one, other = Labels(), Labels()
    found: list[str] = []
    for place in sorted(first.seen.keys() | second.seen.keys()):
        a, b = one(_members(first.seen.get(place))), other(_members(second.seen.get(place)))
        if a != b:
            found.append(f"visit {place}: {unlike(a, b)}")
    found += _chains(first, second, one, other)
    for name in first.tables:
        a, b = _rows(first, name, one), _rows(second, name, other)
        if a != b:
            found.append(f"table {name}: {unlike(a, b)}")
    return found[:most]


def _rows(played: Played, table: str, label: Labels) -> list[str]:
    return sorted(repr(label(row)) for row in played.tables[table])


def _members(seen: Seen | None) -> dict[str, Any]:
    return seen._asdict() if seen is not None else {}


def _chains(first: Played, second: Played, one: Labels, other: Labels) -> list[str]:
    found: list[str] = []
    for org in first.chains:
        entries = [
            [label(_comparable(entry)) for entry in played.chains[org]]
            for played, label in ((first, one), (second, other))
        ]
        if len(entries[0]) != len(entries[1]):
            found.append(f"chain {org}: {len(entries[0])} / {len(entries[1])} entries")
        pairs = enumerate(zip(*entries, strict=False))
        found += [f"entry {org}/{seq}: {unlike(a, b)}" for seq, (a, b) in pairs if a != b]
    return found


def _comparable(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "id"}


def unlike(one: Any, other: Any, path: str = "") -> str:
    """Return the first place where two JSON values differ, and what stands there."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            if one.get(name) != other.get(name):
                return unlike(one.get(name), other.get(name), f"{path}/{name}")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for n, (a, b) in enumerate(zip(one, other, strict=True)):
            if a != b:
                return unlike(a, b, f"{path}/{n}")
    return f"{path} {one!r:.300} / {other!r:.300}"
