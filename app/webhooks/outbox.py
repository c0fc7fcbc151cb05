"""The outbox: what is to be sent is written in the transaction of what it tells of, or not at all."""

from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import insert

from app.access.opened import Opened
from app.core.clock import spell
from app.core.errors import AlteredRow
from app.core.identifiers import new_id
from app.vault.bound_columns import BoundColumns
from app.vault.sealing import DataKey, refuse_altered
from app.webhooks.catalogue import refuse_personal
from app.webhooks.rows import EndpointRow, active
from app.webhooks.table import webhook_message

DUE, DONE, DEAD, DROPPED = "due", "done", "dead", "dropped"
TEST_EVENT: Final = "webhook.test"


class MessageRow(NamedTuple):
    """A message for one endpoint. Its id is the `webhook-id` of every attempt.

    Attributes:
        body: The exact text that is sent; `bound` vouches for it and for whom it is meant.
        status: `due`, `done` (it was taken), `dead` (given up) or `dropped` (the endpoint went away).
        attempts: How many there were in all.
        tries: How many since it became due, which says how long to wait; a replay begins anew.
        lease: Who sends it now, until `leased_until`.
    """

    org: str
    id: str
    webhook_id: str
    event: str
    body: str
    bound: bytes
    created_at: str
    status: str
    due_at: str
    attempts: int
    tries: int
    lease: str | None
    leased_until: str | None
    ended_at: str | None


MESSAGE_COLUMNS: Final = [webhook_message.c[name] for name in MessageRow._fields]
_INSERT = insert(webhook_message)
_DIGESTED: Final = MessageRow._fields.index("bound")
_BOUND: Final = BoundColumns("webhook_message", webhook_message, MessageRow._fields[:_DIGESTED])


def announce(opened: Opened, event: str, data: dict[str, Any]) -> None:
    """Have every active endpoint of the organisation told that wants this event.

    To be called inside a work's `perform`: the messages are written with whatever else it changes.

    Args:
        opened: The open door.
        event: The name of an event of the catalogue.
        data: What it tells: ids, enumerated words, numbers, instants and a path.

    Raises:
        PayloadRefusedError: The data holds anything else. Nothing of the work is carried out then.
    """
    refuse_personal(event, data)
    for row in active(opened):
        if row.wants(event):
            enqueue(opened, row, event, data)


def enqueue(opened: Opened, row: EndpointRow, event: str, data: dict[str, Any]) -> MessageRow:
    """Have one endpoint told of an event, and return the message."""
    refuse_personal(event, data)
    at = spell(opened.at)
    body = orjson.dumps({"type": event, "timestamp": at, "data": data}).decode()
    message = MessageRow(opened.org, new_id(), row.id, event, body, b"", at, DUE, at, 0, 0, None, None, None)
    message = message._replace(bound=bound_digest(opened.organisation_key(), message))
    opened.change(_INSERT, message._asdict())
    return message


def bound_digest(key: DataKey, message: MessageRow) -> bytes:
    """Return the keyed digest of what never changes: nobody has us sign a text of theirs for an endpoint."""
    return _BOUND.digest(key, message[:_DIGESTED])


def judge_message(opened: Opened, message: MessageRow) -> None:
    """Refuse a message that is not as it was written.

    Raises:
        SealBrokenError: Somebody changed it behind the service's back.
    """
    computed = bound_digest(opened.organisation_key(message.org), message)
    refuse_altered(message.bound, computed, AlteredRow("webhook_message", message.id))
