"""What is to be done about an incident: by whom, by when, and that it was done."""

from dataclasses import dataclass

from sqlalchemy import select

from app.access.opened import Opened
from app.access.work import Answer
from app.core.clock import spell
from app.core.errors import ConflictError, InvalidRequestError, NotFoundError
from app.core.identifiers import new_id
from app.identity.table import account
from app.incidents.one_incident import ChangeIncident
from app.incidents.rows import ActionRow, amend, amend_beside, enter_beside, found
from app.incidents.seeing import find, find_open
from app.incidents.showing import show_action
from app.incidents.table import incident_action
from app.incidents.texts import seal_text

_DONE = "This was done already."


@dataclass
class PlanAction(ChangeIncident):
    """Record what is to be done."""

    what: str
    owner_id: str | None
    due_on: str | None

    def perform(self, opened: Opened) -> Answer:
        """Write it."""
        was = find_open(opened, self.incident_id)
        self._require_owner(opened)
        row_id = new_id()
        planned = ActionRow(
            id=row_id,
            org=opened.org,
            incident_id=was.id,
            owner_id=self.owner_id,
            due_on=self.due_on,
            what=seal_text(opened, row_id, "what", self.what),
            by=opened.agent.id,
            at=spell(opened.at),
            done_at=None,
            done_by=None,
            outcome=None,
            version=1,
            state=b"",
        )
        planned = enter_beside(opened, planned)
        amend(opened, was, {"action.what": (None, self.what), "action.due_on": (None, self.due_on)})
        return Answer(show_action(opened, planned))

    def _require_owner(self, opened: Opened) -> None:
        if self.owner_id is None:
            return
        query = select(account.c.id).where(account.c.org == opened.org, account.c.id == self.owner_id)
        if opened.execute(query).first() is None:
            raise InvalidRequestError(("/owner_id", "There is no such account."))


@dataclass
class FinishAction(ChangeIncident):
    """Record that something was done; after the incident is closed, too."""

    action_id: str
    outcome: str | None

    def perform(self, opened: Opened) -> Answer:
        """Write when, by whom, and what came of it."""
        was = find(opened, self.incident_id)
        c = incident_action.c
        planned = found(opened, ActionRow, c.id == self.action_id, c.incident_id == was.id)
        if not planned:
            raise NotFoundError(why="action-not-found")
        if planned[0].done_at is not None:
            raise ConflictError(_DONE, why="action-done")
        box = seal_text(opened, self.action_id, "outcome", self.outcome) if self.outcome else None
        at = spell(opened.at)
        done = amend_beside(opened, planned[0], done_at=at, done_by=opened.agent.id, outcome=box)
        amend(opened, was, {"action.done_at": (None, at), "action.outcome": (None, self.outcome)})
        return Answer(show_action(opened, done))
