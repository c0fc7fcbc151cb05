"""The life of a session, as pure rules over what its row says.

To let a session act, in this order, each with its own answer:

1. it was not ended: signed out, ended by another, too many wrong passwords;
2. its shift is not over, shortened, moved or withdrawn;
3. its lifetime is not over;
4. its user is still active;
5. it is not locked;
6. it is not idle.

A locked or idle session may still be unlocked or signed out: for those only 1 to 4 are asked
(`check_alive`). A session never revives: whoever shortens a shift also draws `ends_at` of its sessions
forward, so that extending the shift again does not bring them back.

A clock that ran ahead and was put right leaves instants that are still to come. They prolong nothing:
activity of such a time counts as long ago, and a session that would last longer than any can is over.

Source: SESSION-1 (ASVS 5.0 7.3.1), SESSION-2 (ASVS 5.0 7.3.2), SESSION-3 (ASVS 5.0 7.4.2).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from app.core.clock import AGREED
from app.core.errors import (
    OffShiftError,
    SessionEndedError,
    SessionIdleError,
    SessionLockedError,
    ShiftOverError,
    StepUpRequiredError,
)
from app.core.settings import DeviceKind

EndsBecause = Literal["lifetime", "shift"]

IDLE_FOR: Final[Mapping[DeviceKind, timedelta]] = {
    "desktop": timedelta(minutes=10),
    "mobile": timedelta(minutes=5),
    "shared_tablet": timedelta(minutes=2),
}
LONGEST_LIFETIME: Final = timedelta(hours=12)
TOUCHES: Final = 40
"""Activity is written at most once in each fortieth (2.5 %) of the timeout, never at every request."""
OTP_AGAIN_AFTER: Final = timedelta(minutes=30)
STEP_UP_FOR: Final = timedelta(minutes=5)
_TO_COME: Final = -AGREED
_LASTS_AT_MOST: Final = LONGEST_LIFETIME + AGREED
WRONG_UNLOCKS: Final = 5


@dataclass(frozen=True, slots=True)
class ShiftView:
    """What the rules need of a shift."""

    id: str
    starts_at: datetime
    ends_at: datetime
    cancelled: bool = False

    def runs(self, at: datetime) -> bool:
        """Say whether an instant lies in the shift: its start does, its end does not."""
        return not self.cancelled and self.starts_at <= at < self.ends_at


@dataclass(frozen=True, slots=True)
class SessionView:
    """What the rules need of a session.

    Attributes:
        seen_at: The last activity, at most 2.5 % of `idle_for` too early.
        ends_at: When it ends at the latest. Never moves later.
        ends_because: What `ends_at` is the end of, as `ends` said.
        idle_for: How long without activity until it sleeps.
        shift_id: The shift it belongs to; None when it belongs to none.
        factor_at: The last use of a second factor in it.
        locked_at: Since when it is locked.
        unlock_failures: Wrong credentials given to unlock it, since it was last unlocked.
        ended_at: When it was ended, other than by time.
        end_reason: The code of that end, for the trail.
    """

    seen_at: datetime
    ends_at: datetime
    ends_because: str
    idle_for: timedelta
    shift_id: str | None = None
    factor_at: datetime | None = None
    locked_at: datetime | None = None
    unlock_failures: int = 0
    ended_at: datetime | None = None
    end_reason: str | None = None


def idle_for(kind: DeviceKind | None, caps: Mapping[DeviceKind, timedelta] | None = None) -> timedelta:
    """Return the idle timeout of a kind of device; an administrator's cap shortens it, never extends it."""
    kind = kind or "desktop"
    return min(IDLE_FOR[kind], (caps or {}).get(kind, IDLE_FOR[kind]))


def ends(
    at: datetime, lifetime: timedelta = LONGEST_LIFETIME, shift_end: datetime | None = None
) -> tuple[datetime, EndsBecause]:
    """Return when a session that begins now ends at the latest, and what ends it."""
    lifetime_end = at + min(lifetime, LONGEST_LIFETIME)
    if shift_end is not None and shift_end <= lifetime_end:
        return shift_end, "shift"
    return lifetime_end, "lifetime"


