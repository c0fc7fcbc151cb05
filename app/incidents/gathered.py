"""An incident with everything that belongs to it, read once."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func

from app.access.opened import Opened
from app.core.clock import parse, spell
from app.incidents.containment_rows import contained
from app.incidents.repeats import MONTHS, months_before
from app.incidents.rows import (
    ActionRow,
    AssessmentRow,
    HistoryRow,
    IncidentRow,
    NotificationRow,
    WarningRow,
    of_incident,
    read,
    sound,
)
from app.incidents.seeing import reached
from app.incidents.table import incident
from app.trail.freezing import ContainmentRow

_began = func.coalesce(
    incident.c.occurred_at, incident.c.detected_at, incident.c.became_aware_at, incident.c.opened_at
)


@dataclass(frozen=True, slots=True)
class Gathered:
    """One incident and what belongs to it, each list in the order it was made.

    Attributes:
        row: The incident.
        history: Instants corrected, closed, opened again.
        assessments: Every scoring; the last one holds.
        notifications: Who was told; those that were replaced are among them.
        actions: What is to be done.
        warnings: Which warnings of its clocks were given.
        shut: What was shut because of it.
    """

    row: IncidentRow
    history: list[HistoryRow]
    assessments: list[AssessmentRow]
    notifications: list[NotificationRow]
    actions: list[ActionRow]
    warnings: list[WarningRow]
    shut: list[ContainmentRow] = field(default_factory=list)

    @property
    def assessed(self) -> AssessmentRow | None:
        """Return the scoring that holds."""
        return self.assessments[-1] if self.assessments else None

    @property
    def standing(self) -> list[NotificationRow]:
        """Return the notifications nobody corrected."""
        return [one for one in self.notifications if one.replaced_by is None]


def gather(opened: Opened, row: IncidentRow) -> Gathered:
    """Return an incident with what belongs to it, each row the one the trail knows."""
    return Gathered(
        row,
        of_incident(opened, HistoryRow, row.id),
        of_incident(opened, AssessmentRow, row.id),
        of_incident(opened, NotificationRow, row.id),
        of_incident(opened, ActionRow, row.id),
        of_incident(opened, WarningRow, row.id),
        contained(opened, row.id),
    )


def began_at(row: IncidentRow) -> datetime:
    """Return when it began, or the earliest instant known of it."""
    return parse(row.occurred_at or row.detected_at or row.became_aware_at or row.opened_at)


def repeats_of(opened: Opened, row: IncidentRow) -> list[IncidentRow]:
    """Return the like incidents of the three calendar months before that the caller may see.

    One that was altered is left out, and told of: it must not keep anybody from recording another.
    """
    began = began_at(row)
    home = incident.c.home_id
    like = read(
        opened,
        IncidentRow,
        incident.c.id != row.id,
        incident.c.kind == row.kind,
        home.is_(None) if row.home_id is None else home == row.home_id,
        _began >= spell(months_before(began, MONTHS)),
        _began <= spell(began),
        *reached(opened),
    )
    return [one for one in like if sound(opened, one)]
