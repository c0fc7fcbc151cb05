"""When jobs are due."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core.clock import AGREED, parse, spell
from app.core.errors import StartRefusedError
from app.jobs.lease import LEASE, holds
from app.jobs.schedule import MOST_MISSED, check_cron, due_after, latest_due, missed, next_due
from app.jobs.works import NEVER

NIGHTLY = "15 2 * * *"


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def test_the_next_run_is_the_first_after_now():
    """A job is due at the first instant after now that its time-table names."""
    assert next_due(NIGHTLY, at(1, 2, 14)) == at(1, 2, 15)
    assert next_due(NIGHTLY, at(1, 2, 15)) == at(2, 2, 15)


def test_a_night_in_which_the_clocks_change_is_like_any_other():
    """Time-tables are in UTC: the last Sunday of March has its run at 01:30."""
    assert next_due("30 1 * * *", at(28, 12)) == at(29, 1, 30)


@pytest.mark.parametrize("text", ["", "nightly", "15 2 * *", "61 * * * *", "0 0 31 2 *"])
def test_text_that_never_comes_due_is_refused(text):
    """What is no cron text, and a date that never comes, is refused with an example."""
    with pytest.raises(StartRefusedError, match="like `15 2"):
        check_cron(text, "CARETRAIL_X")


def test_runs_left_out_are_counted():
    """Beside the run that is due, those due up to now count as left out; counting ends at 1,000."""
    assert missed(NIGHTLY, at(1, 2, 15), at(1, 12)) == 0
    assert missed(NIGHTLY, at(1, 2, 15), at(4, 2, 15)) == 3
    assert missed("* * * * *", at(1, 0), at(8, 0)) == MOST_MISSED


@pytest.mark.parametrize("cron", [NIGHTLY, "45 3 * * 0", "0 0 29 2 *"])
def test_of_a_job_that_is_not_due_yet_nothing_was_left_out(cron):
    """Also of one that is due never: its instant is the last there is, and no time-table goes on from it."""
    assert missed(cron, at(2, 0), at(1, 0)) == 0
    assert missed(cron, parse(NEVER), at(1, 0)) == 0


def test_a_failed_run_is_tried_again_within_half_an_hour():
    """After a failure a job is due in 30 minutes, or when it is due anyway if that is sooner."""
    assert due_after(NIGHTLY, at(1, 3), failed=True) == at(1, 3, 30)
    assert due_after(NIGHTLY, at(1, 2), failed=True) == at(1, 2, 15)
    assert due_after(NIGHTLY, at(1, 3), failed=False) - at(1, 3) == timedelta(hours=23, minutes=15)


@pytest.mark.parametrize("failed", [False, True])
def test_no_job_is_due_later_than_the_latest(failed):
    """Whatever a run came to, and whichever machine's clock within a minute ended it; never is later."""
    for minute in range(1440):
        ended = at(1, 0) + timedelta(minutes=minute)
        assert due_after(NIGHTLY, ended + AGREED, failed=failed) <= latest_due(NIGHTLY, ended)
    assert latest_due(NIGHTLY, at(1, 2, 13)) == at(1, 2, 15)
    assert latest_due(NIGHTLY, at(1, 2, 14)) == at(2, 2, 15)
    assert latest_due(NIGHTLY, at(1, 0)) < parse(NEVER)


def test_a_lease_holds_as_long_as_one_can():
    """To its end, if any clock within a minute can have given it by now; one of a clock far ahead is over."""
    now, tick = at(1, 0), timedelta(microseconds=1)
    assert not holds(None, now)
    assert [holds(spell(now + left), now) for left in (timedelta(0), tick, LEASE)] == [False, True, True]
    assert holds(spell(now + AGREED + LEASE), now)
    assert not holds(spell(now + AGREED + LEASE + tick), now)
