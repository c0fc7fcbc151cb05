"""Being refused again and again, and using emergency access."""

from app.detection.event import Event
from app.detection.facts import Facts
from app.detection.feeding import GRABS, REFUSED
from app.detection.finding import Finding
from app.detection.rule import Setting
from app.detection.rules.telling import tell
from app.detection.state import State

BREAK_GLASS = "breakglass.start"
"""Nothing writes it yet; the rule waits for it."""


def refusals(state: State, event: Event, _facts: Facts, setting: Setting) -> Finding | None:
    """Tell of somebody who tries what they may not, many times an hour; or to give rights, several times."""
    person = event.person
    if person is None or event.why not in REFUSED:
        return None
    refused, grabbed = state.lately("refused", person, event), state.lately("grabbed", person, event)
    many = len(refused) >= setting.limit("refusals", event.roles)
    grabs = event.why in GRABS and len(grabbed) >= setting.limit("grabs", event.roles)
    if not many and not grabs:
        return None
    told = f"Refused {len(refused)} times within an hour, about {refused.distinct} different things"
    told += f"; {len(grabbed)} times in 24 hours for giving rights." if grabs else "."
    figures: dict[str, int | str] = {
        "refusals": len(refused) if many else len(grabbed),
        "things": refused.distinct,
        "grabs": len(grabbed),
    }
    window = refused if many else grabbed
    return tell(event, setting, told, figures, person=person, entries=window.newest())


def break_glass(state: State, event: Event, _facts: Facts, setting: Setting) -> Finding | None:
    """Tell of every use of emergency access, so that somebody else looks at it."""
    if event.act != BREAK_GLASS or event.out != "ok" or event.person is None:
        return None
    uses = state.lately("emergency", event.person, event)
    if len(uses) < setting.limit("uses", event.roles):
        return None
    told = f"Emergency access was used: {len(uses)} times within 24 hours."
    figures: dict[str, int | str] = {"uses": len(uses)}
    return tell(
        event, setting, told, figures, person=event.person, entries=uses.newest(), residents=event.residents
    )
