"""A pack as a sequence of turns: what it will hold, its lines, its entry, its evidence, its end.

Counting comes first, in silent turns that hand nothing out. Then the entry is made that names every resident
the pack tells of; only after it is durable does the first byte leave. Every turn recognises the caller again
and asks again whether they may see this incident: a pack breaks off when they no longer may.

Source: AUDIT-2, promise P1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from app.access.agent import Agent
from app.access.opened import Opened
from app.access.operation import Operation
from app.access.operations import OPERATIONS
from app.access.policy import Question
from app.access.work import Answer, Facts
from app.audit import pruning
from app.audit.checkpoint import Notary
from app.audit.guard_file import Guards
from app.core.errors import (
    AuditUnavailableError,
    CaretrailError,
    ConflictError,
    ForbiddenError,
)
from app.incidents.one_incident import OneIncident
from app.incidents.places import Whose, whose
from app.incidents.scope import Fold, Reach, Selection
from app.incidents.scope_reading import (
    LINES_AT_ONCE,
    Piece,
    catch_up,
    circumstances,
    homes_managed,
    known_residents,
    period_of,
    piece,
    reach_of,
    reads_trail,
    wanted_of,
)
from app.incidents.scope_rows import find_scope
from app.incidents.seeing import find
from app.incidents.showing import show
from app.incidents.unknowns import not_known
from app.trail.export_works import Plan
from app.trail.freezing import refuse_contained
from app.trail.names import KeptName, names_at
from app.trail.proving import Signed, caught_up, proven_entries, refuse_unprovable, signed_now

JsonObject = dict[str, Any]
PACK: Final = OPERATIONS["GET /v1/incidents/{incident_id}/pack"]
PACK_END: Final = Operation(PACK.method, PACK.path, "session", "self", PACK.act + ".end", 200)
REACH_CHANGED: Final = "What you may see changed while this was made. Ask for the pack again."

NO_PDF: Final = "No PDF can be made here: the extra `pdf` is not installed. Ask for zip or json."
NOT_TYPESET: Final = (
    "This pack could not be made into a PDF. Ask for zip: it holds the same as a page, pack.html, and all the"
    " other files."
)


class Brief(NamedTuple):
    """What a pack goes through: lines of a chain under one checkpoint, as far as the caller may see.

    Attributes:
        selection: Which entries; None where nobody has said so.
        evidence: The lines themselves are enclosed, and the names of who acted.
    """

    plan: Plan
    selection: Selection | None
    reach: Reach
    evidence: bool


class Told(NamedTuple):
    """What a pack says besides lines: the incident, what was shut, the scope, where, when, by whom."""

    incident: JsonObject
    shut: list[JsonObject]
    not_known: list[JsonObject]
    names: dict[int, str]
    whose: Whose
    made_by: str
    at: datetime


@dataclass
class _OfPack(OneIncident):
    """A turn of a pack."""

    def admitted(self, opened: Opened, reach: Reach | None = None) -> Any:
        """Return the incident, if the caller still may see it, and as far as before.

        Raises:
            ForbiddenError: A freeze names them, or what they may see is not what it was.
        """
        refuse_contained(opened)
        row = find(opened, self.incident_id)
        if reach is not None and reach.homes != homes_managed(opened):
            raise ForbiddenError(REACH_CHANGED, why="reach-changed")
        return row


@dataclass
class PreparePack(_OfPack):
    """Fix what a pack goes through, and sign exactly that. Nothing is handed out yet.

    Attributes:
        printable: What was asked for can be made here.
    """

    notary: Notary
    guards: Guards
    printable: bool = True
    alone = True
    own_sql = True
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return the `Brief`."""
        self.admitted(opened)
        if not self.printable:
            raise ConflictError(NO_PDF, why="pdf-not-installed")
        connection, org = opened.connection(), opened.org
        behind = catch_up(opened)
        if behind is not None:
            return Answer(refusal=behind)
        if not caught_up(connection, org):
            return Answer(refusal=AuditUnavailableError(why="tiles-behind"))
        signed = signed_now(opened, self.notary, self.guards)
        refuse_unprovable(connection, org, signed.said)
        kept = find_scope(opened, self.incident_id)
        selection = kept[1] if kept is not None else None
        within = period_of(connection, org, selection) if selection is not None else range(0)
        pruned = pruning.pruned(connection, org)
        plan = Plan(org, signed, (signed.note,), within, opened.at, pruned)
        return Answer(Brief(plan, selection, reach_of(opened), reads_trail(opened)))


