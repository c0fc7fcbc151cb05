"""Who may do what: far-reaching rights, exceptions from the second factor, these rules themselves."""

from app.detection.event import Event
from app.detection.facts import Facts
from app.detection.feeding import ROLE
from app.detection.finding import Finding
from app.detection.rule import Setting
from app.detection.rules.telling import tell
from app.detection.state import State

FACTOR_EXCEPTION = "factor.exempt"
"""Nothing writes it yet; the rule waits for it."""
RULE_SET = "alert.rule_set"
TAKING = ("user.deactivate", "user.update")
"""Acts that may take somebody's rights."""


def privilege_change(state: State, event: Event, facts: Facts, setting: Setting) -> Finding | None:
    """Tell of rights that reach far, given or given back."""
    if not grants_far(event, facts):
        return None
    granted = state.lately("granted", event.actor, event)
    entries = granted.seqs(lambda item: item.key == ROLE or item.key in facts.powerful)
    changes = len(entries)
    if changes < setting.limit("changes", event.roles):
        return None
    counted = "1 change" if changes == 1 else f"{changes} changes"
    told = f"{counted} within 24 hours that gave far-reaching rights, or gave them back ({event.act})."
    return tell(event, setting, told, {"changes": changes}, person=event.person, entries=entries)


def grants_far(event: Event, facts: Facts) -> bool:
    """Say whether an entry gives somebody far-reaching rights."""
    if event.out != "ok":
        return False
    if event.act in ("role.create", "role.update"):
        return event.person is not None
    given = event.act == "user.update" and "assignments" in event.fields
    if not given and event.act not in ("user.create", "user.reactivate", "user.reset"):
        return False
    return event.object_id in facts.powerful


def oversight_removed(state: State, event: Event, facts: Facts, setting: Setting) -> Finding | None:
    """Tell that whoever reviews alerts or incidents was deactivated, or had their rights changed."""
    taken = event.act == "user.deactivate" or "assignments" in event.fields
    if event.out != "ok" or not taken or event.object_id not in facts.reviewers:
        return None
    removed = state.lately("unseated", event.actor, event)
    people = len(removed.only(lambda item: item.key in facts.reviewers).keys)
    if people < setting.limit("people", event.roles):
        return None
    who, were = ("1 person who reviews", "was") if people == 1 else (f"{people} people who review", "were")
    told = (
        f"{who} alerts or incidents {were} deactivated, or had their rights changed, within 24 hours."
        " Nobody may choose who looks at what they did."
    )
    return tell(event, setting, told, {"people": people}, person=event.person, entries=removed.newest())


def second_factor_exception(state: State, event: Event, _facts: Facts, setting: Setting) -> Finding | None:
    """Tell of every exception from the second factor."""
    if event.act != FACTOR_EXCEPTION or event.out != "ok":
        return None
    made = state.lately("exempted", event.actor, event)
    if len(made) < setting.limit("exceptions", event.roles):
        return None
    counted = "1 exception" if len(made) == 1 else f"{len(made)} exceptions"
    told = f"{counted} from the second factor within 24 hours."
    return tell(event, setting, told, {"exceptions": len(made)}, person=event.person, entries=made.newest())


def detection_weakened(_state: State, event: Event, _facts: Facts, setting: Setting) -> Finding | None:
    """Tell of every change of a rule of detection: nobody looks away unseen."""
    if event.act != RULE_SET or event.out != "ok":
        return None
    told = f"The rule {event.object_id or 'of detection'} was changed: compare what it finds now with before."
    figures: dict[str, int | str] = {"changes": 1, "rule": str(event.object_id or "")}
    subject = f"rule:{event.object_id}" if event.object_id else None
    return tell(event, setting, told, figures, person=event.person, subject=subject)
