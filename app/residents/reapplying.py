"""Erasures are done again in a database that was restored from before them.

A backup holds the keys that were destroyed after it was made. The ledger, which is kept outside the database
(`audit.ended_file`), says whom to erase again. Each makes an entry of its own in the restored chain, which
names the entry of the erasure itself. Done twice, it does nothing more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sqlalchemy import select

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.visit import System, Visit, Visited
from app.access.work import Answer, Work
from app.core.errors import CaretrailError
from app.residents.erasure_rows import ERASURE_COLUMNS, INSERT_ERASURE, ErasureRow, reason_place
from app.residents.shredding import count_records, decide, note_place, resident_locked, shred, told_of
from app.residents.table import erasure

_NO_REASON = "What was said when it was asked for was lost with the newer database."
AGAIN = Operation("*", "*", "system", "self", "resident.erase", 200)


class Erased(NamedTuple):
    """One line of the ledger: an approved erasure, and which entry says so."""

    entry: int
    row: ErasureRow


class Serves(Protocol):
    """Whatever serves visits: a turn."""

    def serve(self, visits: list[Visit]) -> None:
        """Serve all visits and set the outcome of each."""
        ...


def erased_of(org: str, told: Mapping[str, Any], asked_at: str | None) -> Erased:
    """Return what a line of the ledger outside the database says. The reason is not in it."""
    row = ErasureRow(
        id=told["erasure"],
        org=org,
        resident_id=told["id"],
        legal_basis=told["basis"],
        status="approved",
        asked_by=told["asked_by"],
        asked_at=asked_at or told["at"],
        reason=b"",
        approved_by=told["approved_by"],
        approved_at=told["at"],
        records=told["records"],
        version=1,
        state=b"",
    )
    return Erased(told["seq"], row)


def reapply(turn: Serves, ledger: Iterable[Erased]) -> int:
    """Erase again whom a ledger names; return how many were there and not erased.

    Raises:
        CaretrailError: One could not be erased; those before it are.
    """
    done = 0
    for erased in ledger:
        visit = Visit(System("cli", erased.row.org), AGAIN, EraseAgain(erased), purpose="administration")
        turn.serve([visit])
        match visit.outcome:
            case Visited() as visited:
                done += visited.answer.payload
            case CaretrailError() as refused:
                raise refused
    return done


@dataclass
class EraseAgain(Work):
    """Erase a resident whom the ledger names. Answers 1, or 0 where there is nothing to do."""

    erased: Erased
    changes = True
    alone = True
    own_sql = True

    def asked(self) -> tuple[str, str | None]:
        """Return whom it is about."""
        return "resident", self.erased.row.resident_id

    def perform(self, opened: Opened) -> Answer:
        """Destroy the key, if it is there."""
        entry, asked = self.erased
        row = resident_locked(opened, asked.resident_id)
        if row is None or row.erased:
            self.silent = True
            return Answer(0)
        shred(opened, row, told_of(asked, str(asked.approved_by)) | {"again": entry}, but=asked.id)
        opened.note.count = count_records(opened, row.id)
        _enter(opened, asked)
        return Answer(1)


def _enter(opened: Opened, asked: ErasureRow) -> None:
    """Have the ledger's line stand in this database too, for the backups that are made of it."""
    there = select(*ERASURE_COLUMNS).where(erasure.c.org == asked.org, erasure.c.id == asked.id)
    found = opened.execute(there).first()
    note_place(opened, asked)
    if found is not None:
        was = ErasureRow._make(found)
        decide(opened, was, was._replace(**_decided(asked), version=was.version + 1))
        return
    key = opened.organisation_key()
    reason = asked.reason or key.seal(_NO_REASON.encode(), reason_place(asked.org, asked.id))
    row = asked._replace(version=1, reason=reason).bound(key)
    opened.change(INSERT_ERASURE, row._asdict() | {"entry": None})
    opened.note.members.setdefault("rows", []).append(row.as_member())


def _decided(asked: ErasureRow) -> dict[str, Any]:
    return {name: getattr(asked, name) for name in ("status", "approved_by", "approved_at", "records")}
