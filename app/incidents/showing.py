"""Incidents as they are answered."""

from datetime import datetime
from typing import Any

from app.access.opened import Opened
from app.core.clock import parse, spell
from app.core.local_time import day_of
from app.incidents.clock_rows import clock_for, clocks_of
from app.incidents.clocks import RECIPIENT, Clock, follows, given_late
from app.incidents.containment_rows import show_containments
from app.incidents.gathered import Gathered, gather, repeats_of
from app.incidents.missing import missing_to_close
from app.incidents.rows import (
    ActionRow,
    AssessmentRow,
    HistoryRow,
    IncidentRow,
    NotificationRow,
    WarningRow,
)
from app.incidents.texts import text_of, texts_of, told
from app.incidents.vocabulary import Plain

_OF_ROW = (
    *("id", "home_id", "nature", "kind", "status", "opened_at", "opened_by"),
    *("occurred_at", "ended_at", "detected_at", "became_aware_at"),
    *("ongoing", "system_fault", "confidentiality", "integrity", "availability"),
    *("people_affected", "decision", "closed_at", "closed_by", "version"),
)


def show(opened: Opened, row: IncidentRow) -> Plain:
    """Return an incident with everything that belongs to it."""
    return show_gathered(opened, gather(opened, row))


def show_gathered(opened: Opened, whole: Gathered) -> Plain:
    """Return an incident with everything that belongs to it, as it was gathered."""
    row = whole.row
    texts = texts_of(opened, row)
    shown = show_short(row, opened.at, whole.warnings)
    shown |= {"alert_ids": row.alert_ids, "concerned_ids": row.concerned_ids} | texts
    shown["assessments"] = [show_assessment(opened, one) for one in whole.assessments]
    shown["notifications"] = [show_notification(opened, row, one) for one in whole.notifications]
    shown["actions"] = [show_action(opened, one) for one in whole.actions]
    shown["containments"] = show_containments(opened, whole.shut)
    shown["history"] = [_turn(opened, one) for one in whole.history]
    shown["repeats"] = [_repeat(one) for one in repeats_of(opened, row)]
    shown["missing_to_close"] = list(missing_to_close(whole, texts, explained_in(opened, whole)))
    return shown


def explained_in(opened: Opened, whole: Gathered) -> set[str]:
    """Return the recipients of whom it is written why they were told late."""
    return {one.recipient for one in whole.standing if told(opened, one).get("reasons_for_delay")}


def show_short(row: IncidentRow, at: datetime, warnings: list[WarningRow] | None = None) -> Plain:
    """Return an incident without texts: an item of a list."""
    shown: Plain = {name: getattr(row, name) for name in _OF_ROW}
    shown["categories"] = row.category_names
    clocks = {clock.name: show_clock(clock, at, warnings) for clock in clocks_of(row)}
    shown["clocks"] = {"72h": clocks.get("72h"), "12h": clocks["12h"]}
    return shown


def show_clock(clock: Clock, at: datetime, warnings: list[WarningRow] | None) -> Plain:
    """Return how a clock stands, and which of its warnings were given."""
    left, late = clock.left(at), clock.late_by()
    shown: Plain = {
        "tells": RECIPIENT[clock.name],
        "state": clock.state(at),
        "counted_from": spell(clock.since.at),
        "assumed": clock.since.assumed,
        "due_at": spell(clock.due_at),
        "seconds_left": None if left is None else int(left.total_seconds()),
        "told_at": spell(clock.told_at) if clock.told_at else None,
        "late_seconds": None if late is None else int(late.total_seconds()),
    }
    if warnings is not None:
        shown["warnings"] = [_warning(one) for one in warnings if one.clock == clock.name]
    return shown


def show_assessment(opened: Opened, row: AssessmentRow) -> Plain:
    """Return a scoring: what was given, what it counts for, what was proposed and decided, and why."""
    shown: Plain = {name: getattr(row, name) for name in ("id", "edition", "likelihood", "impact")}
    shown |= {"vulnerable_people": row.vulnerable, "special_categories": row.special}
    shown["counted"] = {"likelihood": row.counted_likelihood, "impact": row.counted_impact}
    shown |= {"proposal": row.proposal, "decision": row.decision}
    shown["deviates"] = row.decision is not None and row.decision != row.proposal
    shown["reasons"] = text_of(opened, row, "reasons", row.reasons)
    return shown | {"assessed_by": row.by, "assessed_at": row.at}


def show_notification(opened: Opened, incident: IncidentRow, row: NotificationRow) -> Plain:
    """Return who was told, and whether that was in time as the instants stand now.

    Further information, after whom it is about had been told, is neither late nor in time.
    """
    clock, texts, told_at = clock_for(incident, row.recipient), told(opened, row), parse(row.told_at)
    late = None
    if clock is not None and not follows(clock, told_at):
        late = max(0, _over(told_at, clock.due_at))
    return {
        "id": row.id,
        "recipient": row.recipient,
        "told_at": row.told_at,
        "told_by": texts.get("told_by"),
        "reference": texts.get("reference"),
        "note": texts.get("note"),
        "people_told": row.people,
        "late": None if late is None else late > 0,
        "late_seconds": late,
        "reasons_for_delay": texts.get("reasons_for_delay"),
        "replaced_by": row.replaced_by,
        "recorded_by": row.by,
        "recorded_at": row.at,
    }


def show_action(opened: Opened, row: ActionRow) -> Plain:
    """Return something to be done; overdue when its day is over in Great Britain and it is not done."""
    today = day_of(opened.at).isoformat()
    return {
        "id": row.id,
        "what": text_of(opened, row, "what", row.what),
        "owner_id": row.owner_id,
        "due_on": row.due_on,
        "overdue": row.done_at is None and row.due_on is not None and row.due_on < today,
        "done_at": row.done_at,
        "done_by": row.done_by,
        "outcome": text_of(opened, row, "outcome", row.outcome),
        "recorded_by": row.by,
        "recorded_at": row.at,
    }


def _over(told_at: datetime, due_at: datetime) -> int:
    seconds = (told_at - due_at).total_seconds()
    return int(seconds) + (seconds > int(seconds))  # the first part of a second too late is too late


def _turn(opened: Opened, row: HistoryRow) -> Plain:
    reason = text_of(opened, row, "reason", row.reason)
    return {
        "what": row.what,
        "was": row.was,
        "became": row.became,
        "reason": reason,
        "by": row.by,
        "at": row.at,
    }


def _warning(row: WarningRow) -> Plain:
    late = given_late(parse(row.due_at), parse(row.given_at))
    shown = {"hours": row.mark, "counted_from": row.counted_from, "due_at": row.due_at}
    return shown | {"given_at": row.given_at, "late": late}


def _repeat(row: IncidentRow) -> dict[str, Any]:
    names = ("id", "nature", "status", "opened_at", "occurred_at")
    return {name: getattr(row, name) for name in names}
