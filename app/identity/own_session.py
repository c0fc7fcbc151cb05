"""One's own session: look at it, sign out, lock, unlock, confirm with a second factor.

Unlocking takes two turns around the password, like signing in: `PrepareUnlock` hands out the hash,
`Unlock` decides and counts. What it counts survives the refusal: the fifth failure ends the session.

Source: SESSION-1 (ASVS 5.0 7.3.1), SESSION-4 (ASVS 5.0 7.4.1, 7.5.3).
"""

from dataclasses import dataclass, field

from app.access.opened import Opened
from app.access.work import Answer, Work
from app.core.clock import spell
from app.core.errors import (
    CaretrailError,
    CredentialsRefusedError,
    OtpRequiredError,
    SecondFactorRequiredError,
    TooManyAttemptsError,
)
from app.identity.account_rows import key_of, own_account, private_of
from app.identity.factors import use_otp, use_second_factor
from app.identity.passwords import RETRY_AFTER_S
from app.identity.rows import AccountRow, SessionRow
from app.identity.session_rows import end_session, keep_session, present_session, show_session
from app.identity.sessions import SessionView, otp_needed, unlock_failed, unlocked
from app.identity.throttle_subjects import account_subject
from app.identity.throttling import give_back, reserve
from app.identity.views import session_view

COUNTED = frozenset({"wrong-password", "otp-wrong"})
"""Refusals to unlock that count against the session."""


@dataclass
class ReadSession(Work):
    """Look at one's own session."""

    def perform(self, opened: Opened) -> Answer:
        """Return it."""
        return _shown(opened, opened.facts.session)


@dataclass
class SignOut(Work):
    """End one's own session, awake or asleep."""

    changes = True
    alone = True

    def perform(self, opened: Opened) -> Answer:
        """End it."""
        row: SessionRow = opened.facts.session
        opened.note.object = ("session", row.id)
        end_session(opened, row, "signed-out")
        return Answer(None)


@dataclass
class LockSession(Work):
    """Lock one's own session: it then answers to nothing but unlocking and signing out."""

    changes = True
    alone = True

    def perform(self, opened: Opened) -> Answer:
        """Lock it."""
        row = present_session(opened)
        opened.note.object = ("session", row.id)
        keep_session(opened, row._replace(locked_at=spell(opened.at)))
        return Answer(None)


@dataclass
class PrepareUnlock(Work):
    """Hand out the hash a password is to be checked against. Answers with that hash."""

    silent = True
    activity = False

    def perform(self, opened: Opened) -> Answer:
        """Return the stored hash; it stays inside this process."""
        account: AccountRow = opened.facts.account
        return Answer(account.password_hash)


@dataclass
class Unlock(Work):
    """Wake one's own session, locked or idle.

    Attributes:
        password_hash: What `PrepareUnlock` handed out.
        right: The verdict on the password; None when the pool had no room to check it.
        otp: A one-time code; needed when the session slept more than 30 minutes.
    """

    password_hash: str = field(repr=False)
    right: bool | None
    otp: str | None = field(default=None, repr=False)
    changes = True
    alone = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Wake it, or count the failure."""
        row = present_session(opened)
        opened.note.object = ("session", row.id)
        view = session_view(row)
        try:
            factor_used = self._credentials(opened, view)
        except CaretrailError as refusal:
            if refusal.why in COUNTED:
                _keep(opened, row, unlock_failed(view, opened.at))
            return Answer(refusal=refusal)
        woken = _keep(opened, row, unlocked(view, opened.at, factor_used=factor_used))
        return _shown(opened, woken)

    def _credentials(self, opened: Opened, view: SessionView) -> bool:
        """Say whether a second factor was used, or raise what is wrong or missing."""
        account: AccountRow = opened.facts.account
        if self.right is None:
            raise TooManyAttemptsError(why="password-queue-full", retry_after=RETRY_AFTER_S)
        if not self.right or account.password_hash != self.password_hash:
            raise CredentialsRefusedError(why="wrong-password")
        needed = otp_needed(view, opened.at, enrolled=bool(account.totp_confirmed))
        if self.otp is None and not needed:
            return False
        key = key_of(opened, account)
        private = private_of(key, account)
        return use_second_factor(opened, account, key, private, self.otp, None) is not None


@dataclass
class StepUp(Work):
    """Confirm with a one-time code, for operations that want a fresh second factor.

    Wrong codes count against the account like wrong passwords, or a session would be a place to try
    codes without end.
    """

    otp: str = field(repr=False)
    changes = True
    alone = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Note the second factor in the session."""
        account = own_account(opened)
        row = present_session(opened)
        opened.note.object = ("session", row.id)
        private = private_of(key_of(opened, account), account)
        if private.secret is None:
            raise SecondFactorRequiredError
        held = reserve(opened, [account_subject(opened, private.username, account)], fold=False)
        if held.refused:
            return Answer(refusal=TooManyAttemptsError(retry_after=held.retry_after_s))
        if not use_otp(opened, account, private.secret, self.otp):
            return Answer(refusal=OtpRequiredError(why="otp-wrong"))
        give_back(opened, held, signed_in=False)
        confirmed = row._replace(factor_at=spell(opened.at), seen_at=spell(opened.at))
        keep_session(opened, confirmed)
        return _shown(opened, confirmed)


def _keep(opened: Opened, row: SessionRow, view: SessionView) -> SessionRow:
    """Have what the rules made of a session written."""
    kept = row._replace(
        seen_at=spell(view.seen_at),
        locked_at=spell(view.locked_at) if view.locked_at else None,
        unlock_failures=view.unlock_failures,
        factor_at=spell(view.factor_at) if view.factor_at else None,
        ended_at=spell(view.ended_at) if view.ended_at else None,
        end_reason=view.end_reason,
    )
    keep_session(opened, kept)
    return kept


def _shown(opened: Opened, row: SessionRow) -> Answer:
    opened.note.object = ("session", row.id)
    account: AccountRow = opened.facts.account
    ready = {
        "password_change_required": bool(account.password_change_required),
        "second_factor_enrolled": bool(account.totp_confirmed),
    }
    return Answer(show_session(row) | ready)
