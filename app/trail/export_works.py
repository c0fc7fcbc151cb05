"""An export as a sequence of turns: its start, its chunks, its end.

The start is an entry and fixes the range: everything before that entry. The chunks add none, but each
recognises the caller again: an export breaks off when the session or the permission ends. The end is
an entry of its own and says how many lines were handed over, and whether that was all.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from app.access.agent import Agent
from app.access.opened import Opened
from app.access.operations import OPERATIONS, Operation
from app.access.policy import Question
from app.access.work import Answer, Facts, Work
from app.audit import checkpoint, stored
from app.audit.checkpoint import Notary
from app.audit.guard_file import Guards
from app.core.errors import CaretrailError, InvalidRequestError
from app.trail.checkpoints import sign_now
from app.trail.names import KeptName, names_between

EXPORT = OPERATIONS["GET /v1/audit/export"]
EXPORT_END = Operation(EXPORT.method, EXPORT.path, "session", "self", EXPORT.act + ".end", 200)
FORMATS = ("zip", "jsonl", "csv")
CHECKPOINTS_ENCLOSED = 32


class Plan(NamedTuple):
    """What an export holds: the first `size` lines of a chain, under these checkpoints."""

    org: str
    size: int
    root: bytes
    notes: tuple[str, ...]
    at: datetime


class NamesRead(NamedTuple):
    """Some names, and where to go on; None when there are no more."""

    names: list[KeptName]
    next: int | None


@dataclass
class ExportStart(Work):
    """Begin an export: fix its range and sign exactly that.

    Attributes:
        export_id: What ties the two entries together.
        format: `zip`, `jsonl` or `csv`.
        filters: The names of the filters that were given.
    """

    export_id: str
    format: str
    filters: tuple[str, ...]
    notary: Notary
    guards: Guards
    alone = True
    own_sql = True

    def asked(self) -> tuple[str, str | None]:
        """Return the export."""
        return "audit_export", self.export_id

    def perform(self, opened: Opened) -> Answer:
        """Return the `Plan`."""
        self._refuse_what_is_not_there_yet()
        signed = sign_now(opened, self.notary, self.guards)
        connection, org = opened.connection(), opened.org
        notes = checkpoint.spread(connection, org, signed.size, CHECKPOINTS_ENCLOSED)
        opened.note.count = signed.size
        return Answer(Plan(org, signed.size, signed.root, tuple(notes), opened.at))

    def _refuse_what_is_not_there_yet(self) -> None:
        faults = [
            (f"/query/{name}", "Filtered exports come in a later version. Export everything.")
            for name in self.filters
        ]
        if self.format == "fhir":
            faults.append(("/query/format", "FHIR comes in a later version. Use zip, jsonl or csv."))
        elif self.format not in FORMATS:
            faults.append(("/query/format", "Must be one of zip, jsonl, csv."))
        if faults:
            raise InvalidRequestError(*faults)


@dataclass
class ExportLines(Work):
    """Read some of the lines, as exact bytes."""

    start: int
    end: int
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return the lines."""
        lines = stored.lines(opened.connection(), opened.org, self.start, self.end)
        if len(lines) != self.end - self.start:
            raise CaretrailError(why="lines-missing")
        return Answer(lines)


@dataclass
class ExportNames(Work):
    """Unseal some of the names that identity entries in the range hold."""

    start: int
    end: int
    most: int
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return `NamesRead`."""
        return Answer(NamesRead(*names_between(opened, self.start, self.end, self.most)))


@dataclass
class ExportEnd(Work):
    """Record that an export ended, or broke off."""

    export_id: str
    lines: int
    whole: bool
    closing = True

    def asked(self) -> tuple[str, str | None]:
        """Return the export."""
        return "audit_export", self.export_id

    def question(self, _operation: Operation, _agent: Agent, _facts: Facts, _at: datetime) -> Question:
        """Want nothing: what was begun is recorded as ended even when the permission is gone."""
        return Question()

    def perform(self, opened: Opened) -> Answer:
        """Note how many lines were handed over."""
        opened.note.count = self.lines
        return Answer(refusal=None if self.whole else CaretrailError(why="broken-off"))
