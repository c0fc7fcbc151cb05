"""What detection knows of a chain while it judges it: windows, habits, and what was told lately.

Its memory is bounded: windows hold what is younger than their span, habits four weeks of days.
"""

from dataclasses import dataclass, field
from sys import intern

from app.detection.event import LISTINGS, Event
from app.detection.facts import Facts
from app.detection.feeding import AMENDMENTS, REMOVALS, windows_of
from app.detection.habit import PEAKS, Day, Habits
from app.detection.outside import outside
from app.detection.quiet import SWEEP_EVERY_S, Quiet
from app.detection.windows import Item, Recent, Windows


@dataclass(slots=True)
class State:
    """All of it, for one chain.

    Attributes:
        chain: The organisation's id or `system`.
        swept: When it last let go of what is too old.
    """

    chain: str
    windows: Windows = field(default_factory=Windows)
    habits: Habits = field(default_factory=Habits)
    quiet: Quiet = field(default_factory=Quiet)
    swept: float = 0.0

    def observe(self, event: Event, facts: Facts) -> None:
        """Take an entry into windows and habits, before it is judged."""
        self.remember(event)
        if event.person is not None and event.out == "ok":
            self._into_habit(event.person, event, facts)
        if event.at - self.swept >= SWEEP_EVERY_S:
            self._sweep(event)

    def remember(self, event: Event) -> None:
        """Take an entry into the windows only: all there is to do with one that was judged before.

        Windows share an item, and all items of a resident their key: they are most of what detection holds.
        """
        made: dict[tuple[str, int], Item] = {}
        for name, subject, key, weight in windows_of(event):
            item = made.get((key, weight))
            if item is None:
                item = made[key, weight] = Item(event.at, event.seq, intern(key), weight)
            self.windows.add(name, subject, item)

    def lately(self, name: str, subject: str, event: Event) -> Recent:
        """Return a window of a subject, as of an entry."""
        return self.windows.of(name, subject, event.at)

    def today(self, person: str, event: Event) -> Day:
        """Return the day of somebody that an entry falls into."""
        return self.habits.of(person).today(event.day)

    def _into_habit(self, person: str, event: Event, facts: Facts) -> None:
        day = self.today(person, event)
        before = _numbers(day)
        if event.residents:
            day.hours |= 1 << event.hour
        if event.roles:
            day.roles = event.roles
        for measure, found in self._busiest(person, event).items():
            setattr(day, measure, max(getattr(day, measure), found))
        if event.opens:
            self._into_places(day, person, event, facts)
        if _numbers(day) != before:
            self.habits.touch(person, day)

    def _busiest(self, person: str, event: Event) -> dict[str, int]:
        if event.opens:
            opened = self.lately("opened", person, event)
            return {"records": len(opened), "residents": opened.distinct}
        if event.act in LISTINGS:
            return {"listed": self.lately("listed", person, event).distinct}
        if event.act in AMENDMENTS:
            return {"amendments": len(self.lately("amended", person, event))}
        if event.act in REMOVALS:
            return {"removals": len(self.lately("removed", person, event))}
        return {}

    def _into_places(self, day: Day, person: str, event: Event, facts: Facts) -> None:
        """Count a resident to their place when they are seen for the first time in a while."""
        cared = self.lately("cared", person, event)
        for resident in event.residents:
            place = facts.places.get(resident)
            if place is not None and cared.times(resident) == 1:
                day.places[place] = day.places.get(place, 0) + 1
        strange = outside(self.lately("duty", person, event), self.habits.of(person), event, facts)
        day.outside = max(day.outside, len(strange))

    def _sweep(self, event: Event) -> None:
        self.windows.sweep(event.at)
        self.quiet.sweep(event.at)
        self.habits.sweep(event.day)
        self.swept = event.at


def _numbers(day: Day) -> tuple[object, ...]:
    return (day.hours, day.roles, day.outside, sum(day.places.values()), *(getattr(day, m) for m in PEAKS))
