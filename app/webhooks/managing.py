"""Endpoints: entered, shown, changed, removed, given a new secret, tried out. Each change is an entry.

A secret is shown once, in the answer that made it; nobody is shown it again, a repeated call included. What
a removed endpoint's row held is destroyed; the row stays, since the trail vouches for it.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import orjson
from sqlalchemy import bindparam, func, select

from app.access.opened import Opened
from app.access.work import Answer, Work
from app.core.clock import spell
from app.core.errors import CaretrailError, ConflictError
from app.core.identifiers import new_id
from app.identity.table import organisation
from app.webhooks.outbox import TEST_EVENT, enqueue
from app.webhooks.rows import (
    ACTIVE,
    DELETED,
    OFF,
    EndpointRow,
    amend,
    box_place,
    endpoint,
    endpoints,
    enter,
    opened_url,
)
from app.webhooks.signing import new_secret
from app.webhooks.table import webhook

OVERLAP: Final = timedelta(hours=24)
MOST_ENDPOINTS: Final = 20
_COUNTED = select(func.count()).where(webhook.c.org == bindparam("of"), webhook.c.status != DELETED)
# Of two who enter one at the same moment, each would count the endpoints without the other's.
_LOCK = select(organisation.c.id).where(organisation.c.id == bindparam("of")).with_for_update(key_share=True)
BECAUSE_ASKED: Final = "asked"


@dataclass
class AboutEndpoint(Work):
    """A work about one endpoint."""

    webhook_id: str

    def asked(self) -> tuple[str, str | None]:
        """Return the endpoint as asked."""
        return "webhook", self.webhook_id

    def touches(self) -> str | None:
        """Return the endpoint, if it is changed."""
        return self.webhook_id if self.changes else None

    def look_again(self, opened: Opened, told: dict[str, Any]) -> dict[str, Any]:
        """Return what was told of the endpoint, if it was not removed since."""
        endpoint(opened, self.webhook_id)
        return told


@dataclass
class MayManage(Work):
    """Ask whether the caller may do this at all, before the network is asked about a URL of theirs."""

    webhook_id: str | None = None
    silent = True
    activity = False

    def asked(self) -> tuple[str, str | None]:
        """Return the endpoint as asked."""
        return "webhook", self.webhook_id

    def perform(self, opened: Opened) -> Answer:
        """Return if so.

        Raises:
            NotFoundError: There is no such endpoint.
        """
        if self.webhook_id is not None:
            endpoint(opened, self.webhook_id)
        return Answer()


@dataclass
class ListEndpoints(Work):
    """List the endpoints of the organisation."""

    def perform(self, opened: Opened) -> Answer:
        """Return them in the order they were entered."""
        rows = endpoints(opened)
        opened.note.count = len(rows)
        return Answer({"items": [shown(opened, row) for row in rows], "next_cursor": None})


@dataclass
class ReadEndpoint(AboutEndpoint):
    """Show an endpoint."""

    def perform(self, opened: Opened) -> Answer:
        """Return it."""
        return Answer(shown(opened, endpoint(opened, self.webhook_id)))


@dataclass
class CreateEndpoint(Work):
    """Enter an endpoint.

    Attributes:
        refusal: Why nothing may be sent to the URL, as was found out beforehand.
    """

    url: str
    events: list[str]
    refusal: CaretrailError | None = None
    changes = True
    alone = True

    def asked(self) -> tuple[str, str | None]:
        """Return an endpoint that has no id yet."""
        return "webhook", None

    def perform(self, opened: Opened) -> Answer:
        """Write it; the answer is the only one that shows its secret.

        Raises:
            ConflictError: There are too many.
        """
        if self.refusal is not None:
            raise self.refusal
        opened.execute(_LOCK, {"of": opened.org})
        if opened.execute(_COUNTED, {"of": opened.org}).scalar_one() >= MOST_ENDPOINTS:
            raise ConflictError(f"At most {MOST_ENDPOINTS} endpoints. Remove one first.", why="too-many")
        at, secret, webhook_id = spell(opened.at), new_secret(opened.entropy), new_id()
        row = EndpointRow(
            id=webhook_id,
            org=opened.org,
            url=_sealed(opened, webhook_id, "url", self.url),
            events=_spelled(self.events),
            status=ACTIVE,
            off_because=None,
            secret=_sealed(opened, webhook_id, "secret", secret, at),
            secret_set_at=at,
            former_secret=None,
            former_until=None,
            created_at=at,
            version=1,
            state=b"",
        )
        told = {"url": self.url, "events": row.wanted, "status": ACTIVE}
        row = enter(opened, row, told)
        plain = shown(opened, row)
        return Answer(plain | {"secret": secret}, replay=plain | {"secret": None})

    def look_again(self, opened: Opened, told: dict[str, Any]) -> dict[str, Any]:
        """Return the endpoint without its secret, if it was not removed since."""
        endpoint(opened, told["id"])
        return told


@dataclass
class UpdateEndpoint(AboutEndpoint):
    """Change where an endpoint is, what it wants, and whether it is told.

    Attributes:
        refusal: Why nothing may be sent to the URL, as was found out beforehand. It does not keep anybody
            from switching off what has that URL already.
    """

    url: str
    events: list[str]
    active: bool
    refusal: CaretrailError | None = None
    changes = True

    def perform(self, opened: Opened) -> Answer:
        """Write it and return it."""
        was = endpoint(opened, self.webhook_id)
        if self.refusal is not None and (self.active or self.url != opened_url(opened, was)):
            raise self.refusal
        now = {"url": self.url, "events": sorted(set(self.events)), "status": ACTIVE if self.active else OFF}
        before = {"url": opened_url(opened, was), "events": was.wanted, "status": was.status}
        changes = {name: (before[name], now[name]) for name in now if before[name] != now[name]}
        because = None if self.active else (was.off_because or BECAUSE_ASKED)
        row = amend(
            opened,
            was,
            changes,
            url=_sealed(opened, was.id, "url", self.url),
            events=_spelled(self.events),
            status=now["status"],
            off_because=because,
        )
        return Answer(shown(opened, row))


@dataclass
class DeleteEndpoint(AboutEndpoint):
    """Remove an endpoint. What waits for it is not sent."""

    changes = True

    def perform(self, opened: Opened) -> Answer:
        """Destroy what it held."""
        was = endpoint(opened, self.webhook_id)
        changes = {"url": (opened_url(opened, was), None), "status": (was.status, DELETED)}
        emptied = {"url": b"", "secret": b"", "former_secret": None, "former_until": None}
        amend(opened, was, changes, status=DELETED, off_because=BECAUSE_ASKED, **emptied)
        return Answer()


@dataclass
class RotateSecret(AboutEndpoint):
    """Give an endpoint a new secret; the former signs beside it for a day."""

    changes = True

    def perform(self, opened: Opened) -> Answer:
        """Write it; the answer is the only one that shows the new secret."""
        was = endpoint(opened, self.webhook_id)
        at, until = spell(opened.at), spell(opened.at + OVERLAP)
        key, secret = opened.organisation_key(), new_secret(opened.entropy)
        former = key.unseal(was.secret, box_place(was.org, was.id, "secret", was.secret_set_at)).decode()
        row = amend(
            opened,
            was,
            {"secret_set_at": (was.secret_set_at, at)},
            secret=_sealed(opened, was.id, "secret", secret, at),
            secret_set_at=at,
            former_secret=_sealed(opened, was.id, "former_secret", former, until),
            former_until=until,
        )
        plain = shown(opened, row)
        return Answer(plain | {"secret": secret}, replay=plain | {"secret": None})


@dataclass
class SendTest(AboutEndpoint):
    """Have an endpoint sent a message that tells of nothing."""

    changes = True

    def perform(self, opened: Opened) -> Answer:
        """Write it to the outbox and say under which id it goes out.

        Raises:
            ConflictError: The endpoint is switched off.
        """
        row = endpoint(opened, self.webhook_id)
        refuse_off(row)
        link = f"/v1/webhooks/{row.id}"
        message = enqueue(opened, row, TEST_EVENT, {"webhook_id": row.id, "link": link})
        return Answer({"delivery_id": message.id})


def refuse_off(row: EndpointRow) -> None:
    """Refuse to send to an endpoint that is switched off."""
    if row.status != ACTIVE:
        raise ConflictError("The endpoint is switched off. Switch it on first.", why="webhook-off")


def shown(opened: Opened, row: EndpointRow) -> dict[str, Any]:
    """Return an endpoint as it is shown: without its secrets."""
    return {
        "id": row.id,
        "url": opened_url(opened, row),
        "events": row.wanted,
        "active": row.status == ACTIVE,
        "off_because": row.off_because,
        "secret_set_at": row.secret_set_at,
        "former_secret_until": row.former_until,
        "created_at": row.created_at,
        "version": row.version,
    }


def _sealed(opened: Opened, webhook_id: str, field: str, plain: str, since: str = "") -> bytes:
    place = box_place(opened.org, webhook_id, field, since)
    return opened.organisation_key().seal(plain.encode(), place)


def _spelled(events: list[str]) -> str:
    return orjson.dumps(sorted(set(events))).decode()
