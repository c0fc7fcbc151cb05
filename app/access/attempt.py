"""One visit inside a turn: decided, performed, noted. Never touches another's.

Steps 4 and 5 of a turn for a single attempt. Whatever a work raises stays with its attempt - one bad
record is one failed visit - except an error of the database itself, which is the whole turn's.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from app.access.agent import Agent
from app.access.drafting import draft
from app.access.opened import Note, Opened
from app.access.policy import decide
from app.access.receipt import Receipt
from app.access.visit import Visit, Visited
from app.access.work import Answer, Facts
from app.audit.entry import Draft, Stamp
from app.core.errors import (
    CaretrailError,
    ForbiddenError,
    HiddenError,
    NotFoundError,
    TokenInvalidError,
)
from app.storage.guard import carrying

logger = logging.getLogger(__name__)

NOT_FOR_ALL = (
    "This wants a permission for the whole organisation, not for one of its homes. Ask somebody who holds it."
)

Replay = Callable[[Opened], Answer]
OpenFor = Callable[[Visit, Agent, Facts, Receipt], Opened]


@dataclass(slots=True)
class Attempt:
    """One visit inside a turn, with what came of it so far.

    `opened` stays None for somebody unknown: then there is nothing to decide and no entry.
    """

    visit: Visit
    facts: Facts
    opened: Opened | None = None
    receipt: Receipt | None = None
    answer: Answer | None = None
    error: CaretrailError | None = None

    def attend(self, connection: Connection, open_for: OpenFor, replay: Replay, *, poisoned: bool) -> None:
        """Decide and perform.

        Args:
            connection: The turn's.
            open_for: Makes the `Opened` of an attempt.
            replay: Answers a repeated call from what is stored.
            poisoned: It failed twice and took its turn down: record that, do nothing.
        """
        agent = self.facts.agent
        if agent is None:
            self.error = TokenInvalidError(why="session-unknown")
            return
        self.receipt = Receipt()
        self.opened = opened = open_for(self.visit, agent, self.facts, self.receipt)
        self._note_resident(opened)
        self.error = self._refusal() or self._decide(agent, opened.at)
        if self.error is None and poisoned:
            self.error = CaretrailError(why="failed-twice")
        if self.error is None:
            self._perform(connection, opened, replay)

    def _refusal(self) -> CaretrailError | None:
        """Return why this session may not act at all now, in the order in which it should be told."""
        facts, operation = self.facts, self.visit.operation
        if facts.refusal is None or self.visit.work.closing:
            return None
        if facts.asleep and operation.asleep:
            return None
        return None if facts.unready and operation.unready else facts.refusal

    def _decide(self, agent: Agent, at: datetime) -> CaretrailError | None:
        visit, facts = self.visit, self.facts
        try:
            question = visit.work.question(visit.operation, agent, facts, at)
        except CaretrailError as error:
            return error
        if self.is_replay and question.place is not None:
            # the very call that is repeated may have removed what it is about; whether what was answered may
            # be shown now is asked of the answer (`Work.look_again`)
            question = replace(question, missing=False)
        verdict = decide(agent, question)
        match verdict.result:
            case "permitted":
                if facts.resident is not None and self.receipt is not None:
                    self.receipt.extend(agent.org, facts.resident.id)
                return None
            case "refused":
                return ForbiddenError(NOT_FOR_ALL if question.organisation_wide else "", why=verdict.why)
            case "hidden":
                return HiddenError(why=verdict.why)
            case "missing":
                return NotFoundError(why=verdict.why)

    def _perform(self, connection: Connection, opened: Opened, replay: Replay) -> None:
        work = self.visit.work
        try:
            with carrying(connection, self.receipt):
                if self.is_replay:
                    self.answer = replay(opened)
                elif work.own_sql:
                    with connection.begin_nested():
                        self.answer = work.perform(opened)
                else:
                    self.answer = work.perform(opened)
                self.error = self.answer.refusal
        except CaretrailError as error:
            if error.status >= 500:  # a broken seal, say: somebody has to look, and here is where
                operation, request = self.visit.operation.act, self.visit.request_id
                logger.error("attempt-broken", extra={"act": operation, "why": error.why, "rid": request})  # noqa: TRY400
            self._forget(opened, error)
        except DBAPIError:
            raise
        except Exception:  # one bad record is one failed visit
            logger.exception(
                "attempt-failed", extra={"act": self.visit.operation.act, "rid": self.visit.request_id}
            )
            self._forget(opened, CaretrailError(why="error"))

    @property
    def is_replay(self) -> bool:
        """Say whether the answer of an earlier call with the same key is to be given again."""
        return self.visit.repeat is not None and self.facts.stored is not None

    @property
    def changes(self) -> bool:
        """Say whether it is about to change something."""
        return self.visit.work.changes and self.error is None and not self.is_replay

    @property
    def is_silent(self) -> bool:
        """Say whether it has no entry of its own; what goes with it is appended all the same."""
        work = self.visit.work
        return work.silent and (work.chunk or self.error is None)

    @property
    def keeps_awake(self) -> bool:
        """Say whether it counts as activity of its session, and is due to be written down."""
        facts, visit = self.facts, self.visit
        active = visit.work.activity and not visit.background
        return self.error is None and facts.touch and active and bool(facts.session)

    def drafts(self, source: dict[str, str]) -> list[Draft]:
        """Return its entry, first, and those that go with it."""
        opened, error = self.opened, self.error
        if opened is None:
            return []
        if self.is_silent:
            return opened.also
        out, why = ("ok", None) if error is None else (error.outcome, error.why)
        main = draft(opened, self.visit.operation.act, out, why, source)
        return [main, *(opened.also if error is None else ())]

    def settle(self, stamp: Stamp | None, at: datetime) -> None:
        """Set the outcome of the visit: the entry is durable now."""
        self.visit.stamp, self.visit.at = stamp, at
        self.visit.outcome = self.error or Visited(self.answer or Answer(), stamp, at)

    def _note_resident(self, opened: Opened) -> None:
        resident = self.facts.resident
        if resident is not None:
            opened.note.subs = [resident.id]
            opened.note.homes = (resident.home_id,)

    def _forget(self, opened: Opened, error: CaretrailError) -> None:
        """Drop what a failed work had prepared: nothing of it is written, its entry claims nothing."""
        self.error, self.answer = error, None
        opened.pending.clear()
        opened.also.clear()
        asked, reason = self.visit.work.asked(), self.visit.reason
        opened.note = Note(object=asked, reason=reason, org=opened.note.org)
        self._note_resident(opened)
