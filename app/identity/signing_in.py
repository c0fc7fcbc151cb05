"""Signing in, in two turns around the Argon2 that must not happen inside one.

1. `ReserveSignIn` counts the attempt against account and source before anything is checked, and hands
   out the stored hash. It makes no entry: one refused by the throttle is folded into a later one.
2. The password is checked outside, in the pool's thread; for an unknown name as for a known one.
3. `SignIn` reads the account again and decides in the contract's order: name and password, active, second
   factor, shift. Its entry stands in the organisation's chain when the name is known, else in `system`.

A crash between the turns leaves a counted attempt and no session. Every refusal is committed: the counter
that was raised and the code that was used stay so.

Source: SIGNIN-1 (ASVS 5.0 6.3.1, 6.3.8, 7.2.4), promise P6.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from app.access.agent import Agent
from app.access.opened import Opened
from app.access.work import Answer, Work
from app.core.clock import parse, spell
from app.core.errors import CaretrailError, CredentialsRefusedError, TooManyAttemptsError
from app.core.identifiers import new_id
from app.core.settings import DeviceKind
from app.identity.account_rows import (
    Private,
    account_named,
    assignments_of,
    homes_of,
    key_of,
    private_of,
    username_index,
)
from app.identity.assignments import Assignment, dump_assignments
from app.identity.factors import use_second_factor
from app.identity.passwords import RETRY_AFTER_S
from app.identity.rows import AccountRow, SessionRow, ShiftRow
from app.identity.session_rows import INSERT_SESSION, show_session
from app.identity.sessions import LONGEST_LIFETIME, choose_shift, ends, idle_for
from app.identity.shift_rows import open_shifts
from app.identity.throttle_subjects import account_subject, source_subject
from app.identity.throttling import Held, give_back, reserve
from app.identity.views import shift_view

NO_GUESS = frozenset({"otp-missing", "off-shift", "password-queue-full"})
"""Refusals after right credentials, as far as they were given: they do not count as failures."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """What the first turn hands to the second, by way of the password pool.

    Attributes:
        index: The blind index of the user name.
        held: The attempt as counted; when it is `refused`, no password is to be checked.
        password_hash: What the password is to be checked against; None for an unknown name.
    """

    index: bytes
    held: Held
    password_hash: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Device:
    """What somebody signs in from."""

    kind: DeviceKind = "desktop"
    id: str | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session: what the access token is made of, and the body of the answer but for the token."""

    org: str
    session_id: str
    user_id: str
    started_at: datetime
    ends_at: datetime
    body: dict[str, Any]


