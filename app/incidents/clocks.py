"""The two clocks of an incident. Pure: instants in, instants out.

The 72 hours: the ICO is told without undue delay and, where feasible, not later than 72 hours after having
become aware of the breach, unless a risk to people is unlikely. They are elapsed hours in UTC: they run
through nights, weekends and bank holidays, and the night the clocks change makes them neither longer nor
shorter. Source: UK GDPR article 33(1). That weekends count is the stricter reading, and the usual one.

The 12 hours: senior management is told within 12 hours of detection, of near misses, too.
Source: National Data Guardian's data security standard 6, in the DSPT's guide 6.

Where nobody has said since when the home is aware, the clock counts from when the incident was opened here:
whoever records a breach is aware of it, and a field left empty must not buy time. That is our choice, on
the safe side, and the answer says so (`assumed`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

Name = Literal["72h", "12h"]
State = Literal["running", "over", "told", "told_late", "not_needed"]

HOURS: Final[dict[Name, int]] = {"72h": 72, "12h": 12}
MARKS: Final[dict[Name, tuple[int, ...]]] = {"72h": (24, 48, 66, 72), "12h": (6, 12)}
"""After how many hours there is a warning; the last is that the time is over."""
RECIPIENT: Final[dict[Name, str]] = {"72h": "ico", "12h": "senior_management"}
LATE_AFTER: Final = timedelta(minutes=30)
"""A warning given later than this, two looks of the job, says so: for a while, nothing was running."""


class Since(NamedTuple):
    """From when a clock counts, and whether that was said or is the latest it can be."""

    at: datetime
    assumed: bool


@dataclass(frozen=True, slots=True)
class Clock:
    """One deadline of one incident.

    Attributes:
        name: Which.
        since: From when it counts.
        told_at: When whom it is about was told, if they were.
        decided: A person decided, with reasons, that they need not be told.
    """

    name: Name
    since: Since
    told_at: datetime | None = None
    decided: bool = False

    @property
    def due_at(self) -> datetime:
        """Return when its hours are over."""
        return self.since.at + timedelta(hours=HOURS[self.name])

    @property
    def runs(self) -> bool:
        """Say whether it still has to be told or decided."""
        return self.told_at is None and not self.decided

    def state(self, at: datetime) -> State:
        """Return how it stands. To be told within the hours includes their last instant."""
        if self.told_at is not None:
            return "told" if self.told_at <= self.due_at else "told_late"
        if self.decided:
            return "not_needed"
        return "over" if at > self.due_at else "running"

    def left(self, at: datetime) -> timedelta | None:
        """Return how much time is left, below zero when it is over; None when it has stopped."""
        return self.due_at - at if self.runs else None

    def late_by(self) -> timedelta | None:
        """Return by how much it was told too late; None when it was not."""
        if self.told_at is None or self.told_at <= self.due_at:
            return None
        return self.told_at - self.due_at

    def mark_at(self, mark: int) -> datetime:
        """Return when the warning of a mark is due."""
        return self.since.at + timedelta(hours=mark)

    def due_marks(self, at: datetime, given: Iterable[int]) -> tuple[int, ...]:
        """Return the warnings that are due and were not given, ascending: none once it has stopped."""
        known = frozenset(given)
        if not self.runs:
            return ()
        return tuple(mark for mark in MARKS[self.name] if mark not in known and at >= self.mark_at(mark))


def since(said: datetime | None, opened_at: datetime) -> Since:
    """Return from when a clock counts, given what was said of it."""
    return Since(opened_at, assumed=True) if said is None else Since(said, assumed=False)


def follows(clock: Clock, told_at: datetime) -> bool:
    """Say whether what was told then came after whom a clock is about had been told: further information."""
    return clock.told_at is not None and told_at > clock.told_at


def given_late(due_at: datetime, given_at: datetime) -> bool:
    """Say whether a warning came so late that it has to say so."""
    return given_at - due_at > LATE_AFTER


def in_words(span: timedelta) -> str:
    """Return a span of time as whole hours and minutes: `5 h 12 min`."""
    minutes = int(abs(span).total_seconds()) // 60
    return f"{minutes // 60} h {minutes % 60:02d} min"
