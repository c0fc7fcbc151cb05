"""Rows of endpoints: read, bound to the trail, unsealed, written."""

from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import bindparam, insert, select, update

from app.access.opened import FieldChange, Opened
from app.core.errors import AlteredRow, NotFoundError, SealBrokenError
from app.vault.sealing import DataKey, Place, StateKey, refuse_altered
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
_INSERT = insert(webhook)
_UPDATE = (
    update(webhook)
    .where(
        webhook.c.org == bindparam("of"),
        webhook.c.id == bindparam("which"),
        webhook.c.version == bindparam("was"),
    )
    .values({name: bindparam(name) for name in EndpointRow._fields if name not in ("org", "id")})
)


def endpoint_state(key: DataKey | StateKey, row: EndpointRow) -> bytes:
    """Return the keyed digest of an endpoint's row. The key is the organisation's."""
    return key.state("webhook", row[:-1])


def box_place(org: str, webhook_id: str, field: str, since: str = "") -> Place:
    """Return where a sealed field of an endpoint belongs; a secret only with the instant beside it."""
    return Place(org, org, webhook_id, f"{field}@{since}" if since else field, 1)


def endpoints(opened: Opened) -> list[EndpointRow]:
    """Return endpoints that are not deleted in the order they were made, each the one the trail knows.

    Raises:
        SealBrokenError: Somebody changed one behind the service's back.
    """
    return _known(opened, _read(opened))


def active(opened: Opened) -> list[EndpointRow]:
    """Return those that are told, without what was altered: of that the trail is told.

    What is to be sent goes with something graver: an alert is not lost for an endpoint's sake.
    """
    good = []
    for row in _read(opened):
        try:
            judge(opened, row)
        except SealBrokenError:
            opened.altered.append(AlteredRow("webhook", row.id))
        else:
            good.append(row)
    return [row for row in good if row.status == ACTIVE]


def _read(opened: Opened, *which: Any) -> list[EndpointRow]:
    """Return rows whatever their status: it is judged before it is believed, so SQL does not ask for it."""
    query = select(*COLUMNS).where(webhook.c.org == opened.org, *which).order_by(webhook.c.id)
    return [EndpointRow._make(one) for one in opened.execute(query).all()]


def _known(opened: Opened, rows: list[EndpointRow]) -> list[EndpointRow]:
    for row in rows:
        judge(opened, row)
    return [row for row in rows if row.status != DELETED]


def judge(opened: Opened, row: EndpointRow) -> None:
    """Refuse a row that is not as the trail knows it.

    Raises:
        SealBrokenError: Somebody changed it behind the service's back.
    """
    computed = endpoint_state(opened.organisation_key(row.org), row)
    refuse_altered(row.state, computed, AlteredRow("webhook", row.id))


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
    rows = _known(opened, _read(opened, webhook.c.id == webhook_id))
    if not rows:
        raise NotFoundError(why="webhook-not-found")
    return rows[0]


def enter(opened: Opened, row: EndpointRow, changes: list[FieldChange]) -> EndpointRow:
    """Have a new endpoint written and noted for the entry."""
    bound = row._replace(state=endpoint_state(opened.organisation_key(), row))
    opened.change(_INSERT, bound._asdict())
    _note(opened, bound, changes)
    return bound


def amend(opened: Opened, was: EndpointRow, changes: list[FieldChange], **changed: Any) -> EndpointRow:
    """Have an endpoint's next version written and noted for the entry."""
    row = was._replace(**changed, version=was.version + 1)
    row = row._replace(state=endpoint_state(opened.organisation_key(), row))
    values = {name: value for name, value in row._asdict().items() if name not in ("org", "id")}
    opened.change(_UPDATE, values | {"of": row.org, "which": row.id, "was": was.version})
    _note(opened, row, changes)
    return row


def _note(opened: Opened, row: EndpointRow, changes: list[FieldChange]) -> None:
    owner = (opened.org, opened.organisation_key())
    opened.changed("webhook", row.id, row.version, row.state, changes, owner)
