"""Somebody was told of an incident: who, when, by whom, and if it was late, why.

What is recorded here is that it was done: nothing is sent to anybody. A notification that was recorded
wrongly is replaced by another, perhaps to another recipient, and stays to be seen: if the ICO was not told
after all, their clock runs again.

Source: UK GDPR articles 33(1) (reasons for the delay) and 34, DSPT 6.1.2, 6.1.3.
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
from app.incidents.gathered import Gathered, gather
from app.incidents.one_incident import ChangeIncident
from app.incidents.rows import IncidentRow, NotificationRow, amend, amend_beside, enter_beside
from app.incidents.seeing import find_open
from app.incidents.showing import show_notification
from app.incidents.texts import seal_texts
from app.incidents.vocabulary import Plain, Recipient

_LATE = "Give the reasons for the delay: this was after the time in which they have to be told."
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
        self._check(opened, was)
        told = enter_beside(opened, self._row(opened))
        standing = self._replace(opened, whole, told)
        stopped = _stopped((*standing, told))
        changes: dict[str, tuple[Any, Any]] = {
            "notification.recipient": (None, self.recipient),
            "notification.told_at": (None, self.told_at),
        }
        changes |= {n: (getattr(was, n), v) for n, v in stopped.items() if getattr(was, n) != v}
        row = amend(opened, was, changes, **stopped)
        return Answer(show_notification(opened, row, told))

    def _check(self, opened: Opened, row: IncidentRow) -> None:
        errors = []
        if self.told_at > spell(opened.at):
            errors.append(("/told_at", "Must not lie in the future."))
        if row.occurred_at is not None and self.told_at < row.occurred_at:
            errors.append(("/told_at", "Must not lie before the incident occurred."))
        if self.recipient == "people_affected" and self.people is None:
            errors.append(("/people_told", _HOW_MANY))
        clock = clock_for(row, self.recipient)
        late = clock is not None and parse(self.told_at) > clock.due_at
        if late and not self.texts.get("reasons_for_delay"):
            errors.append(("/reasons_for_delay", _LATE))
        if errors:
            raise InvalidRequestError(*errors)

    def _replace(self, opened: Opened, whole: Gathered, told: NotificationRow) -> list[NotificationRow]:
        """Return what stands besides the new one, the one that it replaces marked."""
        if self.replaces is None:
            return whole.standing
        wrong = [one for one in whole.standing if one.id == self.replaces]
        if not wrong:
            raise ConflictError(_REPLACED, why="not-to-be-replaced")
        amend_beside(opened, wrong[0], replaced_by=told.id)
        return [one for one in whole.standing if one.id != self.replaces]

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


def _stopped(standing: Iterable[NotificationRow]) -> dict[str, str | None]:
    """Return when the clocks stopped, from what stands; None where nobody was told after all."""
    told = [(one.recipient, one.told_at) for one in standing]
    return {
        column: min((at for recipient, at in told if recipient == name), default=None)
        for name, column in _STOPS.items()
    }
