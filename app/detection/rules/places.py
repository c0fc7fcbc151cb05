"""Reading about residents of places where one does not work, and about one's own family."""

from app.detection.event import Event
from app.detection.facts import Facts
from app.detection.finding import Finding
from app.detection.outside import Strange, outside
from app.detection.rule import Setting
from app.detection.rules.telling import tell
from app.detection.state import State

NIGHTS_OF = 14
"""Days over which a few residents on each add up."""


def outside_place(state: State, event: Event, facts: Facts, setting: Setting) -> Finding | None:
    """Tell of somebody who reads residents of a home or unit that is not where they work.

    Whoever sees more residents there than elsewhere is covering for somebody, and nothing is told.
    """
    person = event.person
    if person is None or not event.opens:
        return None
    duty, habit = state.lately("duty", person, event), state.habits.of(person)
    strange = outside(duty, habit, event, facts)
    nights = habit.days_outside(event.day, NIGHTS_OF)
    if not strange or not _too_many(strange, nights, event, setting):
        return None
    told = (
        f"{len(strange)} residents read on one duty who live where this person does not usually work, of them"
        f" {len(strange.elsewhere)} in another home; such residents on {nights} of {NIGHTS_OF} days."
    )
    figures: dict[str, int | str] = {
        "residents": len(strange),
        "elsewhere": len(strange.elsewhere),
        "nights": nights,
    }
    read = strange.residents
    entries = duty.newest(lambda item: item.key in read)
    return tell(event, setting, told, figures, person=person, entries=entries, residents=read)


def _too_many(strange: Strange, nights: int, event: Event, setting: Setting) -> bool:
    return (
        len(strange.units) >= setting.limit("residents", event.roles)
        or len(strange.elsewhere) >= setting.limit("elsewhere", event.roles)
        or nights >= setting.limit("nights", event.roles)
    )


def family_name(state: State, event: Event, facts: Facts, setting: Setting) -> Finding | None:
    """Tell of somebody who opens one resident with their own family name far more often than others."""
    person = event.person
    if person is None or not event.opens:
        return None
    kin = facts.kin.get(person, frozenset()).intersection(event.residents)
    if not kin:
        return None
    cared, (one, *_) = state.lately("cared", person, event), sorted(kin)
    times = cared.times(one)
    if times < setting.limit("openings", event.roles):
        return None
    others = cared.distinct - 1
    average = (len(cared) - times) / others if others else 0.0
    if times * 100 < average * setting.limit("percent", event.roles):
        return None
    told = (
        f"{times} openings within 12 hours of the records of one resident with the same family name;"
        f" {average:.1f} on average of each of {others} others."
    )
    figures: dict[str, int | str] = {"openings": times, "others": others}
    entries = cared.newest(lambda item: item.key == one)
    return tell(event, setting, told, figures, person=person, entries=entries, residents=[one])
