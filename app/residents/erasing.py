"""A resident is erased: one person asks, another approves, and the key is destroyed.

Both must hold `residents:erase` for the whole organisation and have used their second factor in the last
five minutes. Whether the record must still be kept, and whether somebody waits for a copy of it, is asked
when it is asked for and again when it is approved. The approval is one transaction with its entry: a crash
leaves all of it or nothing.

Not proven here: that two accounts are two people, and what copies elsewhere - backups, archived logs of
the database - still hold (see app/decisions/0019-erasure.md).

Source: ERASURE-1 (ASVS 5.0 2.3.5, 7.5.3, 14.2.7), DSPT 1.4.3.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.access.agent import Agent, Place
from app.access.opened import FieldChange, Opened
from app.access.operation import Operation
from app.access.policy import Question
from app.access.work import Answer, Facts, Work
from app.core.clock import spell
from app.core.errors import (
    CaretrailError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
)
from app.core.identifiers import new_id
from app.core.local_time import day_of
from app.identity.sessions import check_step_up
from app.identity.views import session_view
from app.residents.access_requests import refuse_awaited
from app.residents.boxes import key_of
from app.residents.erasure_rows import (
    INSERT_ERASURE,
    ErasureRow,
    find_erasure,
    find_hold,
    reason_place,
    show_erasure,
)
from app.residents.retention import WHATEVER_THE_DATE, LegalBasis, RetentionHoldError, held_because
from app.residents.retention_schedule import keeping_of
from app.residents.rows import ResidentRow
from app.residents.shredding import count_records, decide, note_place, resident_locked, shred, told_of

BY_PEOPLE = "Two people who are signed in decide this. No command does, nor the service itself."
OWN_REQUEST = "Whoever asked for an erasure does not approve it. Ask a colleague who may erase."
DECIDED = "This erasure was decided already, or the resident was erased under another one."
EXPIRED = "This erasure was asked for more than 30 days ago. Ask for it again."


@dataclass
class AskErasure(Work):
    """Ask for the erasure of a resident. Nothing is erased until somebody else approves.

    Attributes:
        with_deleted: A resident who was marked as entered in error is there for this, too.
    """

    resident_id: str
    legal_basis: LegalBasis
    reason: str
    with_deleted: bool = False
    changes = True
    alone = True

    def asked(self) -> tuple[str, str | None]:
        """Return the resident as asked."""
        return "resident", self.resident_id

    def question(self, operation: Operation, _agent: Agent, facts: Facts, _at: datetime) -> Question:
        """Want `residents:erase` for the whole organisation, and a resident who is not erased yet."""
        row: ResidentRow | None = facts.resident
        missing = row is None or row.erased or (bool(row.deleted) and not self.with_deleted)
        return Question(anywhere=operation.anywhere, missing=missing, organisation_wide=True)

    def perform(self, opened: Opened) -> Answer:
        """Write what is asked for, if the record need not be kept."""
        row: ResidentRow = opened.facts.resident
        confirm_person(opened)
        refuse_kept(opened, row, self.legal_basis)
        refuse_awaited(opened, row.id, self.legal_basis)
        asked = self._row(opened, row)
        key = opened.organisation_key()
        opened.change(INSERT_ERASURE, asked._asdict() | {"entry": None})
        changes = [FieldChange(name, None, getattr(asked, name)) for name in ("legal_basis", "status")]
        opened.changed("erasure", asked.id, 1, asked.state, changes, (opened.org, key))
        opened.note.reason = self.reason
        opened.discloses(row.id)
        return Answer(show_erasure(asked))

    def look_again(self, _opened: Opened, told: Any) -> Any:
        """Return it: whoever may erase sees every erasure, and none ever goes away."""
        return told

    def _row(self, opened: Opened, resident: ResidentRow) -> ErasureRow:
        key, erasure_id = opened.organisation_key(), new_id()
        return ErasureRow(
            id=erasure_id,
            org=opened.org,
            resident_id=resident.id,
            legal_basis=self.legal_basis,
            status="pending",
            asked_by=opened.agent.id,
            asked_at=spell(opened.at),
            reason=key.seal(self.reason.encode(), reason_place(opened.org, erasure_id)),
            approved_by=None,
            approved_at=None,
            records=None,
            version=1,
            state=b"",
        ).bound(key)


@dataclass
class ApproveErasure(Work):
    """Approve an erasure somebody else asked for: the resident is erased."""

    erasure_id: str
    changes = True
    alone = True
    own_sql = True

    def asked(self) -> tuple[str, str | None]:
        """Return the erasure as asked."""
        return "erasure", self.erasure_id

    def perform(self, opened: Opened) -> Answer:
        """Destroy the resident's key, or refuse; a refusal's entry names the resident, too."""
        asked = find_erasure(opened, self.erasure_id)
        row = resident_locked(opened, asked.resident_id)
        if row is None:
            raise NotFoundError(why="resident-not-found")
        opened.discloses(row.id)
        opened.note.homes = (row.home_id,)
        refusal = _refusal(opened, asked, row)
        if refusal is not None:
            return Answer(refusal=refusal)
        return Answer(show_erasure(_erase(opened, asked, row)))

    def look_again(self, _opened: Opened, told: Any) -> Any:
        """Return it: whoever may erase sees every erasure, and none ever goes away."""
        return told


def _refusal(opened: Opened, asked: ErasureRow, row: ResidentRow) -> CaretrailError | None:
    """Return why this person cannot approve this now."""
    try:
        confirm_person(opened)
        if asked.asked_by == opened.agent.id:
            raise ForbiddenError(OWN_REQUEST, why="own-request")
        if asked.status != "pending" or row.erased:
            raise ConflictError(DECIDED, why="erasure-decided")
        if opened.at > asked.expires_at:
            raise ConflictError(EXPIRED, why="erasure-expired")
        basis: LegalBasis = asked.legal_basis  # type: ignore[assignment] # its digest was right
        refuse_kept(opened, row, basis)
        refuse_awaited(opened, row.id, basis)
    except CaretrailError as refused:
        return refused
    return None


def _erase(opened: Opened, asked: ErasureRow, row: ResidentRow) -> ErasureRow:
    shred(opened, row, told_of(asked, opened.agent.id), but=asked.id)
    opened.note.count = count = count_records(opened, row.id)
    approved = asked._replace(
        status="approved",
        approved_by=opened.agent.id,
        approved_at=spell(opened.at),
        records=count,
        version=asked.version + 1,
    )
    note_place(opened, approved)
    return decide(opened, asked, approved)


def confirm_person(opened: Opened) -> None:
    """Refuse whoever is not a person with a second factor used in the last five minutes.

    Raises:
        ForbiddenError: A command or the service itself: neither is one of the two people.
        StepUpRequiredError: The factor was used longer ago, or never.
    """
    if opened.facts.session is None:
        raise ForbiddenError(BY_PEOPLE, why="person-needed")
    check_step_up(session_view(opened.facts.session), opened.at)


def refuse_kept(opened: Opened, row: ResidentRow, basis: LegalBasis) -> None:
    """Refuse to erase what must still be kept.

    Raises:
        RetentionHoldError: Care goes on, the retention date has not come, or there is a hold.
        SealBrokenError: The row that says so was changed behind the service's back.
    """
    if basis in WHATEVER_THE_DATE:
        return
    opened.allows("residents:erase", Place(row.home_id, row.unit, row.id))
    key_of(opened, row)  # refuses a row whose dates were altered
    ended_on = row.discharged_on if row.status != "resident" else None
    hold = find_hold(opened, row.id)
    held, keeping = hold is not None and bool(hold.held), keeping_of(opened, row.id)
    why = held_because(basis, ended_on, day_of(opened.at), held=held, keeping=keeping)
    if why is not None:
        raise RetentionHoldError(why)
