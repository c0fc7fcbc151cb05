"""The day and the hour are those of British clocks, which change twice a year at 01:00 UTC."""

from datetime import datetime, timedelta, timezone

import pytest

from app.core.local_time import day_of, hour_of


@pytest.mark.parametrize(
    ("instant", "hour"),
    [
        ("2026-03-29T00:59:59Z", 0),
        ("2026-03-29T01:00:00Z", 2),
        ("2026-10-25T00:59:59Z", 1),
        ("2026-10-25T01:00:00Z", 1),
        ("2026-07-01T23:30:00Z", 0),
        ("2027-03-28T01:00:00Z", 2),
        ("2024-03-31T00:59:00Z", 0),
    ],
)
def test_hours_are_those_of_british_clocks(instant, hour):
    """Clocks go forward on the last Sunday of March and back on the last of October, at 01:00 UTC."""
    assert hour == hour_of(datetime.fromisoformat(instant).timestamp())


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-07-01T22:59:59.999999Z", "2026-07-01"),
        ("2026-07-01T23:00:00Z", "2026-07-02"),
        ("2026-07-01T23:30:00Z", "2026-07-02"),
        ("2026-01-15T23:30:00Z", "2026-01-15"),
        ("2026-01-16T00:00:00Z", "2026-01-16"),
        ("2026-03-28T23:30:00Z", "2026-03-28"),
        ("2026-03-29T22:59:59Z", "2026-03-29"),
        ("2026-03-29T23:00:00Z", "2026-03-30"),
        ("2026-10-24T23:00:00Z", "2026-10-25"),
        ("2026-10-25T00:30:00Z", "2026-10-25"),
        ("2026-10-25T23:30:00Z", "2026-10-25"),
        ("2026-10-26T00:00:00Z", "2026-10-26"),
    ],
)
def test_days_are_those_of_british_clocks(instant, day):
    """In summer a day begins at 23:00 UTC of the one before, in winter at midnight."""
    assert day == day_of(datetime.fromisoformat(instant)).isoformat()


def test_the_day_of_an_instant_is_the_same_however_it_is_spelled():
    """An instant with another offset has the day that British clocks show then."""
    there = datetime(2026, 7, 2, 8, 30, tzinfo=timezone(timedelta(hours=9)))

    assert "2026-07-02" == day_of(there).isoformat()
    assert "2026-01-14" == day_of(there.replace(month=1, day=15)).isoformat()
