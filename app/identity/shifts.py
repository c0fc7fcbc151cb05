"""Shifts of a user: enter, list, change, cancel, each by whoever plans where the user has that role.

What shortens a shift acts at once: its sessions end with it, and never revive when it is extended again.

Source: SESSION-2 (ASVS 5.0 7.3.2), ACCESS-4 (ASVS 5.0 8.3.2).
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from app.access import cursors
from app.access.opened import FieldChange, Opened
from app.access.policy import reaches_home
from app.access.work import Answer, Work
from app.core.clock import parse, spell
from app.core.errors import ConflictError, ForbiddenError, HiddenError, InvalidRequestError, NotFoundError
from app.identity.account_rows import assignments_of
from app.identity.reach import account_to
from app.identity.rows import AccountRow, ShiftRow
from app.identity.session_rows import draw_sessions_forward
from app.identity.shift_reach import reaches_shift, shifts_within
from app.identity.shift_rows import (
    LONGEST_SHIFT,
    NOT_THERE,
    SHIFT_COLUMNS,
    NewShift,
    check_times,
    enter_shift,
    last_instant,
    may_roster,
    next_shift_version,
    refuse_altered_shift,
    shift_by_id,
    show_shift,
)
from app.identity.table import shift

PERMISSION = "shifts:manage"
INACTIVE = "This account is not active. Have a manager reactivate it, then enter the shift."
CANCELLED = "This shift was cancelled. Enter a new one."


@dataclass
class CreateShift(Work):
    """Enter a shift: the role and home of one of the user's assignments."""

    user_id: str
    home_id: str
    role: str
    when: NewShift
    changes = True
    alone = True

    def asked(self) -> tuple[str, str | None]:
        """Return a shift that has no id yet."""
        return "shift", None

    def perform(self, opened: Opened) -> Answer:
        """Write the shift."""
        row = account_to(opened, self.user_id, PERMISSION, locked=True)
        if not reaches_home(opened.agent, PERMISSION, self.home_id):
            raise ForbiddenError(NOT_THERE, why="home-out-of-scope")
        assigned = [a for a in assignments_of(row) if (a.home_id, a.role) == (self.home_id, self.role)]
        if not assigned:
            raise InvalidRequestError(("/role", "The user has no assignment with this role at this home."))
        if not any(may_roster(opened.agent, [PERMISSION], a) for a in assigned):
            raise ForbiddenError(NOT_THERE, why="unit-out-of-scope")
        check_times(self.when.starts_at, self.when.ends_at, LONGEST_SHIFT)
        if not row.active:
            raise ConflictError(INACTIVE, why="not-active")
        entered = enter_shift(opened, row.id, self.home_id, self.role, self.when)
        return Answer(show_shift(entered), version=entered.version)

    def look_again(self, opened: Opened, told: dict[str, Any]) -> dict[str, Any]:
        """Return the shift, if the caller still rosters it; a cancelled one is shown, too."""
        _reached(opened, self.user_id, told["id"])
        return told


@dataclass
class ListShifts(Work):
    """List those of a user's shifts that the caller rosters, the newest first."""

    user_id: str
    limit: int = 50
    cursor: str | None = None

    def asked(self) -> tuple[str, str | None]:
        """Return the user as asked."""
        return "user", self.user_id

    def perform(self, opened: Opened) -> Answer:
        """Return a page of shifts.

        Raises:
            SealBrokenError: One of them was changed behind the service's back.
        """
        account = account_to(opened, self.user_id, PERMISSION)
        query = [self.user_id, self.limit]
        rows = self._select(opened, account, cursors.read(opened, query, self.cursor))
        page = rows[: self.limit]
        key = opened.organisation_key()
        for row in page:
            refuse_altered_shift(key, row)
        last = [page[-1].starts_at, page[-1].id] if len(rows) > self.limit else None
        opened.note.count = len(page)
        more = cursors.make(opened, query, last) if last else None
        return Answer({"items": [show_shift(row) for row in page], "next_cursor": more})

    def _select(self, opened: Opened, account: AccountRow, after: list[Any] | None) -> list[ShiftRow]:
        c = shift.c
        wanted = [
            c.org == opened.org,
            c.user_id == self.user_id,
            shifts_within(opened.agent, PERMISSION, account),
        ]
        if after is not None:
            wanted.append(cursors.older(c.starts_at, c.id, after))
        statement = (
            select(*SHIFT_COLUMNS)
            .where(*wanted)
            .order_by(c.starts_at.desc(), c.id.desc())
            .limit(self.limit + 1)
        )
        return [ShiftRow._make(row) for row in opened.execute(statement).all()]


@dataclass
class _OneShift(Work):
    """A change of one shift."""

    user_id: str
    shift_id: str
    changes = True
    alone = True
    own_sql = True

    def asked(self) -> tuple[str, str | None]:
        """Return the shift as asked."""
        return "shift", self.shift_id

    def _shift(self, opened: Opened) -> ShiftRow:
        """Return the shift as it is, if it is one the caller rosters."""
        row = _reached(opened, self.user_id, self.shift_id)
        if row.cancelled:
            raise ConflictError(CANCELLED, why="shift-cancelled")
        return row

    def _write(self, opened: Opened, before: ShiftRow, wanted: ShiftRow) -> ShiftRow:
        drawn = draw_sessions_forward(opened, before.id, last_instant(wanted, opened.at))
        also = [FieldChange("sessions_shortened", None, drawn)] if drawn else []
        return next_shift_version(opened, before, wanted, *also)


@dataclass
class AmendShift(_OneShift):
    """Move, shorten or extend a shift. Only a new sign-in profits from an extension."""

    starts_at: str | None = None
    ends_at: str | None = None

    def perform(self, opened: Opened) -> Answer:
        """Write the new times and draw the sessions of the shift forward."""
        row = self._shift(opened)
        wanted = row._replace(
            starts_at=_spelled(self.starts_at) or row.starts_at, ends_at=_spelled(self.ends_at) or row.ends_at
        )
        check_times(wanted.starts_at, wanted.ends_at, LONGEST_SHIFT)
        changed = self._write(opened, row, wanted)
        return Answer(show_shift(changed), version=changed.version)

    def look_again(self, opened: Opened, told: dict[str, Any]) -> dict[str, Any]:
        """Return the shift, if the caller still rosters it; a cancelled one is shown, too."""
        _reached(opened, self.user_id, self.shift_id)
        return told


@dataclass
class CancelShift(_OneShift):
    """Withdraw a shift; whoever works in it is signed out."""

    def perform(self, opened: Opened) -> Answer:
        """Mark it and end its sessions."""
        row = self._shift(opened)
        self._write(opened, row, row._replace(cancelled=True))
        return Answer(None)


def _reached(opened: Opened, user_id: str, shift_id: str) -> ShiftRow:
    """Return a shift as it is, cancelled or not, if it is one the caller rosters."""
    account = account_to(opened, user_id, PERMISSION)
    row = shift_by_id(opened, user_id, shift_id)
    if row is None:
        raise NotFoundError(why="shift-not-found")
    if not reaches_shift(opened.agent, PERMISSION, account, row):
        raise HiddenError(why="out-of-scope")
    return row


def _spelled(given: str | None) -> str | None:
    return spell(parse(given)) if given is not None else None
