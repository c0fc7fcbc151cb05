"""The trail, the clock and the backups: what somebody who hides something would touch first."""

from dataclasses import replace

from app.detection.event import Event
from app.detection.facts import Facts
from app.detection.feeding import BACKUPS, BROKEN
from app.detection.finding import Finding
from app.detection.rule import Setting
from app.detection.rules.telling import tell
from app.detection.state import State
from app.detection.windows import HOUR

SCHEMA = "schema.change"
CLOCK = "clock.step"


def trail_check(state: State, event: Event, _facts: Facts, setting: Setting) -> Finding | None:
    """Tell of rows or lines that somebody changed behind the service's back, and of lines that were lost."""
    if event.act not in BROKEN:
        return None
    broken = state.lately("broken", event.chain, event)
    if len(broken) < setting.limit("findings"):
        return None
    lost = broken.times("chain.recover")
    told = (
        f"{len(broken) - lost} rows or lines found within 24 hours that were changed behind the service's"
        f" back; {lost} times the loss of lines was recorded."
    )
    figures: dict[str, int | str] = {"findings": len(broken), "lost": lost}
    return tell(event, setting, told, figures, entries=broken.newest(), residents=event.residents)


def schema_change(_state: State, event: Event, _facts: Facts, setting: Setting) -> Finding | None:
    """Tell that what protects the trail in the database was changed."""
    if event.act != SCHEMA or event.out != "ok":
        return None
    told = (
        "What protects the trail in the database was changed. An upgrade does that: if there was none, ask."
    )
    return tell(event, setting, told, {"changes": 1})


def clock_step(_state: State, event: Event, _facts: Facts, setting: Setting) -> Finding | None:
    """Tell of a clock that was set back by more than a time service corrects."""
    back = event.members.get("clock", {}).get("back_s", 0) if event.act == CLOCK else 0
    if not back or back < setting.limit("seconds"):
        return None
    told = (
        f"The machine's clock was set back by {back} seconds; until it has caught up, lines are dated too"
        " late and their time goes on at half its pace."
    )
    return tell(event, setting, told, {"seconds": back})


def backup_failed(state: State, event: Event, _facts: Facts, setting: Setting) -> Finding | None:
    """Tell of a backup, or the test of one, that failed."""
    if event.act not in BACKUPS or event.out == "ok":
        return None
    failed = state.lately("failed_backup", event.chain, event)
    if len(failed) < setting.limit("failures"):
        return None
    what = "the test of a backup" if event.act == "backup.drill" else "a backup"
    told = f"{len(failed)} failures within 24 hours; the last was {what} ({event.why})."
    figures: dict[str, int | str] = {"failures": len(failed), "why": event.why}
    return tell(event, setting, told, figures, subject="backup", entries=failed.newest())


def backup_overdue(event: Event, facts: Facts, setting: Setting) -> Finding | None:
    """Tell that the last good backup is too old. Judged as time passes, not when something happens.

    Args:
        event: The instant, and the chain; no entry tells of what did not happen.
        facts: When the last one was.
        setting: The rule as it is in force.
    """
    if facts.backup_at is None:
        return None
    hours = int((event.at - facts.backup_at) // HOUR)
    if hours < setting.limit("hours"):
        return None
    told = f"The last good backup is {hours} hours old."
    finding = tell(event, setting, told, {"hours": hours}, subject="backup")
    return replace(finding, user_id=None, entries=(), homes=(), resident_ids=())
