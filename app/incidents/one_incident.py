"""What works on one incident have in common, and reading it."""

from dataclasses import dataclass
from typing import Any

from app.access.opened import Opened
from app.access.work import Answer, Work
from app.core.clock import spell
from app.incidents.clock_rows import clocks_of
from app.incidents.rows import IncidentRow
from app.incidents.seeing import find
from app.incidents.showing import show
from app.webhooks.outbox import announce


@dataclass
class OneIncident(Work):
    """Something about one incident."""

    incident_id: str

    def asked(self) -> tuple[str, str | None]:
        """Return the incident as asked."""
        return "incident", self.incident_id

    def look_again(self, opened: Opened, told: Any) -> Any:
        """Return what was told of the incident, if the caller still sees it."""
        find(opened, self.incident_id)
        return told


@dataclass
class ChangeIncident(OneIncident):
    """A change of one incident. Whatever is changed, its version rises: nobody's change is lost.

    Who may make it may depend on what the trail says of them (`seniority`): the index catches up for that.
    """

    changes = True
    own_sql = True

    def touches(self) -> str:
        """Return the incident: one change in a turn."""
        return self.incident_id


@dataclass
class ReadIncident(OneIncident):
    """Read an incident with everything that belongs to it."""

    def perform(self, opened: Opened) -> Answer:
        """Return it as it stands now."""
        row = find(opened, self.incident_id)
        opened.note.version, opened.note.count = row.version, 1
        return Answer(show(opened, row))


def tell(opened: Opened, event: str, row: IncidentRow, **more: Any) -> None:
    """Have other systems told of an incident: ids, words and instants."""
    told = {
        "incident_id": row.id,
        "home_id": row.home_id,
        "at": spell(opened.at),
        "link": f"/v1/incidents/{row.id}",
    }
    announce(opened, event, told | more)


def tell_state(opened: Opened, event: str, row: IncidentRow, **more: Any) -> None:
    """Have other systems told how an incident stands, and when its next clock ends."""
    how = {"nature": row.nature, "status": row.status, "due_at": next_due(row)}
    tell(opened, event, row, **how | more)


def tell_clocks(opened: Opened, was: IncidentRow, row: IncidentRow) -> None:
    """Have other systems told when the next clock ends now, if that is another instant than before."""
    if next_due(was) != next_due(row):
        tell_state(opened, "incident.changed", row, was=was.status)


def next_due(row: IncidentRow) -> str | None:
    """Return when the next clock of an incident ends; None where none runs."""
    due = [clock.due_at for clock in clocks_of(row) if clock.runs]
    return spell(min(due)) if due else None
