"""One's own credentials: the password, the authenticator, the recovery codes.

Changing the password takes two turns around Argon2: `PreparePassword` counts the attempt like one to sign
in and hands out the hash and the words a new password may not hold; `ChangePassword` decides. Both end
the user's other sessions, as does a new authenticator: whoever else was in is out.

Source: PASSWORD-4 (ASVS 5.0 6.2.3, 7.4.3), FACTOR-2 (ASVS 5.0 6.5.6, 7.5.1).
"""

from dataclasses import dataclass, field, replace

from sqlalchemy import bindparam, select

from app.access.opened import FieldChange, Opened
from app.access.work import Answer, Work
from app.core.clock import spell
from app.core.entropy import Entropy, words
from app.core.errors import (
    CaretrailError,
    ConflictError,
    CredentialsRefusedError,
    InvalidRequestError,
    TooManyAttemptsError,
)
from app.identity.account_rows import (
    assignments_of,
    homes_of,
    key_of,
    next_version,
    own_account,
    private_of,
)
from app.identity.factors import begin_steps, issue_recovery_codes
from app.identity.passwords import RETRY_AFTER_S
from app.identity.rows import AccountRow, SessionRow
from app.identity.session_rows import end_sessions, keep_session, present_session
from app.identity.sessions import check_step_up
from app.identity.table import home
from app.identity.throttle_subjects import account_subject
from app.identity.throttling import Held, give_back, reserve
from app.identity.totp import new_secret, otpauth_uri, step_of
from app.identity.views import session_view

INITIAL_GROUPS = 4
INITIAL_GROUP_LETTERS = 5
"""Twenty of 31 letters: 99 bits."""

_HOMES = select(home.c.id, home.c.name).where(home.c.org == bindparam("of"))
NOTHING_OFFERED = "Ask for a secret first (POST /v1/users/me/totp)."
WRONG_CODE = "This is not the present code for the secret. Check the clock of the device."


def new_initial_password(entropy: Entropy) -> str:
    """Return a password for a new account, easy to read aloud; its owner replaces it at once."""
    return "-".join(words(entropy, INITIAL_GROUP_LETTERS) for _ in range(INITIAL_GROUPS))


# --- the password -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OwnPassword:
    """What the change of a password is prepared with.

    Attributes:
        held: The attempt as counted; when it is `refused`, no password is to be checked.
        password_hash: What the current password is to be checked against.
        forbidden_words: Names a new password may not hold: the user's and their homes'.
        second_factor: The account has a second factor.
    """

    held: Held
    password_hash: str = field(repr=False)
    forbidden_words: tuple[str, ...] = field(repr=False)
    second_factor: bool


@dataclass
class PreparePassword(Work):
    """Count an attempt to name the current password. Answers with an `OwnPassword`, and makes no entry."""

    changes = True
    alone = True
    own_sql = True
    silent = True
    activity = False

    def perform(self, opened: Opened) -> Answer:
        """Reserve the attempt and collect what the new password is judged by."""
        row: AccountRow = opened.facts.account
        private = private_of(key_of(opened, row), row)
        held = reserve(opened, [account_subject(opened, private.username, row)], fold=False)
        named = (private.username, private.display_name, *_home_names(opened, row))
        return Answer(OwnPassword(held, row.password_hash, named, bool(row.totp_confirmed)))


def _home_names(opened: Opened, row: AccountRow) -> tuple[str, ...]:
    """Return the names of the homes somebody works at; all there are, of whoever is not bound to some."""
    assigned = assignments_of(row)
    bound = bool(assigned) and all(a.home_id is not None for a in assigned)
    homes = homes_of(assigned)
    found = opened.execute(_HOMES, {"of": row.org}).all()
    return tuple(one.name for one in found if one.id in homes or not bound)


