"""Everything held about one resident, read in turns: a beginning, pieces, an end.

The beginning is an entry before anything is released, and so is the end. The pieces between add none.
Whoever was entered in error is told of like everybody: it is held. Whoever was erased is not there.

Source: UK GDPR article 15.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import or_, select

from app.access.agent import Agent
from app.access.opened import Opened
from app.access.operation import Operation
from app.access.policy import Question
from app.access.work import Answer, Facts, Work
from app.audit import choosing, stored
from app.audit.pruning import first_kept
from app.audit.reading import Wanted
from app.core.errors import CaretrailError
from app.core.identifiers import id_or_none
from app.residents.boxes import key_of, record_place, resident_place, unseal_body, unseal_personal
from app.residents.erasure_rows import find_hold, pending_of, reason_place
from app.residents.records import show_vouched, versions_of
from app.residents.rows import RecordRow, ResidentRow
from app.residents.showing import RECORD_COLUMNS
from app.residents.table import record, resident
from app.trail.changes import change_at, values_of
from app.trail.freezing import refuse_frozen
from app.vault.sealing import DataKey

JsonObject = dict[str, Any]

EXPORT = Operation("*", "*", "system", "self", "resident.export", 200)
EXPORT_END = Operation("*", "*", "system", "self", "resident.export_end", 200)
LINES_AT_ONCE = 200
_CARD = ("home_id", "unit", "status", "admitted_on", "discharged_on", "created_at", "version")


class Page(NamedTuple):
    """Some records, and after which the next come; None when there are no more."""

    records: list[JsonObject]
    after: tuple[str, str] | None


class History(NamedTuple):
    """Some changes of the resident's own row, and from which number to go on; None at the end."""

    changes: list[JsonObject]
    start: int | None


@dataclass
class _OfResident(Work):
    """A work about one resident who is not erased."""

    resident_id: str

    def asked(self) -> tuple[str, str | None]:
        """Return the resident as asked."""
        return "resident", id_or_none(self.resident_id)

    def question(self, _operation: Operation, _agent: Agent, facts: Facts, _at: datetime) -> Question:
        """Want a resident whose key is there."""
        row: ResidentRow | None = facts.resident
        return Question(missing=row is None or row.erased)


@dataclass
class BeginCopy(_OfResident):
    """Begin: the entry that everything held about a resident is being copied out, and by whose command."""

    why: str
    alone = True

    def perform(self, opened: Opened) -> Answer:
        """Return the resident: who they are, what holds their record, what is asked about it."""
        refuse_frozen(opened)
        opened.note.reason = f"{opened.visit.reason}: {self.why}"
        return Answer(_resident(opened, opened.facts.resident))


@dataclass
class ReadRecords(_OfResident):
    """Read the next records of one category, every version of each, those entered in error as well."""

    category: str
    after: tuple[str, str] | None
    most: int
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return a `Page`, in the order in which things occurred."""
        refuse_frozen(opened)
        row: ResidentRow = opened.facts.resident
        key, c = key_of(opened, row), record.c
        query = select(*RECORD_COLUMNS, c.source).where(
            c.org == opened.org, c.resident_id == row.id, c.category == self.category
        )
        if self.after is not None:
            when, last = self.after
            query = query.where(or_(c.occurred_at > when, (c.occurred_at == when) & (c.id > last)))
        found = opened.execute(query.order_by(c.occurred_at, c.id).limit(self.most + 1)).all()
        page = found[: self.most]
        rows = [(RecordRow._make(one[:-1]), one[-1]) for one in page]
        more = len(found) > self.most
        after = (rows[-1][0].occurred_at, rows[-1][0].id) if more else None
        return Answer(Page([_whole(opened, key, one, source) for one, source in rows], after))


@dataclass
class ReadHistory(_OfResident):
    """Read the next changes of the resident's own row: name, room, home and the like, before and after."""

    act: str
    start: int
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return a `History`."""
        refuse_frozen(opened)
        row: ResidentRow = opened.facts.resident
        key, connection = key_of(opened, row), opened.connection()
        first, size = first_kept(connection, opened.org), stored.size_of(connection, opened.org)
        within = range(max(self.start, first), size)
        wanted = Wanted(resident_id=row.id, act=self.act)
        seqs, onward = choosing.numbers(connection, opened.org, wanted, within, LINES_AT_ONCE)
        changes = []
        for seq, line in zip(seqs, choosing.lines(connection, opened.org, seqs), strict=True):
            change = change_at(seq, line, "resident", row.id)
            if change is not None:
                told = [one._asdict() for one in values_of(opened, change, row.id, key)]
                by, version = change.event["actor"]["id"], change.event["obj"]["ver"]
                changes.append({"version": version, "entry": seq, "by": by, "changes": told})
        return Answer(History(changes, onward))


@dataclass
class EndCopy(_OfResident):
    """End: the entry of how many records were copied out, and whether that was all."""

    count: int
    whole: bool
    closing = True

    def perform(self, opened: Opened) -> Answer:
        """Note it."""
        opened.discloses(self.resident_id, count=self.count)
        return Answer(refusal=None if self.whole else CaretrailError(why="broken-off"))


def _resident(opened: Opened, row: ResidentRow) -> JsonObject:
    key = key_of(opened, row)
    shown: JsonObject = {"id": row.id, "deleted": bool(row.deleted)}
    shown |= {name: getattr(row, name) for name in _CARD} | unseal_personal(key, row)
    shown["hold"] = _hold(opened, key, row)
    shown["erasures_asked_for"] = _erasures(opened, row)
    source = opened.execute(
        select(resident.c.source).where(resident.c.org == row.org, resident.c.id == row.id)
    ).scalar()
    if source is not None:
        shown["original"] = key.unseal_json(source, resident_place(row.org, row.id, "source", 1))
    return shown


def _hold(opened: Opened, key: DataKey, row: ResidentRow) -> JsonObject | None:
    hold = find_hold(opened, row.id)
    if hold is None:
        return None
    reason = key.unseal(hold.reason, resident_place(row.org, row.id, "hold", hold.version)).decode()
    return {"held": bool(hold.held), "since": hold.set_at, "reason": reason}


def _erasures(opened: Opened, row: ResidentRow) -> list[JsonObject]:
    key = opened.organisation_key()
    return [
        {
            "legal_basis": one.legal_basis,
            "asked_at": one.asked_at,
            "reason": key.unseal(one.reason, reason_place(row.org, one.id)).decode(),
        }
        for one in pending_of(opened, row.id)
    ]


def _whole(opened: Opened, key: DataKey, row: RecordRow, source: bytes | None) -> JsonObject:
    unseal_body(key, row)  # refuses a row that is not the one the trail knows
    shown: JsonObject = {
        "id": row.id,
        "category": row.category,
        "deleted": bool(row.deleted),
        "author": row.author,
        "versions": [show_vouched(opened, key, row, found) for found in versions_of(opened, row).values()],
    }
    if source is not None:
        place = record_place(row.org, row.resident_id, row.id, "source", 1)
        shown["original"] = key.unseal_json(source, place)
    return shown
