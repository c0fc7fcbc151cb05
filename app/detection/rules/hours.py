"""Reading outside shifts, at unusual hours, and trying to get in without a shift."""

from app.core.local_time import hour_of
from app.detection.event import Event
from app.detection.facts import Facts, Shift
from app.detection.feeding import OFF_SHIFT
from app.detection.finding import Finding
from app.detection.rule import Setting
from app.detection.rules.telling import tell
from app.detection.state import State
from app.detection.windows import HOUR, MINUTE, Recent

COLLEAGUES = 3
"""From where so many people signed in within a day, there is the home."""
ROTA_AROUND_S = 14 * 24 * HOUR
"""Who has a shift within so long before or after is on the rota."""


def off_rota(state: State, event: Event, facts: Facts, setting: Setting) -> Finding | None:
    """Tell of somebody with shifts who reads about residents at a time far from each of them.

    Whoever is on no rota at all is not judged: homes that keep theirs elsewhere would hear nothing else. Who
    is at the home at an hour they know has mostly swapped a shift that nobody entered: that takes more.
    """
    person = event.person
    if person is None or not event.opens or not (shifts := _near(facts, person, event.at)):
        return None
    grace = setting.limit("grace_minutes", event.roles) * MINUTE
    if _on_shift(shifts, event.at, grace):
        return None
    opened = state.lately("opened", person, event)
    least = "residents_at_home" if _as_usual(state, event, person, setting) else "residents"
    if opened.distinct < setting.limit(least, event.roles):
        return None
    outside = opened if _off_all(shifts, event.at, grace) else _off(shifts, opened, grace)
    if outside.distinct < setting.limit(least, event.roles):
        return None
    hours = _distance(shifts, event.at) // 3600
    told = (
        f"Records of {outside.distinct} residents read within an hour with no shift then: the nearest one is"
        f" {hours:.0f} hours away."
    )
    figures: dict[str, int | str] = {"residents": outside.distinct, "hours": int(hours)}
    entries, residents = outside.newest(), outside.keys
    return tell(event, setting, told, figures, person=person, entries=entries, residents=residents)


def _as_usual(state: State, event: Event, person: str, setting: Setting) -> bool:
    """Say whether somebody is where colleagues are, too, at an hour at which they often work."""
    at_home = event.source is not None and state.lately("came", event.source, event).distinct >= COLLEAGUES
    known = state.habits.of(person).works_at(event.hour, event.day, setting.limit("days", event.roles))
    return at_home and known is not False


def unusual_hours(state: State, event: Event, facts: Facts, setting: Setting) -> Finding | None:
    """Tell of somebody without a shift who reads at an hour at which they never work."""
    person = event.person
    if person is None or not event.opens or _on_shift(facts.shifts.get(person, ()), event.at, 0):
        return None
    opened = state.lately("opened", person, event)
    if opened.distinct < setting.limit("residents", event.roles):
        return None
    habit, least = state.habits.of(person), setting.limit("days", event.roles)
    hours = {hour_of(item.at) for item in opened.ends}  # within an hour there are no others
    strange = {hour for hour in hours if habit.works_at(hour, event.day, least, beside=1) is False}
    if not strange:
        return None
    unusual = opened if strange == hours else opened.only(lambda item: hour_of(item.at) in strange)
    if unusual.distinct < setting.limit("residents", event.roles):
        return None
    told = (
        f"Records of {unusual.distinct} residents read within an hour, around {event.hour:02}:00, at which"
        f" this person did not work in the last 28 days; no shift covers it."
    )
    figures: dict[str, int | str] = {"residents": unusual.distinct, "hour": event.hour}
    entries, residents = unusual.newest(), unusual.keys
    return tell(event, setting, told, figures, person=person, entries=entries, residents=residents)


def off_shift_attempts(state: State, event: Event, _facts: Facts, setting: Setting) -> Finding | None:
    """Tell of somebody who is refused again and again because their shift has not begun or is over."""
    person = event.person
    if person is None or event.why not in OFF_SHIFT:
        return None
    tried = state.lately("off_shift", person, event)
    if len(tried) < setting.limit("attempts", event.roles):
        return None
    told = f"{len(tried)} attempts within 12 hours to sign in or read records without a shift; all refused."
    figures: dict[str, int | str] = {"attempts": len(tried)}
    return tell(event, setting, told, figures, person=person, entries=tried.newest())


def _near(facts: Facts, person: str, at: float) -> tuple[Shift, ...]:
    """Return the shifts that say whether somebody is on the rota at this time at all."""
    return tuple(
        one
        for one in facts.shifts.get(person, ())
        if one.ends >= at - ROTA_AROUND_S and one.starts <= at + ROTA_AROUND_S
    )


def _off_all(shifts: tuple[Shift, ...], at: float, grace: float) -> bool:
    """Say whether the whole hour before an instant lies outside all shifts."""
    return not any(one.starts - grace <= at and at - HOUR < one.ends + grace for one in shifts)


def _off(shifts: tuple[Shift, ...], opened: Recent, grace: float) -> Recent:
    return opened.only(lambda item: not _on_shift(shifts, item.at, grace))


def _on_shift(shifts: tuple[Shift, ...], at: float, grace: float) -> bool:
    return any(one.starts - grace <= at < one.ends + grace for one in shifts)


def _distance(shifts: tuple[Shift, ...], at: float) -> float:
    return min(max(one.starts - at, at - one.ends, 0.0) for one in shifts)
