"""The instants of turns: they never run back, whatever the machine's clock does, and never stand still."""

from datetime import datetime, timedelta

from app.core.clock import Clock, monotonic

PACE_BEHIND = 0.5
"""How fast time goes while the clock is behind it: below 1, so that a clock that was set right catches up."""


class Instants:
    """The instant of one turn after another.

    A clock that was set back revives nothing that has ended, and does not stop the time in which a session
    idles away: behind the newest instant that was, time goes on at half its pace until the clock catches up
    (decision 0035).
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: datetime | None = None
        self._ticks = 0.0  # the monotonic clock at that instant

    def next(self) -> datetime:
        """Return the instant of the turn that begins."""
        now, ticks = self._clock.now(), monotonic()
        if self._last is not None and now < self._last:
            now = self._last + timedelta(seconds=(ticks - self._ticks) * PACE_BEHIND)
        self._last, self._ticks = now, ticks
        return now
