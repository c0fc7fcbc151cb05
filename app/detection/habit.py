"""What is usual for somebody: a few numbers for each day at work, kept for four weeks.

A habit is the second highest of a person's days, so that one wild day moves it little. Whoever has been there
for too few days has none yet; then that of the others in the same role counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

PEAKS = ("records", "residents", "listed", "amendments", "removals")
REMEMBERED = 28
"""Days a habit is made of."""
PEERS, PEERS_DAYS = 4, 5
"""Fewer colleagues of a role, or days of one, tell nothing."""
USUAL_SHARE = 10
"""A place where a person sees less than a tenth of their residents is not where they work."""
USUAL_DAYS = 2
"""An hour is usual when there was work in it on so many days."""


@dataclass(slots=True)
class Day:
    """One person's day.

    `records` to `removals` are those of its busiest hour, `outside` the residents of unusual places, `gap`
    the days since the person's last day before; -1 if there was none.
    """

    day: str
    gap: int = -1
    roles: tuple[str, ...] = ()
    hours: int = 0
    records: int = 0
    residents: int = 0
    listed: int = 0
    amendments: int = 0
    removals: int = 0
    outside: int = 0
    places: dict[str, int] = field(default_factory=dict)


class Habit:
    """The days of one person, oldest first; the last one may still go on."""

    __slots__ = ("_usual", "days")

    def __init__(self, days: Iterable[Day] = ()) -> None:
        self.days = sorted(days, key=lambda day: day.day)
        self._usual: dict[tuple[str, int], frozenset[str] | None] = {}

    def today(self, day: str) -> Day:
        """Return a day, begun now if it is new; days too old to count are let go of."""
        if not self.days or self.days[-1].day < day:
            first, gap = _before(day, REMEMBERED), _gap(self.days, day)
            self.days = [*(one for one in self.days if one.day >= first), Day(day, gap)]
            self._usual.clear()
        return self.days[-1]

    def earlier(self, day: str) -> list[Day]:
        """Return the days that count, before a day."""
        first = _before(day, REMEMBERED)
        return [one for one in self.days if first <= one.day < day]

    def usual(self, measure: str, day: str, least: int) -> int | None:
        """Return what a busy hour usually comes to, None if there were too few days."""
        values = sorted((getattr(one, measure) for one in self.earlier(day)), reverse=True)
        return values[1] if len(values) >= max(least, 2) else None

    def usual_places(self, day: str, least: int) -> frozenset[str] | None:
        """Return where somebody works, None if there were too few days to say."""
        if (day, least) not in self._usual:
            self._usual[day, least] = self._places(day, least)
        return self._usual[day, least]

    def _places(self, day: str, least: int) -> frozenset[str] | None:
        days = [one for one in self.earlier(day) if one.places]
        if len(days) < least:
            return None
        seen: dict[str, int] = {}
        for one in days:
            for place, residents in one.places.items():
                seen[place] = seen.get(place, 0) + residents
        whole = sum(seen.values())
        return frozenset(place for place, residents in seen.items() if residents * 100 >= whole * USUAL_SHARE)

    def days_outside(self, day: str, of: int) -> int:
        """Return on how many of the last days, this one included, residents of unusual places were seen."""
        first = _before(day, of - 1)
        return sum(1 for one in self.days if first <= one.day <= day and one.outside)

    def works_at(self, hour: int, day: str, least: int, beside: int = 0) -> bool | None:
        """Say whether somebody works at an hour of the day; None if there were too few days to say.

        Args:
            hour: The hour.
            day: The day that is judged.
            least: How many days are enough.
            beside: How many hours before and after count as well.
        """
        days = self.earlier(day)
        if len(days) < least:
            return None
        around = sum(1 << (hour + by) % 24 for by in range(-beside, beside + 1))
        return sum(1 for one in days if one.hours & around) >= USUAL_DAYS


class Habits:
    """The habits of everybody in a chain, and which days have changed since they were stored."""

    def __init__(self, days: Iterable[tuple[str, Day]] = ()) -> None:
        grouped: dict[str, list[Day]] = {}
        for person, day in days:
            grouped.setdefault(person, []).append(day)
        self.people = {person: Habit(own) for person, own in grouped.items()}
        self.changed: dict[tuple[str, str], Day] = {}
        self._peers: dict[tuple[str, str], int | None] = {}
        self._peers_day = ""

    def of(self, person: str) -> Habit:
        """Return somebody's habit."""
        return self.people.setdefault(person, Habit())

    def touch(self, person: str, day: Day) -> None:
        """Note that a day is to be stored."""
        self.changed[person, day.day] = day

    def peers(self, roles: Iterable[str], measure: str, day: str) -> int | None:
        """Return what is usual in a role, of several roles the highest; None if too few are known."""
        if self._peers_day != day:
            self._peers.clear()
            self._peers_day = day
        known = [self._of_role(role, measure, day) for role in roles]
        return max((one for one in known if one is not None), default=None)

    def _of_role(self, role: str, measure: str, day: str) -> int | None:
        if (role, measure) not in self._peers:
            of_role = (h for h in self.people.values() if (e := h.earlier(day)) and role in e[-1].roles)
            usual = sorted(u for h in of_role if (u := h.usual(measure, day, PEERS_DAYS)) is not None)
            self._peers[role, measure] = usual[len(usual) * 3 // 4] if len(usual) >= PEERS else None
        return self._peers[role, measure]

    def sweep(self, day: str) -> None:
        """Let go of days that do not count any more, but for each person's last one."""
        first = _before(day, REMEMBERED)
        for habit in self.people.values():
            habit.days = [one for one in habit.days[:-1] if one.day >= first] + habit.days[-1:]


def _gap(days: list[Day], day: str) -> int:
    return (date.fromisoformat(day) - date.fromisoformat(days[-1].day)).days if days else -1


def _before(day: str, days: int) -> str:
    return (date.fromisoformat(day) - timedelta(days=days)).isoformat()
