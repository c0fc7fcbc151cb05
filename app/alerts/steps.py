"""What people do with an alert: take it up, explain it, hand it over, say something, make an incident of it.

    new -> in_review -> explained
                     -> incident     (any that is no incident yet, by opening one)
    explained -> in_review           (taken up again, unless a later alert about the same is open)

Whoever it is about does none of this (`seeing`). Every step is an entry, and a row that is never changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from app.access.opened import FieldChange, Opened
from app.access.work import Answer, Work
from app.alerts import rows
from app.alerts.raising import entry_beside, step_of, told_outside
from app.alerts.rows import EXPLAINED, IN_REVIEW, INCIDENT, NEW, OPEN, AlertRow, StepRow
from app.alerts.seeing import Viewer, find_alert
from app.alerts.showing import show_brief, show_step
from app.alerts.table import alert
from app.core.errors import ConflictError, InvalidRequestError
from app.webhooks.outbox import announce

ACT = "alert.link"
STEPPED: Final = "step"
LINKED: Final = "incident"
FOLLOWS: Final = {NEW: (IN_REVIEW,), IN_REVIEW: (EXPLAINED,), EXPLAINED: (IN_REVIEW,), INCIDENT: ()}
"""Which state may follow by a step; `incident` follows by opening one."""
_CHANGES: Final = ("status", "owner_id", "incident_id")

NOTHING = "Give at least one of state, owner_id and comment."
BY_OPENING = "An alert becomes an incident by opening one: POST /v1/incidents, naming the alert."
EXPLAIN = "Say in a comment how it is explained."
AS_READ = "Send the version of the alert that you read."
MOVED = "Something happened to this alert since you read it. Read it again and decide again."
NO_OWNER = "Name somebody who may look into this alert and is not the person it is about."


@dataclass
class TakeStep(Work):
    """Take a step: another state, another owner, a comment, or several of them at once.

    Attributes:
        alert_id: Of which alert.
        state: Its next state.
        owner_id: Who is to look into it.
        comment: What is said about it.
        version: The alert as it was read; an explanation explains what was seen, and nothing since.
    """

    alert_id: str
    state: str | None = None
    owner_id: str | None = None
    comment: str | None = None
    version: int | None = None
    changes = True

    def asked(self) -> tuple[str, str | None]:
        """Return the alert as asked."""
        return "alert", self.alert_id

    def touches(self) -> str:
        """Return the alert: one change in a turn."""
        return self.alert_id

    def perform(self, opened: Opened) -> Answer:
        """Write the step, or refuse."""
        was = find_alert(opened, self.alert_id)
        self._check_input()
        if self.version not in (None, was.version):
            raise ConflictError(MOVED, why="alert-moved")
        if self.state is not None:
            self._check_state(opened, was)
        owner = self._owner(opened, was)
        row, step = _next(opened, was, self.comment, status=self.state or was.status, owner_id=owner)
        _note(opened, was, row, step)
        if row.status != was.status:
            announce(opened, "alert.changed", told_outside(opened, row) | {"was": was.status})
        return Answer({"alert": show_brief(row), "step": show_step(step)}, version=row.version)

    def look_again(self, opened: Opened, told: dict[str, Any]) -> dict[str, Any]:
        """Return the step, if the caller still sees the alert."""
        find_alert(opened, self.alert_id)
        return told

    def _check_input(self) -> None:
        if self.state is None and self.owner_id is None and self.comment is None:
            raise InvalidRequestError(("", NOTHING))
        lacking = {"/comment": (self.comment, EXPLAIN), "/version": (self.version, AS_READ)}
        errors = [(field, told) for field, (value, told) in lacking.items() if value is None]
        if self.state == EXPLAINED and errors:
            raise InvalidRequestError(*errors)

    def _check_state(self, opened: Opened, was: AlertRow) -> None:
        if self.state == INCIDENT:
            raise ConflictError(BY_OPENING, why="alert-by-opening")
        if self.state not in FOLLOWS[was.status]:
            raise ConflictError(f"From {was.status} there is no step to {self.state}.", why="alert-state")
        if was.status == EXPLAINED and _later(opened, was) is not None:
            told = "A later alert about the same is open. Look into that one."
            raise ConflictError(told, why="alert-later-open")

    def _owner(self, opened: Opened, was: AlertRow) -> str | None:
        """Return who owns it now: who is named, or who takes up what nobody owns."""
        if self.owner_id is None:
            taken_up = self.state == IN_REVIEW and opened.facts.session is not None
            return was.owner_id or (opened.agent.id if taken_up else None)
        if not Viewer(opened).holds(self.owner_id, was):
            raise InvalidRequestError(("/owner_id", NO_OWNER))
        return self.owner_id


def _later(opened: Opened, row: AlertRow) -> str | None:
    c = alert.c
    query = select(c.id).where(
        c.org == row.org, c.rule == row.rule, c.subject == row.subject, c.status.in_(OPEN)
    )
    found: str | None = opened.execute(query).scalar()
    return found


def _next(
    opened: Opened, was: AlertRow, comment: str | None, what: str = STEPPED, **changed: Any
) -> tuple[AlertRow, StepRow]:
    """Have the next version of an alert written, and what was done."""
    row = rows.bound(opened, was._replace(**changed, version=was.version + 1))
    step = step_of(opened, row, was.status, what, comment=comment, by=opened.agent.id)
    opened.change(*rows.succession(was, row))
    opened.change(*rows.insertion(step))
    return row, step


def _changes(was: AlertRow, row: AlertRow) -> list[FieldChange]:
    return [
        FieldChange(name, before, after)
        for name in _CHANGES
        if (before := getattr(was, name)) != (after := getattr(row, name))
    ]


def _note(opened: Opened, was: AlertRow, row: AlertRow, step: StepRow) -> None:
    owner = (opened.org, opened.organisation_key())
    opened.changed("alert", row.id, row.version, row.state, _changes(was, row), owner)
    opened.note.members["rows"] = [rows.member(step)]
    opened.note.then = lambda seq: rows.stands_at(step, seq)


def link_to_incident(opened: Opened, alert_ids: Sequence[str], incident_id: str) -> list[AlertRow]:
    """Make alerts part of an incident, inside the `perform` of the work that opens it.

    Each gets an entry of its own (`alert.link`) besides the one of the incident.

    Args:
        opened: The open door; its caller must see every one of the alerts, as for any step.
        alert_ids: Which alerts.
        incident_id: The incident.

    Returns:
        The alerts as they are now, in the order given: for homes, people and instants of the incident.

    Raises:
        NotFoundError: One is not there for this caller.
        ConflictError: One belongs to another incident already.
    """
    return [_link(opened, alert_id, incident_id) for alert_id in dict.fromkeys(alert_ids)]


def _link(opened: Opened, alert_id: str, incident_id: str) -> AlertRow:
    was = find_alert(opened, alert_id)
    if was.status == INCIDENT:
        raise ConflictError("This alert belongs to an incident already.", why="alert-linked")
    row, step = _next(opened, was, None, LINKED, status=INCIDENT, incident_id=incident_id)
    opened.also.append(entry_beside(opened, ACT, row, step, _changes(was, row), opened.agent))
    announce(opened, "alert.changed", told_outside(opened, row) | {"was": was.status})
    return row
