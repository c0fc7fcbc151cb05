"""What changed in a resident's own row - name, room, home, identifiers - from one version to the next.

The row holds the present version only. The values before and after stand sealed beside the entries, so
they are told to whoever may read the row now, and only if the trail agrees: every version has its entry, the
newest entry has the digest of the row, and each value is what the next change found there.

Source: AUDIT-2.
"""

import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from app.access.opened import FieldChange, Opened
from app.access.work import Answer
from app.audit import choosing, indexing, stored
from app.audit.reading import Wanted
from app.core.errors import AlteredRow, AuditUnavailableError, NotFoundError, SealBrokenError
from app.residents.admission import resident_fields
from app.residents.boxes import key_of, unseal_personal
from app.residents.identity import Identifiers
from app.residents.register import ReadResident
from app.residents.rows import ResidentRow
from app.trail.changes import Change, change_at, values_of
from app.trail.events import MOST_CAUGHT_UP
from app.vault.sealing import DataKey

JsonObject = dict[str, Any]
OWN_ACTS = ("resident.create", "resident.update", "resident.discharge", "resident.delete")
"""What changes a resident's own row."""
LINES_AT_ONCE = 200
MOST_VERSIONS = 200
"""So many changes are told at once, the newest; what lies before them is asked for by nobody yet."""


class _Step(NamedTuple):
    """A version of the row: the entry that made it, when, and what it changed."""

    change: Change
    at: str
    fields: list[FieldChange]

    @property
    def version(self) -> int:
        number: int = self.change.event["obj"]["ver"]
        return number


@dataclass
class ReadResidentChanges(ReadResident):
    """Read one resident, with what changed since a version, the newest change first.

    Attributes:
        since: The version after which changes are told; 0 tells of the admission, too.
    """

    since: int = 0
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Return the resident and the changes, identifiers only to whoever may read them.

        Raises:
            NotFoundError: There is no such version.
            SealBrokenError: The trail says something else than the row.
        """
        row: ResidentRow = opened.facts.resident
        if self.since > row.version:
            raise NotFoundError(why="version-not-found")
        if indexing.catch_up(opened.connection(), opened.org, MOST_CAUGHT_UP):
            # What was indexed stays: the next try has less left to do
            return Answer(refusal=AuditUnavailableError(why="index-behind"))
        answer = super().perform(opened)
        steps = _vouched(opened, row)
        told = [step for step in steps if step.version > self.since][:MOST_VERSIONS]
        hidden = set() if opened.allows("identifiers:read", row.place(opened.at)) else _IDENTIFIERS
        opened.note.count = 1 + len(told)
        shown = answer.payload | {"changes": [_shown(step, hidden) for step in told]}
        return Answer(shown, version=row.version)


_IDENTIFIERS = set(Identifiers.model_fields)
_OF_THE_CHANGE = {"discharge_reason"}
"""Told with a change, and not kept in the row."""


def _shown(step: _Step, hidden: set[str]) -> JsonObject:
    change = step.change
    return {
        "version": step.version,
        "changed_at": step.at,
        "changed_by": change.event["actor"]["id"],
        "seq": change.seq,
        "leaf": change.leaf,
        "changed": [one._asdict() for one in step.fields if one.field not in hidden],
    }


def _vouched(opened: Opened, row: ResidentRow) -> list[_Step]:
    """Return every version's change, newest first, if together they lead to the row as it is."""
    key = key_of(opened, row)  # refuses a row that is not the one the newest entry was made for
    personal = unseal_personal(key, row)
    # A later version may have been committed since the row was read
    known = (step for step in _steps(opened, row, key) if step.version <= row.version)
    steps = sorted(known, key=lambda step: -step.version)
    if [step.version for step in steps] != list(range(row.version, 0, -1)):
        raise _altered(row, "entry-missing")
    if not hmac.compare_digest(steps[0].change.event["state"], row.state.hex()):
        raise _altered(row, "state-broken")
    if not leads_to(resident_fields(row, personal), [step.fields for step in steps]):
        raise _altered(row, "values-differ")
    return steps


def leads_to(now: JsonObject, newest_first: Iterable[list[FieldChange]]) -> bool:
    """Say whether changes end in these values, and each begins with what the one before it left."""
    values = dict(now)
    for changes in newest_first:
        for one in changes:
            if one.field not in _OF_THE_CHANGE and values.get(one.field) != one.after:
                return False
            values[one.field] = one.before
    return True


def _steps(opened: Opened, row: ResidentRow, key: DataKey) -> Iterator[_Step]:
    connection, org = opened.connection(), opened.org
    within = range(stored.size_of(connection, org))  # pruning keeps these lines
    wanted = Wanted(resident_id=row.id, also=(tuple((indexing.ACT, act) for act in OWN_ACTS),))
    start: int | None = 0
    while start is not None:
        seqs, start = choosing.numbers(connection, org, wanted, within[start:], LINES_AT_ONCE)
        for seq, line in zip(seqs, choosing.lines(connection, org, seqs), strict=True):
            change = change_at(seq, line, "resident", row.id) if line else None
            if change is not None:
                at = orjson.loads(line)["c"]["ts"]
                yield _Step(change, at, _values(opened, change, row, key))


def _values(opened: Opened, change: Change, row: ResidentRow, key: DataKey) -> list[FieldChange]:
    try:
        return values_of(opened, change, row.id, key)
    except SealBrokenError as broken:
        raise _altered(row, broken.why) from broken


def _altered(row: ResidentRow, why: str) -> SealBrokenError:
    return SealBrokenError(why=why, row=AlteredRow("resident", row.id, row.id))
