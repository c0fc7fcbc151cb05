"""How much is too much, held against what is usual for a person or for their role."""

from typing import NamedTuple

from app.detection.event import Event
from app.detection.rule import Setting
from app.detection.state import State


class Limit(NamedTuple):
    """From which number on something is told, what that rests on in words, and whether that is a habit."""

    number: int
    basis: str
    known: bool = True


def limit_of(state: State, event: Event, setting: Setting, measure: str, most: str | None = None) -> Limit:
    """Return the limit of a measure for who made an entry.

    Never below the rule's threshold for the measure. Where a habit is known: so many per cent of it, however
    high that is, but never above twice `most`. Where none is known: `most` itself, or the threshold.
    """
    person = str(event.person)
    floor = setting.limit(measure, event.roles)
    highest = setting.limit(most, event.roles) if most is not None else None
    least = setting.limit("days", event.roles)
    usual, basis = state.habits.of(person).usual(measure, event.day, least), "their own habit"
    if usual is None:
        usual, basis = state.habits.peers(event.roles, measure, event.day), "what is usual in this role"
    if usual is None:
        return Limit(highest if highest is not None else floor, "no habit is known yet", known=False)
    by_habit = usual * setting.limit("percent", event.roles) // 100
    number = max(floor, by_habit)
    number = min(number, 2 * highest) if highest is not None else number
    return Limit(number, f"{basis}: about {usual}")
