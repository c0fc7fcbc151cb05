"""The day and its hour as people at work know them: British time, whose clocks change twice a year.

Instants are kept in UTC (`clock`); only what a person calls today, or the hour of a habit, is asked here.
Computed, not looked up: the outcome must not depend on which edition of a time-zone table a machine has.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

HOUR = 3600.0


def hour_of(at: float) -> int:
    """Return the hour of the day in Great Britain at an instant in seconds since 1970."""
    return int(at // HOUR + (1 if _is_summer(at) else 0)) % 24


def day_of(at: datetime) -> date:
    """Return the calendar day in Great Britain at an aware instant."""
    ahead = timedelta(hours=1 if _is_summer(at.timestamp()) else 0)
    return (at.astimezone(UTC) + ahead).date()


def _is_summer(at: float) -> bool:
    begins, ends = _summer(datetime.fromtimestamp(at, UTC).year)
    return begins <= at < ends


@lru_cache(maxsize=16)
def _summer(year: int) -> tuple[float, float]:
    return _last_sunday(year, 3), _last_sunday(year, 10)


def _last_sunday(year: int, month: int) -> float:
    """Return 01:00 UTC of the last Sunday of a month of 31 days: when the clocks change."""
    last = datetime(year, month, 31, 1, tzinfo=UTC)
    return (last - timedelta(days=(last.weekday() + 1) % 7)).timestamp()
