"""When a record's time is over: due, reviewed, decided, disposed of. Nothing is destroyed by a date.

Whoever looks proposes: destroy, keep on until a day, or keep for good. That a record is kept holds at once;
a second person agrees to it, and only then does it take the place of an earlier decision. That it is
destroyed stays a proposal: two people who are signed in, each with a second factor, ask for the erasure and
approve it (`erasing`), as for any other. The command line knows people by the operating system's name,
which proves little.

Source: NHS Records Management Code of Practice 2021, appraisal; DSPT 1.4.3.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from sqlalchemy import select

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.core.clock import spell
from app.core.errors import ConflictError, ForbiddenError, InvalidRequestError, NotFoundError
from app.core.identifiers import new_id
from app.core.local_time import day_of
from app.residents.about_resident import AboutResident
from app.residents.erasing import refuse_kept
from app.residents.erasure_rows import HOLD_COLUMNS, HoldRow
from app.residents.retention import held_because, kept_until
from app.residents.retention_rows import ReviewRow, amend, amend_beside, box_place, enter, found
from app.residents.retention_schedule import STANDING, keeping, rules_of
from app.residents.rows import ResidentRow
from app.residents.showing import RESIDENT_COLUMNS
from app.residents.table import record, resident, resident_hold, retention_review

DUE = Operation("*", "*", "system", "self", "retention.due", 200)
REVIEW = Operation("*", "*", "system", "self", "retention.review", 201)
APPROVE = Operation("*", "*", "system", "self", "retention.approve", 200)
Decision = Literal["destroy", "continue", "preserve"]
DECISIONS: Final = ("destroy", "continue", "preserve")
MOST_LISTED: Final = 500
_BY_TWO = (
    "A record is destroyed by two people who are signed in: one asks (POST /v1/residents/{id}/erasure, basis"
    " retention_ended), another approves."
)
_SAME = "Whoever proposed it does not agree to it. Ask a colleague."
_NOT_PROPOSED = "This is decided already, or another proposal took its place."


@dataclass
class ListDue(Work):
    """List the residents whose records need not be kept any longer by date, the longest over first."""

    def perform(self, opened: Opened) -> Answer:
        """Return them with what is proposed about each; nobody under a hold or kept on is among them.

        Whom somebody proposed to keep is told of beside them, for whoever is to agree.
        """
        due, waiting = due_in(opened), _waiting_in(opened)[:MOST_LISTED]
        listed = due[:MOST_LISTED]
        told = [*listed, *waiting]
        opened.discloses(*(one["resident_id"] for one in told), count=len(told))
        return Answer({"due": listed, "more": len(due) - len(listed), "waiting": waiting})


def _waiting_in(opened: Opened) -> list[dict[str, Any]]:
    """Return the proposals to keep a record, as they are told, the oldest first."""
    rows = found(opened, ReviewRow, retention_review.c.status == "proposed")
    mine = [shown(row) for row in rows if row.decision != "destroy"]
    return sorted(mine, key=lambda one: (one["reviewed_at"], one["id"]))


def due_in(opened: Opened) -> list[dict[str, Any]]:
    """Return whose records need not be kept by date, as they are told, the longest over first."""
    rules, today = rules_of(opened), day_of(opened.at)
    categories, reviews, held = _categories(opened), _reviews(opened), _held(opened)
    due: list[dict[str, Any]] = []
    for row in _ended(opened):
        mine = reviews[row.id]
        decided = keeping(rules, categories[row.id], mine)
        kept = held_because("retention_ended", row.discharged_on, today, held=row.id in held, keeping=decided)
        if kept is None:
            until = kept_until(str(row.discharged_on), decided).isoformat()
            due.append(_shown_due(row, until, mine))
    return sorted(due, key=lambda one: (one["kept_until"], one["resident_id"]))


def _ended(opened: Opened) -> list[ResidentRow]:
    c = resident.c
    query = select(*RESIDENT_COLUMNS).where(
        c.org == opened.org, c.status != "resident", c.discharged_on.is_not(None)
    )
    rows = [ResidentRow._make(one) for one in opened.execute(query).all()]
    return [row for row in rows if not row.erased]


@dataclass
class Review(AboutResident):
    """Propose what becomes of a record. What keeps it stands until somebody agrees to something else.

    Attributes:
        until: With `continue`: the first day on which it need not be kept any longer.
        reviewer: Who looked; sealed.
    """

    decision: Decision
    until: date | None
    reason: str
    reviewer: str

    def perform(self, opened: Opened) -> Answer:
        """Write it and return it."""
        row: ResidentRow = opened.facts.resident
        self._check(opened, row)
        drop_destruction(opened, row.id)
        key, review_id = opened.organisation_key(), new_id()
        made = ReviewRow(
            id=review_id,
            org=opened.org,
            resident_id=row.id,
            decision=self.decision,
            until=self.until.isoformat() if self.until is not None else None,
            status="proposed",
            reason=key.seal(self.reason.encode(), box_place(opened.org, review_id, "reason")),
            reviewer=key.seal(self.reviewer.encode(), box_place(opened.org, review_id, "reviewer")),
            reviewed_at=spell(opened.at),
            approver=None,
            approved_at=None,
            version=1,
            state=b"",
        )
        opened.note.homes = (row.home_id,)
        told = {"decision": made.decision, "until": made.until, "status": made.status}
        return Answer(shown(enter(opened, made, told)))

    def _check(self, opened: Opened, row: ResidentRow) -> None:
        if (self.decision == "continue") != (self.until is not None):
            raise InvalidRequestError(("/until", "Goes with `continue`, and only with it."))
        if self.until is not None and self.until <= day_of(opened.at):
            raise InvalidRequestError(("/until", "Must lie in the future."))
        if row.discharged_on is None:
            raise ConflictError("The person is a resident: there is nothing to decide yet.", why="in-care")
        if self.decision == "destroy":
            refuse_kept(opened, row, "retention_ended")


@dataclass
class Agree(Work):
    """Agree that a record is kept, as somebody else proposed."""

    review_id: str
    approver: str
    changes = True
    alone = True

    def asked(self) -> tuple[str, str | None]:
        """Return the review as asked."""
        return "retention_review", self.review_id

    def perform(self, opened: Opened) -> Answer:
        """Write it and return it."""
        rows = found(opened, ReviewRow, retention_review.c.id == self.review_id)
        if not rows:
            raise NotFoundError(why="review-not-found")
        was, key = rows[0], opened.organisation_key()
        if was.status != "proposed":
            raise ConflictError(_NOT_PROPOSED, why="review-decided")
        if was.decision == "destroy":
            raise ForbiddenError(_BY_TWO, why="person-needed")
        if key.unseal(was.reviewer, box_place(was.org, was.id, "reviewer")).decode() == self.approver:
            raise ForbiddenError(_SAME, why="own-request")
        approver = key.seal(self.approver.encode(), box_place(was.org, was.id, "approver"))
        for one in _standing(opened, was.resident_id):
            if one.id != was.id:
                amend_beside(opened, one, status="superseded")
        changed = {"status": "approved", "approver": approver, "approved_at": spell(opened.at)}
        return Answer(shown(amend(opened, was, **changed)))


def drop_destruction(opened: Opened, resident_id: str) -> None:
    """Let proposals to destroy a record stand no longer.

    Another one took their place, or the person is a resident again.
    """
    for one in _standing(opened, resident_id):
        if one.decision == "destroy":
            amend_beside(opened, one, status="superseded")


def _standing(opened: Opened, resident_id: str) -> list[ReviewRow]:
    rows = found(opened, ReviewRow, retention_review.c.resident_id == resident_id)
    return [one for one in rows if one.status in STANDING]


def shown(row: ReviewRow) -> dict[str, Any]:
    """Return a review as it is told. Reasons and names stay where they are."""
    named = ("id", "resident_id", "decision", "until", "status", "reviewed_at", "approved_at")
    return {name: getattr(row, name) for name in named}


def _shown_due(row: ResidentRow, until: str, reviews: list[ReviewRow]) -> dict[str, Any]:
    standing = [shown(one) for one in reviews if one.status in STANDING]
    return {
        "resident_id": row.id,
        "home_id": row.home_id,
        "ended_on": row.discharged_on,
        "kept_until": until,
        "review": standing[-1] if standing else None,
    }


def _categories(opened: Opened) -> dict[str, set[str]]:
    c = record.c
    kinds: dict[str, set[str]] = defaultdict(set)
    query = select(c.resident_id, c.category).distinct().where(c.org == opened.org)
    for one in opened.execute(query).all():
        kinds[one.resident_id].add(one.category)
    return kinds


def _reviews(opened: Opened) -> dict[str, list[ReviewRow]]:
    reviews: dict[str, list[ReviewRow]] = defaultdict(list)
    for row in found(opened, ReviewRow):
        reviews[row.resident_id].append(row)
    return reviews


def _held(opened: Opened) -> set[str]:
    c = resident_hold.c
    rows = opened.execute(select(*HOLD_COLUMNS).where(c.org == opened.org)).all()
    return {one.resident_id for one in map(HoldRow._make, rows) if one.held}
