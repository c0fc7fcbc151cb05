"""The life of a session."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import (
    OffShiftError,
    SessionEndedError,
    SessionIdleError,
    SessionLockedError,
    ShiftOverError,
    StepUpRequiredError,
)
from app.identity.sessions import (
    SessionView,
    ShiftView,
    check,
    check_alive,
    check_step_up,
    choose_shift,
    ends,
    idle_for,
    otp_needed,
    touch_due,
    unlock_failed,
    unlocked,
)

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
TICK = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SESSION = SessionView(seen_at=NOW, ends_at=NOW + 12 * HOUR, ends_because="lifetime", idle_for=10 * MINUTE)
SHIFT = ShiftView("day", NOW - HOUR, NOW + 7 * HOUR)
ON_SHIFT = replace(SESSION, shift_id="day", ends_at=SHIFT.ends_at, ends_because="shift")


def refusal(session, *, user_active=True, shift=None, at=NOW):
    try:
        check(session, user_active, shift, at)
    except (SessionEndedError, ShiftOverError, SessionLockedError, SessionIdleError) as error:
        return type(error)
    return None


@pytest.mark.parametrize(
    ("kind", "minutes"), [("desktop", 10), ("mobile", 5), ("shared_tablet", 2), (None, 10)]
)
def test_idle_timeout_of_each_device(kind, minutes):
    """A desktop sleeps after 10 minutes, a mobile after 5, a shared tablet after 2; unnamed is desktop."""
    assert idle_for(kind) == minutes * MINUTE


def test_caps_shorten_and_never_extend():
    """An administrator may shorten the timeout of a kind; a longer cap changes nothing."""
    caps = {"desktop": 3 * MINUTE, "mobile": HOUR}

    assert idle_for("desktop", caps) == idle_for(None, caps) == 3 * MINUTE
    assert idle_for("mobile", caps) == 5 * MINUTE
    assert idle_for("shared_tablet", caps) == 2 * MINUTE


@pytest.mark.parametrize(
    ("lifetime", "shift_end", "expected"),
    [
        (12 * HOUR, None, (12 * HOUR, "lifetime")),
        (12 * HOUR, 8 * HOUR, (8 * HOUR, "shift")),
        (12 * HOUR, 12 * HOUR, (12 * HOUR, "shift")),
        (12 * HOUR, 12 * HOUR + TICK, (12 * HOUR, "lifetime")),
        (4 * HOUR, 8 * HOUR, (4 * HOUR, "lifetime")),
        (99 * HOUR, None, (12 * HOUR, "lifetime")),
    ],
)
def test_session_ends_with_its_lifetime_or_its_shift(lifetime, shift_end, expected):
    """A session ends with its shift or after its lifetime, whichever is first; never after 12 hours."""
    after, because = expected

    assert ends(NOW, lifetime, shift_end and NOW + shift_end) == (NOW + after, because)
    assert ends(NOW) == (NOW + 12 * HOUR, "lifetime")


def test_sign_in_takes_the_running_shift_that_ends_last():
    """Of several running shifts the one named counts, else the one that ends last."""
    late = ShiftView("late", NOW, NOW + 9 * HOUR)
    shifts = [SHIFT, late, ShiftView("gone", NOW, NOW + 20 * HOUR, cancelled=True)]

    assert choose_shift(shifts, NOW) == late
    assert choose_shift(shifts, NOW, "day") == SHIFT
    assert choose_shift(shifts, NOW - TICK) == SHIFT
    assert choose_shift(shifts, NOW + 9 * HOUR - TICK) == late


@pytest.mark.parametrize(
    ("at", "named"),
    [(NOW, "gone"), (NOW, "night"), (NOW - TICK, "late"), (NOW - 2 * HOUR, None), (NOW + 9 * HOUR, None)],
)
def test_sign_in_outside_a_shift_is_refused(at, named):
    """A shift that has not begun, is over, was cancelled or is unknown is no shift."""
    late = ShiftView("late", NOW, NOW + 9 * HOUR)

    with pytest.raises(OffShiftError):
        choose_shift([SHIFT, late, ShiftView("gone", NOW, NOW + 20 * HOUR, cancelled=True)], at, named)


def test_idle_time_to_the_microsecond():
    """A session sleeps from exactly its timeout after the last activity on."""
    assert refusal(SESSION, at=NOW + 10 * MINUTE - TICK) is None
    assert refusal(SESSION, at=NOW + 10 * MINUTE) is SessionIdleError
    assert refusal(SESSION, at=NOW - MINUTE) is None


def test_activity_of_an_hour_to_come_keeps_nothing_awake():
    """A session seen more than a minute ahead was seen by a clock that was wrong: it is asleep."""
    seen = replace(SESSION, seen_at=NOW + HOUR)

    assert refusal(seen, at=NOW) is SessionIdleError
    assert refusal(seen, at=NOW + HOUR - MINUTE - TICK) is SessionIdleError
    assert refusal(seen, at=NOW + HOUR - MINUTE) is None
    check_alive(seen, True, None, NOW)


def test_no_session_outlasts_the_longest_there_is():
    """One begun at an hour to come ends at once: unlocked, it would last until that hour and twelve more."""
    begun = replace(SESSION, ends_at=NOW + MINUTE + 12 * HOUR)
    too_far = replace(begun, ends_at=begun.ends_at + TICK)

    check_alive(begun, True, None, NOW)
    with pytest.raises(SessionEndedError) as error:
        check_alive(too_far, True, None, NOW)
    assert error.value.why == "lifetime-over"


def test_lifetime_to_the_microsecond():
    """A session ends exactly at its end, however active."""
    active = replace(SESSION, seen_at=SESSION.ends_at - TICK)

    assert refusal(active, at=SESSION.ends_at - TICK) is None
    assert refusal(active, at=SESSION.ends_at) is SessionEndedError


def test_shift_to_the_microsecond():
    """A session ends exactly with its shift, however active."""
    active = replace(ON_SHIFT, seen_at=SHIFT.ends_at - TICK)

    assert refusal(active, shift=SHIFT, at=SHIFT.ends_at - TICK) is None
    assert refusal(active, shift=SHIFT, at=SHIFT.ends_at) is ShiftOverError


def test_changed_shift_acts_at_once():
    """A shift shortened, moved, cancelled or deleted ends its session; one extended does not prolong it."""
    assert refusal(ON_SHIFT, shift=replace(SHIFT, ends_at=NOW)) is ShiftOverError
    assert refusal(ON_SHIFT, shift=replace(SHIFT, ends_at=NOW + TICK)) is None
    assert refusal(ON_SHIFT, shift=replace(SHIFT, starts_at=NOW + TICK)) is ShiftOverError
    assert refusal(ON_SHIFT, shift=replace(SHIFT, starts_at=NOW)) is None
    assert refusal(ON_SHIFT, shift=replace(SHIFT, cancelled=True)) is ShiftOverError
    assert refusal(ON_SHIFT, shift=None) is ShiftOverError
    longer, active = replace(SHIFT, ends_at=NOW + 99 * HOUR), replace(ON_SHIFT, seen_at=ON_SHIFT.ends_at)
    assert refusal(active, shift=longer, at=ON_SHIFT.ends_at) is ShiftOverError


def test_shift_of_a_session_that_lives_by_its_lifetime_still_counts():
    """A session of a long shift that was shortened since is over with the shift, not with its lifetime."""
    session = replace(SESSION, shift_id="day")

    assert refusal(session, shift=SHIFT) is None
    assert refusal(session, shift=SHIFT, at=SHIFT.ends_at) is ShiftOverError


def test_session_of_no_shift_asks_for_none():
    """A member of staff without shifts acts at any time."""
    assert refusal(SESSION) is None


REASONS = {
    "ended": SessionEndedError,
    "shift": ShiftOverError,
    "lifetime": SessionEndedError,
    "user": SessionEndedError,
    "locked": SessionLockedError,
    "idle": SessionIdleError,
}
WHY = {"ended": "signed-out", "shift": "shift-over", "lifetime": "lifetime-over", "user": "user-inactive",
       "locked": "session-locked", "idle": "session-idle"}  # fmt: skip


@pytest.mark.parametrize("wrong", [c for n in range(1, 7) for c in combinations(REASONS, n)])
def test_first_reason_is_told(wrong):
    """Of several reasons the first counts: ended, shift over, lifetime over, inactive, locked, idle."""
    session = SessionView(
        seen_at=NOW - 10 * MINUTE if "idle" in wrong else NOW,
        ends_at=NOW if "lifetime" in wrong else NOW + TICK,
        ends_because="lifetime",
        idle_for=10 * MINUTE,
        shift_id="day",
        locked_at=NOW if "locked" in wrong else None,
        ended_at=NOW if "ended" in wrong else None,
        end_reason="signed-out" if "ended" in wrong else None,
    )
    shift = replace(SHIFT, ends_at=NOW) if "shift" in wrong else SHIFT
    active = "user" not in wrong

    with pytest.raises(REASONS[wrong[0]]) as error:
        check(session, active, shift, NOW)

    assert error.value.why == WHY[wrong[0]]
    if wrong[0] in {"locked", "idle"}:
        check_alive(session, active, shift, NOW)
    else:
        with pytest.raises(REASONS[wrong[0]]):
            check_alive(session, active, shift, NOW)


def test_end_without_a_reason_is_still_an_end():
    """A session with an end is over, whether or not a reason was noted."""
    with pytest.raises(SessionEndedError) as error:
        check(replace(SESSION, ended_at=NOW + HOUR), True, None, NOW)

    assert error.value.why == "session-ended"


def test_activity_is_written_at_every_fortieth_of_the_timeout():
    """A desktop's activity is written at most every 15 seconds, a shared tablet's every 3."""
    for timeout, step in ((10 * MINUTE, 15), (5 * MINUTE, 7.5), (2 * MINUTE, 3)):
        due = NOW + timedelta(seconds=step)
        assert not touch_due(NOW, due - TICK, timeout)
        assert touch_due(NOW, due, timeout)
    assert not touch_due(NOW, NOW - HOUR, 2 * MINUTE)


@settings(deadline=None)
@given(
    st.sampled_from([2 * MINUTE, 5 * MINUTE, 10 * MINUTE]),
    st.lists(st.timedeltas(timedelta(0), timedelta(seconds=100)), min_size=1, max_size=60),
)
def test_idle_is_exact_to_five_percent(timeout, gaps):
    """Written so seldom, the session still sleeps 95 to 100 % of its timeout after the last activity."""
    session, at, writes = replace(SESSION, idle_for=timeout), NOW, 0
    for gap in gaps:
        at += gap
        if touch_due(session.seen_at, at, timeout):
            session, writes = replace(session, seen_at=at), writes + 1

    assert refusal(session, at=at + timeout * 0.95) is None
    assert refusal(session, at=at + timeout) is SessionIdleError
    assert writes <= (at - NOW) / (timeout / 40)


@pytest.mark.parametrize("asleep", [{"locked_at": NOW, "seen_at": NOW - 9 * MINUTE}, {"seen_at": NOW}])
def test_otp_is_needed_after_thirty_minutes_asleep(asleep):
    """Unlocking takes a code when the session was locked, or without activity, over 30 minutes."""
    session = replace(SESSION, **asleep)

    assert not otp_needed(session, NOW + 30 * MINUTE, enrolled=True)
    assert otp_needed(session, NOW + 30 * MINUTE + TICK, enrolled=True)
    assert not otp_needed(session, NOW + 10 * HOUR, enrolled=False)


@pytest.mark.parametrize("asleep", [{"locked_at": NOW + HOUR}, {"seen_at": NOW + HOUR}])
def test_otp_is_needed_when_nobody_knows_how_long_it_slept(asleep):
    """Since an hour that is still to come is no time at all; a minute ahead is a machine beside."""
    session = replace(SESSION, **asleep)

    assert otp_needed(session, NOW, enrolled=True)
    assert not otp_needed(session, NOW, enrolled=False)
    assert otp_needed(session, NOW + HOUR - MINUTE - TICK, enrolled=True)
    assert not otp_needed(session, NOW + HOUR - MINUTE, enrolled=True)


def test_unlocked_session_is_awake():
    """After unlocking the session acts again, its failures are forgotten and its end stays."""
    session = replace(SESSION, locked_at=NOW, unlock_failures=4, factor_at=NOW - HOUR)
    at = NOW + HOUR

    by_password = unlocked(session, at, factor_used=False)
    by_both = unlocked(session, at, factor_used=True)

    assert by_password == replace(SESSION, seen_at=at, factor_at=NOW - HOUR)
    assert by_both == replace(SESSION, seen_at=at, factor_at=at)
    assert refusal(by_password, at=at) is None
    assert by_password.ends_at == SESSION.ends_at


def test_fifth_wrong_password_ends_the_session():
    """Four wrong attempts to unlock change nothing else, the fifth ends the session for good."""
    session = replace(SESSION, locked_at=NOW)
    for n in range(1, 5):
        session = unlock_failed(session, NOW)
        assert session == replace(SESSION, locked_at=NOW, unlock_failures=n)
        check_alive(session, True, None, NOW)

    session = unlock_failed(session, NOW + MINUTE)

    assert (session.ended_at, session.end_reason) == (NOW + MINUTE, "wrong-passwords")
    with pytest.raises(SessionEndedError):
        check_alive(session, True, None, NOW + MINUTE)


def test_step_up_lasts_five_minutes():
    """An operation that wants a fresh second factor takes one used in the last five minutes, none to come."""
    check_step_up(replace(SESSION, factor_at=NOW), NOW + 5 * MINUTE)
    check_step_up(replace(SESSION, factor_at=NOW + MINUTE), NOW)
    for factor_at, at in ((NOW, NOW + 5 * MINUTE + TICK), (None, NOW), (NOW + MINUTE + TICK, NOW)):
        with pytest.raises(StepUpRequiredError):
            check_step_up(replace(SESSION, factor_at=factor_at), at)
