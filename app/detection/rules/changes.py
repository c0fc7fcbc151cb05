"""Many records changed at once, and records written or changed when it was known what for."""

from app.detection.event import Event
from app.detection.facts import Facts, Happened
from app.detection.feeding import AMENDMENTS, REMOVALS
from app.detection.finding import Finding
from app.detection.rule import Setting
from app.detection.rules.limits import limit_of
from app.detection.rules.telling import tell
from app.detection.state import State
from app.detection.windows import HOUR, Item

BEFORE_S = 72 * HOUR
"""Records of so long before an incident are those that matter to it."""
REMEMBERED_S = 7 * 24 * HOUR
"""For so long after an incident became known, what is written about the time before it is looked at."""
LATE_S = HOUR
"""What is written down sooner than that after it happened is not late."""


def mass_change(state: State, event: Event, _facts: Facts, setting: Setting) -> Finding | None:
    """Tell of somebody who amends or deletes very many records within an hour."""
    person = event.person
    if person is None or event.out != "ok" or event.act not in AMENDMENTS | REMOVALS:
        return None
    amended = event.act in AMENDMENTS
    name, measure = ("amended", "amendments") if amended else ("removed", "removals")
    window = state.lately(name, person, event)
    if len(window) < setting.limit(measure, event.roles):
        return None
    limit = limit_of(state, event, setting, measure)
    if len(window) < limit.number:
        return None
    told = (
        f"{len(window)} {measure} of {window.distinct} records or residents within an hour ({limit.basis})."
    )
    figures: dict[str, int | str] = {measure: len(window), "records": window.distinct}
    return tell(
        event, setting, told, figures, person=person, entries=window.newest(), residents=event.residents
    )


def late_entries(state: State, event: Event, facts: Facts, setting: Setting) -> Finding | None:
    """Tell of records from before an incident that were added or changed once it was known."""
    if event.act not in ("record.create", "record.update") or event.out != "ok":
        return None
    for resident in event.residents:
        for incident in facts.incidents.get(resident, ()):
            found = _after(state, event, facts, setting, resident, incident)
            if found is not None:
                return found
    return None


def _after(
    state: State, event: Event, facts: Facts, setting: Setting, resident: str, incident: Happened
) -> Finding | None:
    def late(item: Item) -> bool:
        return is_late(facts, item, incident)

    written = state.lately("written", resident, event)
    entries = written.seqs(late)
    if event.seq not in entries or len(entries) < setting.limit("records"):
        return None
    told = (
        f"After an incident of a resident was known, {len(entries)} records of the time before it were added"
        f" or changed within 24 hours."
    )
    figures: dict[str, int | str] = {"records": len(entries)}
    subject = f"resident:{resident}"
    return tell(event, setting, told, figures, subject=subject, entries=entries, residents=[resident])


def is_late(facts: Facts, item: Item, incident: Happened) -> bool:
    """Say whether an entry wrote of the time before an incident, late, and when the incident was known."""
    record = facts.records.get(item.key)
    if record is None or not incident.known < item.at <= incident.known + REMEMBERED_S:
        return False
    before = incident.occurred - BEFORE_S <= record.occurred <= incident.occurred
    return before and item.at - record.occurred > LATE_S
