"""What ended after a backup ends again in the database that was restored from it.

A restored account is what it was when the backup was made. Where the ledger says that it was deactivated
since, it is deactivated again. Where its password, its authenticator or its assignments changed since, nobody
knows what they were changed to: it is inactive until somebody who may decide that lets it back in, and what
it signed in with then counts for nothing. What may be used once - an initial password, a code, a session -
counts as used. It only ever takes away; done twice it does nothing more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from sqlalchemy import bindparam, func, or_, select, update

from app.access.opened import FieldChange, Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.core.clock import spell
from app.core.errors import SealBrokenError
from app.identity.account_rows import ACCOUNT_COLUMNS, account_by_id, key_of, next_version, private_of
from app.identity.factors import note_step
from app.identity.rows import AccountRow, ShiftRow
from app.identity.session_rows import end_every_session, end_sessions
from app.identity.shift_rows import SHIFT_COLUMNS, next_shift_version, refuse_altered_shift
from app.identity.table import account, recovery_code, shift
from app.identity.totp import last_step_in_use

VOID = "void"
"""Stands where the hash of a password was: no password opens it."""
SUSPEND = Operation("*", "*", "system", "self", "user.suspend", 200)
CANCEL = Operation("*", "*", "system", "self", "shift.cancel", 200)
SETTLE = Operation("*", "*", "system", "self", "identity.settle", 200)
DEACTIVATED = "user.deactivate"
Became = Literal["deactivated", "suspended", "offer dropped"]
BECAME: tuple[Became, ...] = get_args(Became)

_UNDER_WAY = select(*ACCOUNT_COLUMNS).where(
    account.c.org == bindparam("of"),
    or_(account.c.password_change_required.is_(True), account.c.totp_secret.is_not(None)),
)
_WITH_FACTOR = select(*ACCOUNT_COLUMNS).where(
    account.c.org == bindparam("of"), account.c.totp_confirmed.is_(True)
)
_SHIFT = select(*SHIFT_COLUMNS).where(shift.c.org == bindparam("of"), shift.c.id == bindparam("which"))
_UNUSED = (recovery_code.c.org == bindparam("of"), recovery_code.c.used_at.is_(None))
_UNUSED_BY_USER = (
    select(recovery_code.c.user_id, func.count().label("unused"))
    .where(*_UNUSED)
    .group_by(recovery_code.c.user_id)
    .order_by(recovery_code.c.user_id)
)
_VOID_CODES = (
    update(recovery_code)
    .where(*_UNUSED, recovery_code.c.user_id == bindparam("whose"))
    .values(used_at=bindparam("at"))
)


@dataclass
class UnderWay(Work):
    """Find the accounts in which something is under way that may happen once. Answers with their ids."""

    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return them."""
        rows = [AccountRow._make(row) for row in opened.execute(_UNDER_WAY, {"of": opened.org}).all()]
        return Answer([row.id for row in rows if _initial(row) or _offered(opened, row)])


def _initial(row: AccountRow) -> bool:
    return bool(row.password_change_required) and row.password_hash != VOID


def _offered(opened: Opened, row: AccountRow) -> bool:
    """Say whether an authenticator was offered; of an altered row it is asked again when it is written."""
    try:
        return row.totp_secret is not None and private_of(key_of(opened, row), row).offered is not None
    except SealBrokenError:
        return True


@dataclass
class EndAgain(Work):
    """Take from an account what the ledger says ended, and what was under way in it.

    Answers with what became of it, None where there is no such account or nothing to take.

    Attributes:
        user_id: Whose account.
        ended: It was deactivated, and not let back in.
        credentials: Its password or its authenticator changed.
        assignments: What it may do changed.
        again: The lost entry that says so.
    """

    user_id: str
    ended: bool = False
    credentials: bool = False
    assignments: bool = False
    again: int | None = None
    changes = True
    alone = True
    own_sql = True

    def asked(self) -> tuple[str, str | None]:
        """Return whom it is about."""
        return "user", self.user_id

    def perform(self, opened: Opened) -> Answer:
        """Write the account's next version, if there is something to take."""
        row = account_by_id(opened, self.user_id, locked=True)
        if row is None:
            self.silent = True
            return Answer(None)
        key = key_of(opened, row)
        was = private_of(key, row)
        void = _initial(row) or (self.credentials and row.password_hash != VOID)
        inactive = self.ended or self.credentials or self.assignments or void
        becomes = replace(was, offered=None, secret=None if void else was.secret)
        wanted = row._replace(active=bool(row.active) and not inactive)
        if void:
            wanted = wanted._replace(password_hash=VOID, password_change_required=True)
        if (wanted, becomes) == (row._replace(active=bool(row.active)), was):
            self.silent = True
            return Answer(None)
        also = [FieldChange("password", None, "void")] if void else []
        also += [FieldChange("authenticator_offered", None, "void")] if was.offered else []
        end_sessions(opened, row.id, "restored")
        next_version(opened, key, row, wanted, was, becomes, also)
        opened.note.act = DEACTIVATED if self.ended else None
        if self.again is not None:
            opened.note.members["again"] = self.again
        return Answer(self._became(was_active=bool(row.active), inactive=inactive))

    def _became(self, *, was_active: bool, inactive: bool) -> Became:
        if self.ended and was_active:
            return "deactivated"
        return "suspended" if inactive else "offer dropped"


@dataclass
class CancelAgain(Work):
    """Withdraw a shift that was withdrawn or changed after the backup. Answers with 1, or 0."""

    shift_id: str
    again: int
    changes = True
    alone = True
    own_sql = True

    def asked(self) -> tuple[str, str | None]:
        """Return the shift."""
        return "shift", self.shift_id

    def perform(self, opened: Opened) -> Answer:
        """Mark it, if it is there and was not."""
        found = opened.execute(_SHIFT, {"of": opened.org, "which": self.shift_id}).first()
        if found is None or found.cancelled:
            self.silent = True
            return Answer(0)
        row = ShiftRow._make(found)
        refuse_altered_shift(opened.organisation_key(), row)
        next_shift_version(opened, row, row._replace(cancelled=True))
        opened.note.members["again"] = self.again
        return Answer(1)


@dataclass
class Settle(Work):
    """Count as used what may be used once, and end every session.

    Answers with how many sessions and codes that were, and of how many accounts the present code.

    Attributes:
        codes: Whose recovery codes are void; None for everybody's, where nobody knows who used one.
        reached: How far the ledger reaches; None where there is none.
    """

    codes: Sequence[str] | None
    reached: int | None
    changes = True
    alone = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Do it; the entry names whose codes are void."""
        found = opened.execute(_UNUSED_BY_USER, {"of": opened.org}).all()
        counted: dict[str, int] = {row.user_id: row.unused for row in found}
        void = sorted(counted if self.codes is None else counted.keys() & set(self.codes))
        for user in void:
            opened.execute(_VOID_CODES, {"of": opened.org, "whose": user, "at": spell(opened.at)})
        told: dict[str, Any] = {
            "sessions": end_every_session(opened, "restored"),
            "codes": sum(counted[user] for user in void),
            "one_time_codes": self._use_steps(opened),
        }
        opened.note.members["settled"] = told | {"codes": void, "ledger": self.reached}
        return Answer(told)

    @staticmethod
    def _use_steps(opened: Opened) -> int:
        """Count every code an authenticator can have shown until now as used."""
        rows = [AccountRow._make(row) for row in opened.execute(_WITH_FACTOR, {"of": opened.org}).all()]
        for row in rows:
            note_step(opened, row, last_step_in_use(opened.at))
        return len(rows)