@dataclass
class ReserveSignIn(Work):
    """Count an attempt to sign in, or refuse it. Answers with a `Reservation`."""

    username: str
    changes = True
    alone = True
    own_sql = True
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Reserve the attempt in the counters of the account and of the source."""
        index = username_index(opened, self.username)
        row = account_named(opened, index)
        subjects = [account_subject(opened, self.username, row)]
        if opened.visit.address:
            subjects.append(source_subject(opened, opened.visit.address))
        held = reserve(opened, subjects)
        return Answer(Reservation(index, held, row.password_hash if row is not None else None))


@dataclass
class SignIn(Work):
    """Decide on an attempt whose password was checked. Answers with a `SignedIn`.

    Attributes:
        reservation: What the first turn answered; not refused.
        right: The verdict on the password; None when the pool had no room to check it.
        otp: A one-time code.
        recovery_code: One of the codes for a lost authenticator, in its place.
        shift_id: Which of several shifts this is for.
        device: What is signed in from.
        caps: The administrator's caps on idle timeouts.
        lifetime: The longest a session lasts.
    """

    reservation: Reservation
    right: bool | None
    otp: str | None = field(default=None, repr=False)
    recovery_code: str | None = field(default=None, repr=False)
    shift_id: str | None = None
    device: Device = field(default_factory=Device)
    caps: Mapping[DeviceKind, timedelta] | None = None
    lifetime: timedelta = LONGEST_LIFETIME
    changes = True
    alone = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Start the session, or refuse and keep what was counted."""
        row = account_named(opened, self.reservation.index, locked=True)
        if row is not None:
            opened.note.org = row.org
            opened.note.actor = _actor(row, assignments_of(row))
        try:
            signed_in = self._start(opened, self._known(row))
        except CaretrailError as refusal:
            if refusal.why in NO_GUESS:
                give_back(opened, self.reservation.held, signed_in=False)
            return Answer(refusal=refusal)
        give_back(opened, self.reservation.held, signed_in=True)
        return Answer(signed_in)

    def _known(self, row: AccountRow | None) -> AccountRow:
        """Return the account, if the name is known, the password right and the account active."""
        if self.right is None:
            raise TooManyAttemptsError(why="password-queue-full", retry_after=RETRY_AFTER_S)
        if row is None:
            raise CredentialsRefusedError(why="unknown-name")
        # The verdict is on the hash that was read first; a password changed meanwhile was not checked.
        if not self.right or row.password_hash != self.reservation.password_hash:
            raise CredentialsRefusedError(why="wrong-password")
        if not row.active:
            raise CredentialsRefusedError(why="inactive")
        return row

    def _start(self, opened: Opened, row: AccountRow) -> SignedIn:
        key = key_of(opened, row)
        private = private_of(key, row)
        factor_at = use_second_factor(opened, row, key, private, self.otp, self.recovery_code)
        shift = self._shift(opened, row)
        session = self._session(opened, row, shift, factor_at)
        opened.change(INSERT_SESSION, session._asdict())
        acting = _in_force(row, shift)
        opened.note.object = ("session", session.id)
        opened.note.actor = _actor(row, acting, session)
        return SignedIn(
            row.org,
            session.id,
            row.id,
            parse(session.started_at),
            parse(session.ends_at),
            _body(row, private, acting, session),
        )

    def _shift(self, opened: Opened, row: AccountRow) -> ShiftRow | None:
        """Return the shift the session is for: always of agency workers, of staff when they name one.

        A shift whose assignment was taken away lets nobody in.
        """
        if row.kind != "agency" and self.shift_id is None:
            return None
        assigned = {(a.role, a.home_id) for a in assignments_of(row)}
        shifts = {s.id: s for s in open_shifts(opened, row) if (s.role, s.home_id) in assigned}
        chosen = choose_shift([shift_view(s) for s in shifts.values()], opened.at, self.shift_id)
        return shifts[chosen.id]

    def _session(
        self, opened: Opened, row: AccountRow, shift: ShiftRow | None, factor_at: datetime | None
    ) -> SessionRow:
        until, because = ends(opened.at, self.lifetime, parse(shift.ends_at) if shift is not None else None)
        now = spell(opened.at)
        return SessionRow(
            id=new_id(),
            org=row.org,
            user_id=row.id,
            device_kind=self.device.kind,
            device_id=self.device.id,
            shift_id=shift.id if shift is not None else None,
            started_at=now,
            seen_at=now,
            ends_at=spell(until),
            ends_because=because,
            idle_timeout_s=int(idle_for(self.device.kind, self.caps).total_seconds()),
            factor_at=spell(factor_at) if factor_at is not None else None,
            locked_at=None,
            unlock_failures=0,
            ended_at=None,
            end_reason=None,
        )


def _in_force(row: AccountRow, shift: ShiftRow | None) -> tuple[Assignment, ...]:
    """Return the assignments a session acts with: of agency workers, only what the shift is for."""
    assignments = assignments_of(row)
    if row.kind != "agency" or shift is None:
        return assignments
    return tuple(a for a in assignments if (a.role, a.home_id) == (shift.role, shift.home_id))


def _actor(row: AccountRow, assignments: tuple[Assignment, ...], session: SessionRow | None = None) -> Agent:
    """Return who the entry names: the account tried, with roles and session only once it is through."""
    return Agent(
        row.org,
        row.id,
        "user",
        (),
        roles=tuple(sorted({a.role for a in assignments})) if session is not None else (),
        session_id=session.id if session is not None else None,
        device_id=session.device_id if session is not None else None,
        name_seq=row.name_seq,
        homes=homes_of(assignments),
    )


def _body(
    row: AccountRow, private: Private, acting: tuple[Assignment, ...], session: SessionRow
) -> dict[str, Any]:
    user = {
        "id": row.id,
        "username": private.username,
        "display_name": private.display_name,
        "kind": row.kind,
        "assignments": dump_assignments(acting),
    }
    return {
        "session": show_session(session),
        "user": user,
        "password_change_required": bool(row.password_change_required),
        "second_factor_enrolled": bool(row.totp_confirmed),
    }
