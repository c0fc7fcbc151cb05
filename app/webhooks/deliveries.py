"""What was sent to an endpoint and what came of it; and sending one message again."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, select, tuple_, update

from app.access import cursors
from app.access.opened import Opened
from app.access.work import Answer
from app.core.clock import spell
from app.core.errors import ConflictError, NotFoundError
from app.webhooks.managing import AboutEndpoint, refuse_off
from app.webhooks.outbox import DUE, MESSAGE_COLUMNS, MessageRow, judge_message
from app.webhooks.rows import endpoint
from app.webhooks.table import webhook_attempt, webhook_message

_M, _A = webhook_message.c, webhook_attempt.c
_ATTEMPT: Final = ("n", "at", "outcome", "http_status", "took_ms")
_AGAIN = (
    update(webhook_message)
    .where(
        _M.org == bindparam("of"),
        _M.id == bindparam("which"),
        _M.status == bindparam("was"),
        _M.attempts == bindparam("so_many"),
    )
    .values(status=DUE, due_at=bindparam("at"), tries=0, ended_at=None)
)


@dataclass
class ListDeliveries(AboutEndpoint):
    """List what was sent to an endpoint, or is to be, newest first."""

    limit: int
    cursor: str | None = None

    def perform(self, opened: Opened) -> Answer:
        """Return a page, each message with its attempts."""
        row = endpoint(opened, self.webhook_id)
        query: list[Any] = [self.webhook_id]
        position = cursors.read(opened, query, self.cursor)
        wanted = select(*MESSAGE_COLUMNS).where(_M.org == opened.org, _M.webhook_id == row.id)
        if position is not None:
            wanted = wanted.where(_M.id < position[0])
        found = opened.execute(wanted.order_by(_M.id.desc()).limit(self.limit + 1)).all()
        messages = [MessageRow._make(one) for one in found[: self.limit]]
        more = len(found) > self.limit
        opened.note.count = len(messages)
        attempts = _attempts(opened, messages)
        items = [_shown(message, attempts.get(message.id, [])) for message in messages]
        after = cursors.make(opened, query, [messages[-1].id]) if more else None
        return Answer({"items": items, "next_cursor": after})


def _attempts(opened: Opened, messages: list[MessageRow]) -> dict[str, list[dict[str, Any]]]:
    if not messages:
        return {}
    columns = [_A.message_id, _A.answer, *(_A[name] for name in _ATTEMPT)]
    keys = [(message.org, message.id) for message in messages]
    query = select(*columns).where(tuple_(_A.org, _A.message_id).in_(keys)).order_by(_A.message_id, _A.n)
    made: dict[str, list[dict[str, Any]]] = {}
    for row in opened.execute(query).all():
        attempt: dict[str, Any] = {name: getattr(row, name) for name in _ATTEMPT}
        attempt["answer_sha256"] = bytes(row.answer).hex() if row.answer is not None else None
        made.setdefault(row.message_id, []).append(attempt)
    return made


def _shown(message: MessageRow, attempts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": message.id,
        "event": message.event,
        "status": message.status,
        "created_at": message.created_at,
        "due_at": message.due_at if message.status == DUE else None,
        "ended_at": message.ended_at,
        "attempts": attempts,
    }


@dataclass
class ReplayDelivery(AboutEndpoint):
    """Have a message sent again under its id, after it was taken, given up or dropped."""

    delivery_id: str
    changes = True

    def touches(self) -> str | None:
        """Return the message."""
        return self.delivery_id

    def perform(self, opened: Opened) -> Answer:
        """Make it due now, with all its tries before it.

        Raises:
            NotFoundError: It was never sent to this endpoint, or is pruned.
            ConflictError: It is under way, or the endpoint is switched off.
        """
        row = endpoint(opened, self.webhook_id)
        found = opened.execute(
            select(*MESSAGE_COLUMNS).where(
                _M.org == opened.org, _M.webhook_id == row.id, _M.id == self.delivery_id
            )
        ).first()
        if found is None:
            raise NotFoundError(why="delivery-not-found")
        message = MessageRow._make(found)
        judge_message(opened, message)
        refuse_off(row)
        if message.status == DUE:
            raise ConflictError("It is under way: see when it is due.", why="delivery-under-way")
        again = {"of": message.org, "which": message.id, "was": message.status, "so_many": message.attempts}
        opened.change(_AGAIN, again | {"at": spell(opened.at)})
        return Answer({"delivery_id": message.id})
