"""Rows of endpoints, which the trail knows, and what is sealed in them."""

from typing import Final, NamedTuple

import orjson

from app.access.bound_rows import BoundTables
from app.access.opened import Opened
from app.core.errors import NotFoundError
from app.vault.sealing import Place
from app.webhooks.table import webhook

ACTIVE, OFF, DELETED = "active", "off", "deleted"
EVERY_EVENT = "*"


class EndpointRow(NamedTuple):
    """An endpoint. `state` covers the columns before it.

    Attributes:
        events: The events it wants, as JSON; `*` stands for all there are and will be.
        off_because: Who switched it off: `asked`, `gone` (it answered 410) or `failing` (for days).
        former_secret: The secret before the present one; it signs, too, until `former_until`.
    """

    id: str
    org: str
    url: bytes
    events: str
    status: str
    off_because: str | None
    secret: bytes
    secret_set_at: str
    former_secret: bytes | None
    former_until: str | None
    created_at: str
    version: int
    state: bytes

    @property
    def wanted(self) -> list[str]:
        """Return the events it wants."""
        return list(orjson.loads(self.events))

    def wants(self, event: str) -> bool:
        """Say whether it is to be told of an event."""
        return event in (wanted := self.wanted) or EVERY_EVENT in wanted


COLUMNS: Final = [webhook.c[name] for name in EndpointRow._fields]
_ROWS = BoundTables({EndpointRow: webhook})
endpoint_state, judge, enter, amend = _ROWS.state, _ROWS.judge, _ROWS.enter, _ROWS.amend


def box_place(org: str, webhook_id: str, field: str, since: str = "") -> Place:
    """Return where a sealed field of an endpoint belongs; a secret only with the instant beside it."""
    return Place(org, org, webhook_id, f"{field}@{since}" if since else field, 1)


def endpoints(opened: Opened) -> list[EndpointRow]:
    """Return endpoints that are not deleted in the order they were made, each the one the trail knows.

    Raises:
        SealBrokenError: Somebody changed one behind the service's back.
    """
    return [row for row in _ROWS.found(opened, EndpointRow) if row.status != DELETED]


def active(opened: Opened) -> list[EndpointRow]:
    """Return those that are told, without what was altered: of that the trail is told.

    What is to be sent goes with something graver: an alert is not lost for an endpoint's sake. A status is
    judged before it is believed, so SQL does not ask for it.
    """
    return [
        row for row in _ROWS.read(opened, EndpointRow) if _ROWS.sound(opened, row) and row.status == ACTIVE
    ]


def opened_secrets(opened: Opened, row: EndpointRow, at: str) -> list[str]:
    """Return the secrets that sign for an endpoint now: the present one, and the former while it does."""
    key = opened.organisation_key(row.org)
    secrets = [key.unseal(row.secret, box_place(row.org, row.id, "secret", row.secret_set_at)).decode()]
    if row.former_secret is not None and row.former_until is not None and at < row.former_until:
        box = box_place(row.org, row.id, "former_secret", row.former_until)
        secrets.append(key.unseal(row.former_secret, box).decode())
    return secrets


def opened_url(opened: Opened, row: EndpointRow) -> str:
    """Return an endpoint's address."""
    key = opened.organisation_key(row.org)
    return key.unseal(row.url, box_place(row.org, row.id, "url")).decode()


def endpoint(opened: Opened, webhook_id: str) -> EndpointRow:
    """Return an endpoint of the caller's organisation.

    Raises:
        NotFoundError: There is none of this id.
        SealBrokenError: Somebody changed it behind the service's back.
    """
    rows = _ROWS.found(opened, EndpointRow, webhook.c.id == webhook_id)
    if not rows or rows[0].status == DELETED:
        raise NotFoundError(why="webhook-not-found")
    return rows[0]