def choose_shift(shifts: Iterable[ShiftView], at: datetime, named: str | None = None) -> ShiftView:
    """Return the running shift a sign-in is for: the one named, else the one that ends last.

    Raises:
        OffShiftError: None runs, or the one named does not.
    """
    running = [shift for shift in shifts if shift.runs(at) and named in {None, shift.id}]
    if not running:
        raise OffShiftError
    return max(running, key=lambda shift: (shift.ends_at, shift.id))


def check(session: SessionView, user_active: bool, shift: ShiftView | None, at: datetime) -> None:
    """Let a session act, or raise the reason why it may not.

    Args:
        session: Its row.
        user_active: Whether its account is.
        shift: The shift named by `shift_id` as it is now; None when that is gone or there is none.
        at: The turn's instant.

    Raises:
        SessionEndedError: 1, 3, 4.
        ShiftOverError: 2.
        SessionLockedError: 5.
        SessionIdleError: 6.
    """
    check_alive(session, user_active, shift, at)  # 1 to 4
    if session.locked_at is not None:  # 5
        raise SessionLockedError
    if not _TO_COME <= at - session.seen_at < session.idle_for:  # 6
        raise SessionIdleError


def check_alive(session: SessionView, user_active: bool, shift: ShiftView | None, at: datetime) -> None:
    """Let a session be unlocked or signed out, asleep or not, or raise the reason why it may not."""
    if session.ended_at is not None:  # 1
        raise SessionEndedError(why=session.end_reason or "session-ended")
    if session.shift_id is not None and (shift is None or not shift.runs(at)):  # 2
        raise ShiftOverError
    if at >= session.ends_at:
        if session.ends_because == "shift":  # 2, although the shift itself was extended since
            raise ShiftOverError
        raise SessionEndedError(why="lifetime-over")  # 3
    if session.ends_at - at > _LASTS_AT_MOST:
        raise SessionEndedError(why="lifetime-over")  # 3, begun at an instant that is still to come
    if not user_active:  # 4
        raise SessionEndedError(why="user-inactive")


def touch_due(seen_at: datetime, at: datetime, idle_for: timedelta) -> bool:
    """Say whether this activity is to be written down.

    What is not written makes the session sleep early by at most 2.5 % of its timeout, never late.
    """
    return at - seen_at >= idle_for / TOUCHES


def otp_needed(session: SessionView, at: datetime, *, enrolled: bool) -> bool:
    """Say whether unlocking takes a one-time code beside the password.

    It does when the session slept more than 30 minutes: since it was locked, or else since its last
    activity; and when that is still to come, for then nobody knows how long it was. A user without a second
    factor has none to give.
    """
    asleep_since = session.locked_at or session.seen_at
    return enrolled and not _TO_COME <= at - asleep_since <= OTP_AGAIN_AFTER


def unlocked(session: SessionView, at: datetime, *, factor_used: bool) -> SessionView:
    """Return the session awake again, after right credentials of its own user."""
    factor_at = at if factor_used else session.factor_at
    return replace(session, seen_at=at, locked_at=None, unlock_failures=0, factor_at=factor_at)


def unlock_failed(session: SessionView, at: datetime) -> SessionView:
    """Return the session after wrong credentials: the fifth time, at an end.

    A wrong one-time code counts like a wrong password, or codes could be tried out without limit.
    """
    failures = session.unlock_failures + 1
    if failures < WRONG_UNLOCKS:
        return replace(session, unlock_failures=failures)
    return replace(session, unlock_failures=failures, ended_at=at, end_reason="wrong-passwords")


def check_step_up(session: SessionView, at: datetime) -> None:
    """Let an operation go on that wants a second factor used in the last five minutes.

    Raises:
        StepUpRequiredError: None was used, or longer ago.
    """
    if session.factor_at is None or not _TO_COME <= at - session.factor_at <= STEP_UP_FOR:
        raise StepUpRequiredError
