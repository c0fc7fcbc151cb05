"""What follows from an attempt: how long to wait, and when to give up."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from app.webhooks.outcome import Came, Step, step_after

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FAILED = Came("status", 500)
SCHEDULE = ["0:00:05", "0:05:00", "0:30:00", "2:00:00", "5:00:00", "10:00:00", "14:00:00", "20:00:00"]


def test_the_pauses_are_those_of_the_specification():
    """5 s, 5 min, 30 min, 2, 5, 10, 14, 20 and 24 hours; the tenth failure is the last."""
    steps = [step_after(FAILED, tries, NOW, 0) for tries in range(1, 11)]

    assert [*SCHEDULE, "1 day, 0:00:00"] == [str(step.due_at - NOW) for step in steps[:9]]
    assert ["due"] * 9 + ["dead"] == [step.status for step in steps]


def test_a_pause_is_up_to_a_tenth_longer():
    """Messages that failed together do not come back together."""
    pauses = [step_after(FAILED, 3, NOW, chance).due_at - NOW for chance in (0, 0.5, 1)]

    assert [timedelta(minutes=m) for m in (30, 31.5, 33)] == pauses


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_success_ends_it(status):
    """Taken at the first or at the last attempt: done."""
    assert {Step("done", NOW)} == {step_after(Came("ok", status), tries, NOW, 1) for tries in (1, 10)}


@pytest.mark.parametrize("outcome", ["timeout", "no-connection", "address-refused", "certificate-refused"])
def test_what_goes_wrong_on_the_way_is_a_failure(outcome):
    """It is tried again, as after a wrong answer."""
    assert Step("due", NOW + timedelta(seconds=5)) == step_after(Came(outcome), 1, NOW, 0)


def test_gone_is_for_good():
    """410 is never tried again."""
    assert Step("dead", NOW) == step_after(Came("status", 410), 1, NOW, 0)


@pytest.mark.parametrize(
    ("said", "waits_s"),
    [
        *((None, 5), ("", 5), ("0", 5), ("3", 5), ("90", 90), (" 90 ", 90), ("86400", 86400)),
        *(("86401", 86400), ("999999999999999999999", 86400), ("-90", 5), ("soon", 5), ("1e9", 5), ("٩٠", 5)),
        *((format_datetime(NOW + timedelta(minutes=7), usegmt=True), 420), ("Mon, 99 Mar 2026", 5)),
        *(
            (format_datetime(NOW - timedelta(days=7), usegmt=True), 5),
            ("Fri, 31 Dec 9999 23:59:59 -2300", 86400),
        ),
        (format_datetime(NOW + timedelta(days=700), usegmt=True), 86400),
    ],
)
def test_retry_after_is_honoured_within_a_day(said, waits_s):
    """Seconds or a date; never sooner than the schedule, never later than a day, whatever it says."""
    step = step_after(Came("status", 503, retry_after=said), 1, NOW, 0)

    assert timedelta(seconds=waits_s) == step.due_at - NOW
