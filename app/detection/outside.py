"""Who among the residents somebody saw on this duty lives where that person does not work."""

from typing import NamedTuple

from app.detection.event import Event
from app.detection.facts import Facts
from app.detection.habit import Habit
from app.detection.windows import HOUR, Recent

LEAST_DAYS = 10
"""Fewer days at work do not tell where somebody works."""
EARLY_S = HOUR
"""People come early, and stay late."""


class Strange(NamedTuple):
    """Residents who live elsewhere: in another home, or in another unit of the home."""

    elsewhere: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.elsewhere) + len(self.units)

    @property
    def residents(self) -> frozenset[str]:
        """Return all of them."""
        return self.elsewhere | self.units


NOBODY = Strange()


def outside(duty: Recent, habit: Habit, event: Event, facts: Facts) -> Strange:
    """Return the residents of places strange for who made an entry; nobody if it is about none of them.

    Whoever sees mostly residents of another place covers for somebody there: then nobody is strange, unless
    the rota says that this person works in another home now.
    """
    usual = habit.usual_places(event.day, LEAST_DAYS)
    on_rota = {
        one.home
        for one in facts.shifts.get(event.actor, ())
        if one.starts - EARLY_S <= event.at < one.ends + EARLY_S
    }
    if usual is None and not on_rota:
        return NOBODY
    homes = {_home(place) for place in usual or ()} | on_rota

    def kind(resident: str) -> str:
        place = facts.places.get(resident)
        if place is None:
            return ""
        if _home(place) not in homes:
            return "elsewhere"
        return "unit" if usual is not None and place not in usual and not _lent(place, usual) else ""

    if not any(kind(one) for one in event.residents):
        return NOBODY
    seen = duty.keys
    kinds = {one: kind(one) for one in seen}
    elsewhere = frozenset(one for one in seen if kinds[one] == "elsewhere")
    units = frozenset(one for one in seen if kinds[one] == "unit")
    most = len(seen) // 2
    return Strange(
        elsewhere if on_rota or len(elsewhere) <= most else frozenset(),
        units if len(units) <= most else frozenset(),
    )


def _lent(place: str, usual: frozenset[str]) -> bool:
    """Say whether somebody is in a home by the rota of which they know no unit yet."""
    return _home(place) not in {_home(one) for one in usual}


def _home(place: str) -> str:
    return place.partition("/")[0]
