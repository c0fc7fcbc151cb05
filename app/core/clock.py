"""Time. The only module that reads a wall clock; everyone else is handed an instant.

An instant has one spelling everywhere - in the database, in the trail and on the wire:
RFC 3339 in UTC with six fraction digits and `Z`. That spelling sorts as text, so the
databases need no time type of their own and two of them cannot disagree.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

AGREED = timedelta(minutes=1)
"""To what the clocks of several machines have to agree; what lies further ahead is of one that was wrong."""


class Clock(Protocol):
    """Where instants come from."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        return datetime.now(UTC)


class SetClock:
    """A clock that stands where it was put. For tests, simulations and replays."""

    def __init__(self, at: datetime) -> None:
        self._at = at.astimezone(UTC)

    def now(self) -> datetime:
        """Return the instant it was set to."""
        return self._at

    def advance(self, by: timedelta) -> None:
        """Move forward (or back, for tests of clock steps)."""
        self._at += by


def spell(at: datetime) -> str:
    """Return the one spelling of an aware instant: `2026-03-01T10:00:00.000001Z`."""
    # isoformat is four times as fast as strftime and this runs for every entry
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse(spelled: str) -> datetime:
    """Return the aware UTC instant of a stored spelling; what has none is not refused here."""
    return datetime.fromisoformat(spelled).astimezone(UTC)


def day_before(at: datetime, by: timedelta) -> datetime:
    """Return the beginning of the day, in UTC, that lies so far back: what waits for it is due once a day."""
    return (at.astimezone(UTC) - by).replace(hour=0, minute=0, second=0, microsecond=0)


def monotonic() -> float:
    """Return seconds from an arbitrary start: for deadlines only, never for records."""
    return time.monotonic()
