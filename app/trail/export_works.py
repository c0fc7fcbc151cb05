"""An export as a sequence of turns: its start, its chunks, its end.

The start is an entry and fixes the range: everything before that entry, or what a filter chooses of it.
The chunks add none, but each recognises the caller again: an export breaks off when the session or the
permission ends. The end is an entry of its own and says how many lines were handed over, and whether
that was all.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from app.access.agent import Agent
from app.access.opened import Opened
from app.access.operation import Operation
from app.access.operations import OPERATIONS
from app.access.policy import Question
from app.access.work import Answer, Facts, Work
from app.audit import checkpoint, choosing, indexing, pruning
from app.audit.checkpoint import Notary
from app.audit.guard_file import Guards
from app.audit.pruning import Pruned
from app.audit.reading import Wanted, span
from app.core.errors import (
    AuditUnavailableError,
    CaretrailError,
    DisagreementError,
    InvalidRequestError,
    NotFoundError,
)
from app.trail.events import MOST_CAUGHT_UP
from app.trail.freezing import refuse_frozen
from app.trail.names import KeptName, names_at, names_between
from app.trail.proving import Signed, caught_up, proofs_of, proven_entries, refuse_unprovable, signed_now

logger = logging.getLogger(__name__)

EXPORT = OPERATIONS["GET /v1/audit/export"]
EXPORT_END = Operation(EXPORT.method, EXPORT.path, "session", "self", EXPORT.act + ".end", 200)
FORMATS = ("zip", "jsonl", "csv", "fhir")
FAMILY = "family"
FOR_FAMILY = frozenset({"resident_id", "from", "to"})
CHECKPOINTS_ENCLOSED = 32


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines are wanted; None means any. Instants are spelled, the first included, the second not."""

    since: str | None = None
    until: str | None = None
    resident_id: str | None = None
    agent_id: str | None = None
    act: str | None = None

    def given(self) -> dict[str, str]:
        """Return what was asked for, as the manifest tells it."""
        named = {"from": self.since, "to": self.until, "resident_id": self.resident_id}
        named |= {"agent_id": self.agent_id, "act": self.act}
        return {name: value for name, value in named.items() if value is not None}

    def wanted(self) -> Wanted:
        """Return the same as the index understands it."""
        return Wanted(self.since, self.until, self.agent_id, self.resident_id, self.act)


EVERYTHING = Filter()


class Plan(NamedTuple):
    """What an export holds: lines among the first `signed.said.size` of a chain, under these checkpoints."""

    org: str
    signed: Signed
    notes: tuple[str, ...]
    within: range
    at: datetime
    pruned: Pruned | None = None


class LinesRead(NamedTuple):
    """Some lines with their numbers, and where to go on; None when there are no more."""

    seqs: Sequence[int]
    lines: Sequence[bytes]
    next: int | None


class ProofsRead(NamedTuple):
    """Some proofs with their numbers, and where to go on; None when there are no more."""

    proofs: list[tuple[int, str]]
    next: int | None


class NamesRead(NamedTuple):
    """Some names, and where to go on; None when there are no more."""

    names: list[KeptName]
    next: int | None


@dataclass
class ExportStart(Work):
    """Begin an export: fix its range and sign exactly that.

    Attributes:
        export_id: What ties the two entries together.
        format: `zip`, `jsonl`, `csv` or `fhir`.
        filter: Which lines are wanted.
        audience: `family` for a resident's access log that tells of nobody else.
    """

    export_id: str
    format: str
    filter: Filter
    notary: Notary
    guards: Guards
    audience: str | None = None
    alone = True
    own_sql = True

    def asked(self) -> tuple[str, str | None]:
        """Return the export."""
        return "audit_export", self.export_id

    def looks_at(self) -> tuple[str | None, str | None]:
        """Return the resident whose entries are wanted: theirs is what goes out."""
        return self.filter.resident_id, None

    def perform(self, opened: Opened) -> Answer:
        """Return the `Plan`."""
        refuse_frozen(opened)
        if self.format not in FORMATS:
            raise InvalidRequestError(("/query/format", f"Must be one of {', '.join(FORMATS)}."))
        if self.audience is not None:
            self._check_audience(opened)
        connection, org = opened.connection(), opened.org
        chosen = self.filter != EVERYTHING
        if chosen and indexing.catch_up(connection, org, MOST_CAUGHT_UP):
            # What was indexed stays: the next try has less left to do
            return Answer(refusal=AuditUnavailableError(why="index-behind"))
        if chosen and not caught_up(connection, org):
            return Answer(refusal=AuditUnavailableError(why="tiles-behind"))
        signed = signed_now(opened, self.notary, self.guards)
        size = signed.said.size
        if chosen and self.format == "zip":  # only there are proofs
            refuse_unprovable(connection, org, signed.said)
        cut = pruning.first_kept(connection, org)
        most = CHECKPOINTS_ENCLOSED
        notes = [signed.note] if chosen else checkpoint.spread(connection, org, size, most, cut)
        within = span(connection, org, self.filter.wanted(), size)
        opened.note.count = None if chosen else len(within)  # of a selection the end tells how many it were
        pruned = pruning.pruned(connection, org)
        return Answer(Plan(org, signed, tuple(notes), within, opened.at, pruned))

    def _check_audience(self, opened: Opened) -> None:
        told = self.filter.given().keys()
        if self.audience != FAMILY or self.format != "zip" or not {"resident_id"} <= told <= FOR_FAMILY:
            raise InvalidRequestError(
                (
                    "/query/audience",
                    "Takes `family`, with format zip, resident_id and no other filter than time.",
                )
            )
        if opened.facts.resident is None:
            raise NotFoundError(why="not-found")


