"""Days of a home: local time in a year of which the summer time begins in the fourth week."""

from datetime import UTC, date, datetime, time, timedelta

FIRST_DAY = date(2026, 3, 2)
"""A Monday. Four weeks later the clocks go forward: habits kept in UTC are then an hour off."""
SUMMER = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def day_of(number: int) -> date:
    """Return the n-th day, counted from 0."""
    return FIRST_DAY + timedelta(days=number)


def local(day: date, clock: str, minutes: float = 0) -> datetime:
    """Return the instant at which the wall clocks of the home show a time of a day: `07:30`."""
    hour, minute = (int(part) for part in clock.split(":"))
    there = datetime.combine(day, time(hour, minute), tzinfo=UTC) + timedelta(minutes=minutes)
    return there - timedelta(hours=1) if there - timedelta(hours=1) >= SUMMER else there


def week_of(number: int) -> int:
    """Return the week a day belongs to, counted from 1."""
    return number // 7 + 1
