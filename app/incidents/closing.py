"""An incident is closed when nothing is missing any more, and opened again for a reason."""

from dataclasses import dataclass, replace

from app.access.opened import Opened
from app.access.work import Answer
from app.core.clock import spell
from app.core.errors import ConflictError
from app.incidents.gathered import Gathered, gather
from app.incidents.missing import missing_to_close
from app.incidents.one_incident import ChangeIncident, tell_state
from app.incidents.rows import HistoryRow, IncidentRow, amend
from app.incidents.seeing import find, find_open
from app.incidents.seniority import refuse_younger
from app.incidents.showing import explained_in, show_gathered
from app.incidents.shown_again import incident_again
from app.incidents.texts import seal_texts, texts_of
from app.incidents.turning import turned
from app.incidents.vocabulary import Plain

_OPEN = "This incident is open."


@dataclass
class CloseIncident(ChangeIncident):
    """Close an incident.

    Attributes:
        given: Root cause and lessons, where they are said only now.
    """

    given: Plain

    def perform(self, opened: Opened) -> Answer:
        """Close it, or say what is missing.

        Raises:
            ForbiddenError: It is about somebody, and the caller's account is younger than it.
            ConflictError: Something is missing; the detail names all of it.
        """
        whole = gather(opened, find_open(opened, self.incident_id))
        refuse_younger(opened, whole.row, whole.shut)
        was, before = whole.row, texts_of(opened, whole.row)
        texts = before | {name: text for name, text in self.given.items() if text is not None}
        missing = list(missing_to_close(whole, texts, explained_in(opened, whole)))
        if missing:
            detail = f"It cannot be closed yet. Missing: {'; '.join(missing)}."
            raise ConflictError(detail, why="incident-unfinished")
        changes = {name: (before[name], texts[name]) for name in texts if texts[name] != before[name]}
        changed = {"closed_at": spell(opened.at), "closed_by": opened.agent.id}
        box = seal_texts(opened, was.id, texts)
        row = amend(
            opened, was, changes | {"status": ("open", "closed")}, status="closed", texts=box, **changed
        )
        turn = turned(opened, row.id, "closed", None)
        tell_state(opened, "incident.changed", row, was="open")
        return Answer(_shown(opened, whole, row, turn))

    def look_again(self, opened: Opened, told: Plain) -> Plain:
        """Return the incident, as far as the caller still sees it."""
        return incident_again(opened, told)


@dataclass
class ReopenIncident(ChangeIncident):
    """Open a closed incident again."""

    reason: str

    def perform(self, opened: Opened) -> Answer:
        """Open it; what was told and decided stands.

        Raises:
            ForbiddenError: It is about somebody, and the caller's account is younger than it.
            ConflictError: It is open.
        """
        whole = gather(opened, find(opened, self.incident_id))
        refuse_younger(opened, whole.row, whole.shut)
        was = whole.row
        if was.status == "open":
            raise ConflictError(_OPEN, why="incident-open")
        changes = {"status": ("closed", "open"), "reason": (None, self.reason)}
        row = amend(opened, was, changes, status="open", closed_at=None, closed_by=None)
        turn = turned(opened, row.id, "reopened", self.reason)
        tell_state(opened, "incident.changed", row, was="closed")
        return Answer(_shown(opened, whole, row, turn))

    def look_again(self, opened: Opened, told: Plain) -> Plain:
        """Return the incident, as far as the caller still sees it."""
        return incident_again(opened, told)


def _shown(opened: Opened, whole: Gathered, row: IncidentRow, turn: HistoryRow) -> Plain:
    return show_gathered(opened, replace(whole, row=row, history=[*whole.history, turn]))