@dataclass
class ChangePassword(Work):
    """Replace one's own password.

    Attributes:
        prepared: What `PreparePassword` answered; it may be refused.
        right: The verdict on the current password; None when it was not checked.
        new_hash: Of the new password; None when it was refused or not hashed.
        problem: Why the new password was refused; told only after a right current one.
    """

    prepared: OwnPassword
    right: bool | None
    new_hash: str | None = field(default=None, repr=False)
    problem: CaretrailError | None = None
    changes = True
    alone = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Write the new hash and end the other sessions, or refuse and keep what was counted."""
        row = own_account(opened)
        opened.note.object = ("user", row.id)
        held = self.prepared.held
        if held.refused:
            return Answer(refusal=TooManyAttemptsError(retry_after=held.retry_after_s))
        if self.right is None:
            give_back(opened, held, signed_in=False)
            full = TooManyAttemptsError(why="password-queue-full", retry_after=RETRY_AFTER_S)
            return Answer(refusal=full)
        if not self.right or row.password_hash != self.prepared.password_hash:
            return Answer(refusal=CredentialsRefusedError(why="wrong-password"))
        give_back(opened, held, signed_in=False)
        if self.new_hash is None:
            return Answer(refusal=self.problem or InvalidRequestError(("/new_password", "Choose another.")))
        self._write(opened, row, self.new_hash)
        return Answer(None)

    def _write(self, opened: Opened, row: AccountRow, new_hash: str) -> None:
        key = key_of(opened, row)
        private = private_of(key, row)
        wanted = row._replace(password_hash=new_hash, password_change_required=False)
        ended = _end_others(opened)
        changed = FieldChange("password", None, "changed")
        next_version(opened, key, row, wanted, private, private, [changed, ended])


def _end_others(opened: Opened) -> FieldChange:
    session: SessionRow = opened.facts.session
    count = end_sessions(opened, session.user_id, "credentials-changed", but=session.id)
    return FieldChange("sessions_ended", None, count)


# --- the authenticator ------------------------------------------------------------------------


@dataclass
class OfferTotp(Work):
    """Offer a secret for an authenticator; it counts for nothing until a code of it confirms it.

    An authenticator in use stays in use until then, so an offer never leaves an account with less.
    """

    issuer: str
    changes = True
    alone = True

    def perform(self, opened: Opened) -> Answer:
        """Seal a new secret and show it, this once."""
        row = own_account(opened)
        opened.note.object = ("user", row.id)
        if row.totp_confirmed:
            check_step_up(session_view(opened.facts.session), opened.at)
        key = key_of(opened, row)
        private = private_of(key, row)
        secret = new_secret(opened.entropy)
        offered = FieldChange("authenticator_offered", None, spell(opened.at))
        next_version(opened, key, row, row, private, replace(private, offered=secret), [offered])
        return Answer({"secret": secret, "otpauth_uri": otpauth_uri(secret, private.username, self.issuer)})


@dataclass
class ConfirmTotp(Work):
    """Confirm the offered secret with a code of it. Answers with recovery codes, shown this once."""

    otp: str = field(repr=False)
    changes = True
    alone = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Take the authenticator into use, in this very session."""
        row = own_account(opened)
        opened.note.object = ("user", row.id)
        key = key_of(opened, row)
        private = private_of(key, row)
        if private.offered is None:
            raise ConflictError(NOTHING_OFFERED, why="nothing-offered")
        step = step_of(private.offered, self.otp, opened.at, None)
        if step is None:
            raise InvalidRequestError(("/otp", WRONG_CODE), why="otp-wrong")
        begin_steps(opened, row, step)
        codes = issue_recovery_codes(opened, row, key)
        enrolled = replace(private, secret=private.offered, offered=None)
        confirmed = FieldChange("authenticator_confirmed", None, spell(opened.at))
        next_version(opened, key, row, row, private, enrolled, [confirmed, _end_others(opened)])
        now = spell(opened.at)
        keep_session(opened, present_session(opened)._replace(factor_at=now, seen_at=now))
        return Answer({"recovery_codes": codes})
