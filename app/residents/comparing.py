"""The difference of two versions of a record, held against what the trail says of them.

Both versions are shown to whoever may read the record, so their difference tells nothing more. It is told
only if the trail agrees: each of the two has an entry with the digest of that version, and the values
sealed beside the entry are those by which the version differs from the one before it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson

from app.access.agent import Agent
from app.access.opened import FieldChange, Opened
from app.access.operation import Operation
from app.access.policy import Question
from app.access.work import Answer, Facts
from app.core.errors import NotFoundError, SealBrokenError
from app.residents.boxes import key_of, the_record, unseal_version
from app.residents.recording import record_fields
from app.residents.records import OneRecord, about_record, show_version, versions_of
from app.residents.rows import RecordRow
from app.residents.vouching import entry_of, past_of
from app.trail.changes import Change, values_of
from app.vault.sealing import DataKey

JsonObject = dict[str, Any]
LARGE = frozenset({"content_base64"})
"""Fields of which size and digest are told in place of the value: the version itself holds it."""


def differences(before: JsonObject, after: JsonObject) -> list[JsonObject]:
    """Return the fields that two versions differ by, each with its value before and after.

    A field is named by its path (`a.b`); null stands for one that is not there. Of a list the items that
    came and went are told as well.
    """
    return [
        _told(name, old, new)
        for name, old, new in _changed("", before, after)
        if _spelled(old) != _spelled(new)
    ]


def _changed(path: str, before: JsonObject, after: JsonObject) -> Iterator[tuple[str, Any, Any]]:
    for name in before | after:
        old, new = before.get(name), after.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _changed(f"{path}{name}.", old, new)
        else:
            yield path + name, old, new


def _told(name: str, old: Any, new: Any) -> JsonObject:
    if name in LARGE:
        old, new = _described(old), _described(new)
    told = {"field": name, "before": old, "after": new}
    if isinstance(old, list) and isinstance(new, list):
        told |= {"added": _beyond(new, old), "removed": _beyond(old, new)}
    return told


def _described(value: str | None) -> JsonObject | None:
    if value is None:
        return None
    return {"characters": len(value), "sha256": sha256(value.encode()).hexdigest()}


def _beyond(items: list[Any], others: list[Any]) -> list[Any]:
    """Return the items that others do not have, an item that stands twice counted twice."""
    left = [_spelled(other) for other in others]
    beyond = []
    for item in items:
        if _spelled(item) in left:
            left.remove(_spelled(item))
        else:
            beyond.append(item)
    return beyond


def _spelled(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)  # 1 and true are equal in Python, not here


@dataclass
class CompareVersions(OneRecord):
    """Read one version of a record, with what changed from another version to it."""

    version: int
    other: int
    with_deleted: bool = False

    def question(self, operation: Operation, _agent: Agent, facts: Facts, at: datetime) -> Question:
        """Want what reading the versions wants: read on the category, delete for one entered in error."""
        return about_record(operation, facts, at, "read", with_deleted=self.with_deleted)

    def perform(self, opened: Opened) -> Answer:
        """Return the version, the difference, and the entries that vouch for both.

        Raises:
            NotFoundError: There is no such version.
            SealBrokenError: A version is not what the trail says of it.
        """
        row: RecordRow = opened.facts.record
        wanted = (self.other, self.version)
        found = versions_of(opened, row, sorted({v - back for v in wanted for back in (0, 1)}))
        if max(wanted) > row.version:
            raise NotFoundError(why="version-not-found")
        comparison = _Comparison(opened, key_of(opened, opened.facts.resident), row, found)
        changes = {version: comparison.vouched(version) for version in sorted(set(wanted))}
        before, after = (comparison.fields(version) for version in wanted)
        shown = show_version(comparison.key, row, found[self.version])
        shown |= {"compared_with": self.other, "changed": differences(before, after)}
        shown["entries"] = [
            {"version": version, "seq": change.seq, "leaf": change.leaf}
            for version, change in changes.items()
        ]
        self.note(opened, row)
        opened.note.version, opened.note.count = self.version, len(changes)
        return Answer(shown, version=self.version)


@dataclass
class _Comparison:
    """Some versions of a record, and those before them, as they are stored."""

    opened: Opened
    key: DataKey
    row: RecordRow
    found: dict[int, Any]

    def past(self, version: int) -> RecordRow:
        """Return the record as it was at a version."""
        return past_of(self.row, self.found[version])

    def fields(self, version: int) -> JsonObject:
        """Return what the trail compares of a version, and whether it was entered in error."""
        if version == 0:
            return {"deleted": False}
        past = self.past(version)
        return record_fields(past, unseal_version(self.key, past)) | {"deleted": bool(past.deleted)}

    def vouched(self, version: int) -> Change:
        """Return the entry of a version, if it agrees with what is stored.

        Raises:
            SealBrokenError: There is none, or it says something else of the version.
        """
        row = self.row
        if not self.found.keys() >= {version, version - 1} - {0}:
            raise self._altered("version-missing")
        change = entry_of(self.opened, self.key, self.past(version))
        try:
            kept = values_of(self.opened, change, row.resident_id, self.key)
            stored = self._changes(version)
        except SealBrokenError as broken:
            raise self._altered(broken.why) from broken
        if {one.field: _spelled(one[1:]) for one in kept} != stored:
            raise self._altered("values-differ")
        return change

    def _changes(self, version: int) -> dict[str, bytes]:
        """Return by which fields a version differs from the one before it, with the values of both."""
        before, after = self.fields(version - 1), self.fields(version)
        changes = [FieldChange(name, before.get(name), after.get(name)) for name in before | after]
        return {c.field: _spelled(c[1:]) for c in changes if _spelled(c.before) != _spelled(c.after)}

    def _altered(self, why: str) -> SealBrokenError:
        return SealBrokenError(why=why, row=the_record(self.row))
