"""Reading far more than is usual, and taking copies out."""

from app.detection.event import LISTINGS, Event
from app.detection.facts import Facts
from app.detection.feeding import EXPORTS
from app.detection.finding import Finding
from app.detection.rule import Setting
from app.detection.rules.limits import Limit, limit_of
from app.detection.rules.telling import tell
from app.detection.state import State


def bulk_reading(state: State, event: Event, facts: Facts, setting: Setting) -> Finding | None:
    """Tell of somebody who opened too many records, or too many residents, within an hour."""
    person = event.person
    if person is None or not event.opens:
        return None
    opened = state.lately("opened", person, event)
    if len(opened) < min(setting.limit("records", event.roles), setting.limit("residents", event.roles)):
        return None
    records = limit_of(state, event, setting, "records", "records_most")
    residents = _of_residents(state, event, facts, setting)
    if len(opened) < records.number and opened.distinct < residents.number:
        return None
    over = records if len(opened) >= records.number else residents
    told = (
        f"{len(opened)} openings of records of {opened.distinct} residents within an hour; told from"
        f" {records.number} openings or {residents.number} residents ({over.basis})."
    )
    figures: dict[str, int | str] = {"records": len(opened), "residents": opened.distinct}
    return tell(event, setting, told, figures, person=person, entries=opened.newest(), residents=opened.keys)


def _of_residents(state: State, event: Event, facts: Facts, setting: Setting) -> Limit:
    """Return from how many residents on is told: where no habit is known, from nearly all of a home's."""
    limit = limit_of(state, event, setting, "residents", "residents_most")
    living = max((facts.sizes.get(home, 0) for home in event.homes), default=0)
    nearly_all = living * setting.limit("share", event.roles) // 100
    floor = setting.limit("residents", event.roles)
    if limit.known or not nearly_all or (lower := max(floor, nearly_all)) >= limit.number:
        return limit
    return Limit(lower, "no habit is known yet; nearly everybody of the home", known=False)


def bulk_export(state: State, event: Event, _facts: Facts, setting: Setting) -> Finding | None:
    """Tell of somebody who took out several copies in a day, or listed very many residents in an hour."""
    if event.person is None or event.out != "ok":
        return None
    if event.act in EXPORTS:
        return _exports(state, event, event.person, setting)
    return _lists(state, event, event.person, setting) if event.act in LISTINGS else None


def _exports(state: State, event: Event, person: str, setting: Setting) -> Finding | None:
    exported = state.lately("exported", person, event)
    if exported.distinct < setting.limit("exports", event.roles):
        return None
    told = f"{exported.distinct} copies of records or of the trail taken out within 24 hours."
    return tell(
        event, setting, told, {"exports": exported.distinct}, person=person, entries=exported.newest()
    )


def _lists(state: State, event: Event, person: str, setting: Setting) -> Finding | None:
    listed = state.lately("listed", person, event)
    if listed.distinct < setting.limit("listed", event.roles):
        return None
    limit = limit_of(state, event, setting, "listed")
    if listed.distinct < limit.number:
        return None
    told = (
        f"{listed.distinct} different residents shown in lists within an hour; told from {limit.number}"
        f" ({limit.basis})."
    )
    figures: dict[str, int | str] = {"listed": listed.distinct}
    return tell(event, setting, told, figures, person=person, entries=listed.newest(), residents=listed.keys)