@dataclass
class ExportLines(Work):
    """Read the next lines of a span that are wanted, as exact bytes.

    Raises:
        CaretrailError: One is not stored any more. The export breaks off: with a hole it must not look whole.
    """

    wanted: Wanted
    within: range
    most: int
    silent = chunk = True

    def perform(self, opened: Opened) -> Answer:
        """Return `LinesRead`."""
        return Answer(_lines(opened, self.wanted, self.within, self.most))


@dataclass
class ExportProofs(Work):
    """Prove the next lines of a span that are wanted, each against the signed root.

    Raises:
        CaretrailError: A line is missing, or what is stored does not lead to that root.
    """

    wanted: Wanted
    within: range
    most: int
    signed: Signed
    silent = chunk = True

    def perform(self, opened: Opened) -> Answer:
        """Return `ProofsRead`."""
        read = _lines(opened, self.wanted, self.within, self.most)
        numbered = list(zip(read.seqs, read.lines, strict=True))
        said, note = self.signed
        proofs = proofs_of(opened.connection(), opened.org, numbered, said, note) if numbered else []
        return Answer(ProofsRead(list(zip(read.seqs, proofs, strict=True)), read.next))


@dataclass
class ExportNames(Work):
    """Unseal some of the names that identity entries in the range hold, or those of the numbers given."""

    start: int
    end: int
    most: int
    seqs: Sequence[int] | None = field(default=None, repr=False)
    silent = chunk = True

    def perform(self, opened: Opened) -> Answer:
        """Return `NamesRead`."""
        refuse_frozen(opened)
        if self.seqs is None:
            return Answer(NamesRead(*names_between(opened, self.start, self.end, self.most)))
        some = [seq for seq in self.seqs if seq >= self.start][: self.most + 1]
        onward = some[self.most] if len(some) > self.most else None
        return Answer(NamesRead(names_at(opened, some[: self.most]), onward))


@dataclass
class ExportEntries(Work):
    """Read some entries by their numbers, each with its proof.

    Raises:
        CaretrailError: One is missing, or what is stored does not lead to that root.
    """

    seqs: Sequence[int]
    signed: Signed
    silent = chunk = True

    def perform(self, opened: Opened) -> Answer:
        """Return pairs of exact line and proof."""
        refuse_frozen(opened)
        return Answer(proven_entries(opened, self.seqs, self.signed))


@dataclass
class ExportEnd(Work):
    """Record that an export ended, or broke off.

    Attributes:
        export_id: Which.
        lines: How many lines were handed over.
        broken: Why it broke off; None when it is whole.
    """

    export_id: str
    lines: int
    broken: str | None
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
        return Answer(refusal=None if self.broken is None else CaretrailError(why=self.broken))


def _lines(opened: Opened, wanted: Wanted, within: range, most: int) -> LinesRead:
    refuse_frozen(opened)  # a freeze meets the exports that are under way, too
    connection, org = opened.connection(), opened.org
    seqs, onward = choosing.numbers(connection, org, wanted, within, most)
    lines = choosing.lines(connection, org, seqs)
    if len(lines) != len(seqs) or not all(lines):  # nothing is pruned while it is read, or it begins anew
        missing = len(seqs) - len(lines)
        logger.error("export-over-a-hole", extra={"chain": org, "seq": seqs[0], "count": missing})
        raise DisagreementError(why="lines-missing")
    return LinesRead(seqs, lines, onward)
