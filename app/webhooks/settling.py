"""What came of an attempt, written down: the transaction after it, and what follows for the endpoint.

An endpoint that said it is gone, or to which nothing came through for days, is switched off; that is a
change and has its entry.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, delete, func, insert, select, update

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.core.clock import parse, spell
from app.core.errors import ConflictError
from app.webhooks.claiming import Parcel
from app.webhooks.outbox import DEAD, DUE
from app.webhooks.outcome import OK, Came, step_after
from app.webhooks.rows import ACTIVE, OFF, amend, endpoint
from app.webhooks.table import webhook_attempt, webhook_message

SWITCH_OFF = Operation("*", "*", "system", "self", "webhook.switch_off", 200)
FAILING_FOR: Final = timedelta(days=5)
KEPT_FOR: Final = timedelta(days=30)
MOST_PRUNED: Final = 256
"""Messages of one turn, with their attempts (about 20 ms)."""

_M, _A = webhook_message.c, webhook_attempt.c
_SETTLE = (
    update(webhook_message)
    .where(_M.org == bindparam("of"), _M.id == bindparam("which"), _M.lease == bindparam("mine"))
    .values(
        status=bindparam("came_to"),
        due_at=bindparam("due"),
        ended_at=bindparam("ended"),
        lease=None,
        leased_until=None,
    )
)
_OF_ENDPOINT = (_A.org == bindparam("of"), _A.webhook_id == bindparam("endpoint"))
_LAST_OK = select(func.max(_A.at)).where(*_OF_ENDPOINT, _A.outcome == OK)
_FAILING_SINCE = select(func.min(_A.at)).where(*_OF_ENDPOINT, _A.outcome != OK, _A.at > bindparam("after"))
_OLD = (
    select(_M.org.label("of"), _M.id.label("which"))
    .where(_M.status != DUE, _M.ended_at <= bindparam("before"))
    .order_by(_M.ended_at)
    .limit(MOST_PRUNED)
    .with_for_update(skip_locked=True)  # another process prunes those
)
_REMOVE = (
    delete(webhook_attempt).where(_A.org == bindparam("of"), _A.message_id == bindparam("which")),
    delete(webhook_message).where(_M.org == bindparam("of"), _M.id == bindparam("which")),
)


@dataclass
class Settle(Work):
    """Record an attempt, and what becomes of its message."""

    parcel: Parcel
    came: Came
    silent = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Return what is to follow: status of the message, and why its endpoint is to be switched off."""
        parcel, came = self.parcel, self.came
        chance = int.from_bytes(opened.entropy.bytes(2)) / 65_535
        step = step_after(came, parcel.tries, opened.at, chance)
        ended = None if step.status == DUE else spell(opened.at)
        settled: dict[str, Any] = {"of": parcel.org, "which": parcel.message_id, "mine": parcel.lease}
        settled |= {"came_to": step.status, "due": spell(step.due_at), "ended": ended}
        if opened.execute(_SETTLE, settled).rowcount != 1:
            return Answer({"status": "taken-away", "off": None})
        opened.execute(insert(webhook_attempt), self._row(opened.at))
        failing = step.status == DEAD and self._failing_for_days(opened)
        return Answer({"status": step.status, "off": "gone" if came.gone else "failing" if failing else None})

    def _row(self, at: datetime) -> dict[str, Any]:
        parcel, came = self.parcel, self.came
        return {
            "org": parcel.org,
            "message_id": parcel.message_id,
            "n": parcel.n,
            "webhook_id": parcel.webhook_id,
            "at": spell(at),
            "outcome": came.outcome,
            "http_status": came.status,
            "took_ms": came.took_ms,
            "answer": came.answer,
        }

    def _failing_for_days(self, opened: Opened) -> bool:
        of = {"of": self.parcel.org, "endpoint": self.parcel.webhook_id}
        last = opened.execute(_LAST_OK, of).scalar() or ""
        since = opened.execute(_FAILING_SINCE, of | {"after": last}).scalar()
        return since is not None and opened.at - parse(since) >= FAILING_FOR


@dataclass
class SwitchOff(Work):
    """Switch an endpoint off that is gone or fails for days. What waits for it is dropped.

    Attributes:
        version: Of the endpoint that was sent to: one that was changed since may be another.
    """

    webhook_id: str
    because: str
    version: int
    changes = True

    def asked(self) -> tuple[str, str | None]:
        """Return the endpoint."""
        return "webhook", self.webhook_id

    def touches(self) -> str | None:
        """Return the endpoint."""
        return self.webhook_id

    def perform(self, opened: Opened) -> Answer:
        """Write it.

        Raises:
            ConflictError: Somebody was faster.
        """
        was = endpoint(opened, self.webhook_id)
        if was.status != ACTIVE:
            raise ConflictError("It is switched off already.", why="webhook-off")
        if was.version != self.version:
            raise ConflictError("It was changed meanwhile.", why="webhook-changed")
        changes = {"status": (ACTIVE, OFF), "off_because": (None, self.because)}
        amend(opened, was, changes, status=OFF, off_because=self.because)
        return Answer()


@dataclass
class PruneMessages(Work):
    """Remove messages that ended a month ago, and their attempts, the oldest first."""

    silent = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Return how many messages went; there may be more when they are `MOST_PRUNED`."""
        found = opened.execute(_OLD, {"before": spell(opened.at - KEPT_FOR)}).all()
        old = [dict(row._mapping) for row in found]
        for statement in _REMOVE if old else ():
            opened.execute(statement, old)
        return Answer(len(old))
