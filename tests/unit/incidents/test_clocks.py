"""The two clocks: elapsed hours, whatever the day and whatever the clocks on the wall do."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.incidents.clocks import HOURS, MARKS, Clock, given_late, in_words, since

LONDON = ZoneInfo("Europe/London")
AWARE = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def clock(name="72h", at=AWARE, **more):
    """Return a clock that counts from an instant that was said."""
    return Clock(name, since(at, at), **more)


@pytest.mark.parametrize(
    ("aware", "due"),
    [
        ((2026, 3, 2, 9), (2026, 3, 5, 9)),  # Monday to Thursday
        ((2026, 3, 6, 17), (2026, 3, 9, 17)),  # Friday evening to Monday evening: the weekend counts
        ((2026, 4, 2, 16), (2026, 4, 5, 16)),  # over Good Friday and Easter
        ((2026, 3, 27, 18), (2026, 3, 30, 19)),  # the clocks go forward on 29 March
        ((2026, 3, 29, 0, 30), (2026, 4, 1, 1, 30)),  # half an hour before they do
        ((2026, 3, 29, 2, 30), (2026, 4, 1, 2, 30)),  # half an hour after
        ((2026, 10, 23, 18), (2026, 10, 26, 17)),  # they go back on 25 October
        ((2026, 10, 25, 0, 30), (2026, 10, 27, 23, 30)),  # an hour before they do
        ((2026, 10, 25, 3, 0), (2026, 10, 28, 3, 0)),  # after
        ((2026, 12, 30, 12), (2027, 1, 2, 12)),  # over the turn of the year
    ],
)
def test_seventy_two_hours_are_elapsed_hours(aware, due):
    """The 72 hours run through weekends and holidays; on the wall they end an hour later or earlier once."""
    at = datetime(*aware, tzinfo=LONDON).astimezone(UTC)

    assert datetime(*due, tzinfo=LONDON) == clock(at=at).due_at
    assert timedelta(hours=72) == clock(at=at).due_at - at


def test_the_two_readings_of_the_hour_that_comes_twice_differ_by_an_hour():
    """01:30 of the night the clocks go back names two instants; each has its own 72 hours."""
    first, second = (
        datetime(2026, 10, 25, 1, 30, tzinfo=LONDON, fold=fold).astimezone(UTC) for fold in (0, 1)
    )

    assert timedelta(hours=1) == clock(at=second).due_at - clock(at=first).due_at


def test_senior_management_is_told_within_twelve_hours():
    """The 12 hours count from detection."""
    assert AWARE + timedelta(hours=12) == clock("12h").due_at


def test_the_last_instant_is_in_time():
    """Told 72 hours after is in time, a microsecond later is late, and by how much is said."""
    due, tick = clock().due_at, timedelta(microseconds=1)

    assert ("told", None) == (clock(told_at=due).state(due), clock(told_at=due).late_by())
    late = clock(told_at=due + tick)
    assert ("told_late", tick) == (late.state(due + tick), late.late_by())
    assert ["running", "over"] == [clock().state(due), clock().state(due + tick)]


def test_what_is_left_goes_below_zero_and_ends_with_the_clock():
    """An hour after the 72 minus one hour is left; a clock that stopped has nothing left."""
    at = clock().due_at + timedelta(hours=1)

    assert timedelta(hours=-1) == clock().left(at)
    assert [None, None] == [clock(told_at=AWARE).left(at), clock(decided=True).left(at)]
    assert "not_needed" == clock(decided=True).state(at)


@pytest.mark.parametrize("name", HOURS)
def test_each_mark_is_due_from_its_instant_on(name):
    """A second before a mark nothing is due; from the mark on it is, and so is what was left out before."""
    for n, mark in enumerate(MARKS[name]):
        at = AWARE + timedelta(hours=mark)
        assert MARKS[name][:n] == clock(name).due_marks(at - SECOND, ())
        assert MARKS[name][: n + 1] == clock(name).due_marks(at, ())
        assert (mark,) == clock(name).due_marks(at, MARKS[name][:n])


def test_marks_are_24_48_66_hours_and_over():
    """The marks are those that were promised; the last is the end of the time."""
    assert {"72h": (24, 48, 66, 72), "12h": (6, 12)} == MARKS


def test_a_clock_that_stopped_warns_no_more():
    """Once whom it is about was told, or it was decided that they need not be, no warning is due."""
    at = AWARE + timedelta(hours=100)

    assert [(), ()] == [clock(**how).due_marks(at, ()) for how in ({"told_at": AWARE}, {"decided": True})]


def test_what_nobody_said_counts_from_the_record():
    """Not to know since when the home was aware buys no time: the clock counts from when it was recorded."""
    opened = AWARE + timedelta(hours=3)

    assert (opened, True) == since(None, opened)
    assert (AWARE, False) == since(AWARE, opened)


def test_a_warning_is_late_after_half_an_hour():
    """Two looks of a quarter of an hour may pass; then the warning says that it is late."""
    assert [False, True] == [
        given_late(AWARE, AWARE + timedelta(minutes=30, seconds=more)) for more in (0, 1)
    ]


def test_spans_are_told_in_hours_and_minutes():
    """`5 h 02 min`, also of what is over."""
    span = timedelta(hours=5, minutes=2, seconds=59)
    assert ["5 h 02 min", "5 h 02 min", "72 h 00 min"] == [
        in_words(one) for one in (span, -span, timedelta(hours=72))
    ]