@dataclass
class ReadPiece(_OfPack):
    """Read the next lines that may count."""

    selection: Selection
    reach: Reach
    within: range
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return a `Piece`."""
        self.admitted(opened, self.reach)
        read: Piece = piece(
            opened.connection(), opened.org, wanted_of(self.selection), self.within, LINES_AT_ONCE
        )
        return Answer(read)


@dataclass
class BeginPack(_OfPack):
    """Begin: the entry that a pack is handed over, and of whom it tells."""

    reach: Reach
    evidence: bool
    fold: Fold | None

    def perform(self, opened: Opened) -> Answer:
        """Return what was `Told`."""
        incident = show(opened, self.admitted(opened, self.reach))
        shut = [self._shut(one) for one in incident.pop("containments")]
        unknown: list[JsonObject] = []
        names: dict[int, str] = {}
        if self.fold is not None:
            unknown = not_known(self.fold, circumstances(opened, self.fold))
            held = {tally.name_seq for tally in self.fold.actors.values() if tally.name_seq is not None}
            kept = names_at(opened, sorted(held)) if self.evidence else []
            names = {one.seq: one.name for one in kept}
            named = self.fold.named.union(known_residents(opened, self.fold.asked - self.fold.named))
            opened.discloses(*sorted(named), count=self.fold.counted)
        place = whose(opened, incident["home_id"])
        return Answer(Told(incident, shut, unknown, names, place, opened.agent.id, opened.at))

    def _shut(self, shown: JsonObject) -> JsonObject:
        """Return a containment without people whom this pack does not name: they may be of another home."""
        named = self.fold.actors if self.fold is not None else {}
        if self.reach.homes is not None:
            shown["user_ids"] = [one for one in shown["user_ids"] if one in named]
        return shown


@dataclass
class ProveLines(_OfPack):
    """Prove some lines, by their numbers, against the signed root.

    Raises:
        DisagreementError: One is missing, or what is stored does not lead to that root.
    """

    reach: Reach
    seqs: Sequence[int]
    signed: Signed
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return pairs of exact line and proof."""
        self.admitted(opened, self.reach)
        return Answer(proven_entries(opened, self.seqs, self.signed))


@dataclass
class EvidenceNames(_OfPack):
    """Unseal the names that some identity entries hold."""

    reach: Reach
    seqs: Sequence[int] = field(repr=False)
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return each `KeptName`."""
        self.admitted(opened, self.reach)
        kept: list[KeptName] = names_at(opened, self.seqs)
        return Answer(kept)


@dataclass
class EndPack(OneIncident):
    """Record that a pack was handed over, or broke off.

    Attributes:
        lines: How many lines it tells of.
        broken: Why it broke off; None when all of it was handed over.
        unmade: It could not be made at all, and nothing of it was handed over.
    """

    lines: int
    broken: str | None
    unmade: bool = False
    closing = True

    def question(self, _operation: Operation, _agent: Agent, _facts: Facts, _at: datetime) -> Question:
        """Want nothing: what was begun is recorded as ended even when the permission is gone."""
        return Question()

    def perform(self, opened: Opened) -> Answer:
        """Note how many lines it told of."""
        opened.note.count = self.lines
        if self.unmade:
            return Answer(refusal=CaretrailError(NOT_TYPESET, why="not-typeset"))
        return Answer(refusal=None if self.broken is None else CaretrailError(why=self.broken))
