"""Somebody was told of an incident: who, when, by whom, and if it was late, why.

What is recorded here is that it was done: nothing is sent to anybody. A notification that was recorded
wrongly is replaced by another, perhaps to another recipient, and stays to be seen: if the ICO was not told
after all, their clock runs again. Late is only what tells them first: further information follows in phases.

Source: UK GDPR articles 33(1) (reasons for the delay), 33(4) (in phases) and 34, DSPT 6.1.2, 6.1.3.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from app.access.opened import Opened
from app.access.work import Answer
from app.core.clock import parse, spell
from app.core.errors import ConflictError, InvalidRequestError
from app.core.identifiers import new_id
from app.incidents.clock_rows import clock_for
from app.incidents.clocks import follows
from app.incidents.gathered import began_at, gather
from app.incidents.one_incident import ChangeIncident, tell_clocks
from app.incidents.rows import IncidentRow, NotificationRow, amend, amend_beside, enter_beside
from app.incidents.seeing import find_open
from app.incidents.showing import show_notification
from app.incidents.texts import seal_texts
from app.incidents.vocabulary import Plain, Recipient

_LATE = "Give the reasons for the delay: this was after the time in which they have to be told."
_BEFORE = (
    "Must not lie before the incident, or before it was recorded where nothing else is known: say first when"
    " it occurred, was detected or became known."
)
_HOW_MANY = "Say how many of the people affected were told."
_REPLACED = "This notification was replaced already, or is none of this incident's."
_STOPS = {"ico": "ico_told_at", "senior_management": "management_told_at"}


@dataclass
class TellOf(ChangeIncident):
    """Record that somebody was told.

    Attributes:
        recipient: Who.
        told_at: When.
        people: How many, where those affected were told.
        texts: In words: told_by, reference, note, reasons_for_delay; None where nothing is said.
        replaces: A notification that was recorded wrongly.
    """

    recipient: Recipient
    told_at: str
    people: int | None
    texts: Plain
    replaces: str | None

    def perform(self, opened: Opened) -> Answer:
        """Write it; a clock stops with the first notification of its recipient that stands."""
        whole = gather(opened, find_open(opened, self.incident_id))
        was = whole.row
        standing = [one for one in whole.standing if one.id != self.replaces]
        self._check(opened, was, standing)
        told = enter_beside(opened, self._row(opened))
        self._replace(opened, next((one for one in whole.standing if one.id == self.replaces), None), told)
        stopped = _stopped((*standing, told))
        changes: dict[str, tuple[Any, Any]] = {
            "notification.recipient": (None, self.recipient),
            "notification.told_at": (None, self.told_at),
        }
        changes |= {n: (getattr(was, n), v) for n, v in stopped.items() if getattr(was, n) != v}
        row = amend(opened, was, changes, **stopped)
        tell_clocks(opened, was, row)
        return Answer(show_notification(opened, row, told))

    def _check(self, opened: Opened, row: IncidentRow, standing: Iterable[NotificationRow]) -> None:
        errors = []
        if self.told_at > spell(opened.at):
            errors.append(("/told_at", "Must not lie in the future."))
        if parse(self.told_at) < began_at(row):
            errors.append(("/told_at", _BEFORE))
        if self.recipient == "people_affected" and self.people is None:
            errors.append(("/people_told", _HOW_MANY))
        if self._is_late(row, standing) and not self.texts.get("reasons_for_delay"):
            errors.append(("/reasons_for_delay", _LATE))
        if errors:
            raise InvalidRequestError(*errors)

    def _is_late(self, row: IncidentRow, standing: Iterable[NotificationRow]) -> bool:
        """Say whether this is what tells them, and too late: what follows is no delay of its own."""
        clock = clock_for(row._replace(**_stopped(standing)), self.recipient)
        if clock is None:
            return False
        told_at = parse(self.told_at)
        return told_at > clock.due_at and not follows(clock, told_at)

    def _replace(self, opened: Opened, wrong: NotificationRow | None, told: NotificationRow) -> None:
        if self.replaces is None:
            return
        if wrong is None:
            raise ConflictError(_REPLACED, why="not-to-be-replaced")
        amend_beside(opened, wrong, replaced_by=told.id)

    def _row(self, opened: Opened) -> NotificationRow:
        row_id = new_id()
        return NotificationRow(
            id=row_id,
            org=opened.org,
            incident_id=self.incident_id,
            recipient=self.recipient,
            told_at=self.told_at,
            people=self.people,
            texts=seal_texts(opened, row_id, self.texts),
            replaced_by=None,
            by=opened.agent.id,
            at=spell(opened.at),
            version=1,
            state=b"",
        )


def _stopped(standing: Iterable[NotificationRow]) -> Plain:
    """Return when the clocks stopped, from what stands; None where nobody was told after all."""
    told = [(one.recipient, one.told_at) for one in standing]
    return {
        column: min((at for recipient, at in told if recipient == name), default=None)
        for name, column in _STOPS.items()
    }
