"""Which messages go out now: the transaction before an attempt.

A claim leases a message to one process; the network is asked with no transaction open; what came of it is
written under the lease (`settling`). A process that dies in between leaves a lease that ends, and the
message goes out again under the same id: at least once, and once for each attempt. None of this is an
entry: nobody's data is in it.

A lease or a due time that lies further ahead than any given by now is of a clock that ran ahead: it holds up
nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, bindparam, case, func, select, update

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.core.clock import spell
from app.core.errors import AlteredRow, SealBrokenError
from app.core.identifiers import new_id
from app.jobs.lease import latest_end
from app.webhooks.outbox import DEAD, DROPPED, DUE, MESSAGE_COLUMNS, MessageRow, judge_message
from app.webhooks.outcome import JITTER, LONGEST_ASKED, MOST_TRIES, PAUSES
from app.webhooks.rows import ACTIVE, COLUMNS, EndpointRow, judge, opened_secrets, opened_url
from app.webhooks.signing import signed_headers
from app.webhooks.table import webhook, webhook_message

DISPATCH = Operation("*", "*", "system", "self", "webhook.dispatch", 200)
"""What delivery does for itself; its works are silent."""
LEASE: Final = timedelta(seconds=60)
AT_ONCE_FOR_ONE: Final = 4
"""How many messages of one endpoint are under way at a time: a slow one holds up nobody else."""
PUT_OFF: Final = timedelta(hours=1)
LONGEST_WAIT: Final = max(PUT_OFF, LONGEST_ASKED, *PAUSES) * (1 + JITTER)
"""For so long at most a message waits to be sent again."""

_M = webhook_message.c
_FREE = (
    _M.status == DUE,
    _M.due_at <= bindparam("at"),
    (_M.lease.is_(None)) | (_M.leased_until <= bindparam("at")) | (_M.leased_until > bindparam("latest_end")),
)
_ANY_DUE = select(_M.id).where(*_FREE).limit(1)
_AHEAD = (_M.status == DUE, _M.due_at > bindparam("latest_due"))
"""Asked apart from what is due: both are ranges of one index."""
_ANY_AHEAD = select(_M.id).where(*_AHEAD).limit(1)
_SET_RIGHT = update(webhook_message).where(*_AHEAD).values(due_at=bindparam("at"))
_RANKED = (
    select(
        *(_M.org, _M.id, _M.webhook_id, _M.due_at),
        func.row_number()
        .over(partition_by=(_M.org, _M.webhook_id), order_by=(_M.due_at, _M.id))
        .label("rank"),
    )
    .where(*_FREE, _M.webhook_id.not_in(bindparam("full", expanding=True)))
    .subquery()
)
"""What is due of each endpoint, without bodies: all of it is gone through, and a few rows come of it."""
_BUSY = case((_RANKED.c.webhook_id.in_(bindparam("busy", expanding=True)), 1), else_=0)
_NEXT = (
    select(*MESSAGE_COLUMNS, _RANKED.c.rank)
    .join_from(_RANKED, webhook_message, (_M.org == _RANKED.c.org) & (_M.id == _RANKED.c.id))
    .where(_RANKED.c.rank <= AT_ONCE_FOR_ONE)
    .order_by(_BUSY, _RANKED.c.rank, _RANKED.c.due_at, _RANKED.c.id)
    .limit(bindparam("most"))
)
"""Endpoints with nothing under way first, the oldest message of each before the second of any."""
_ONE = (_M.org == bindparam("of"), _M.id == bindparam("which"))
_TAKE = (
    update(webhook_message)
    .where(*_ONE, _M.status == DUE, _M.attempts == bindparam("was"))
    .values(
        lease=bindparam("mine"),
        leased_until=bindparam("until"),
        attempts=_M.attempts + 1,
        tries=_M.tries + 1,
    )
)
_END = (
    update(webhook_message)
    .where(*_ONE, _M.status == DUE, _M.attempts == bindparam("was"))
    .values(status=bindparam("came_to"), ended_at=bindparam("at"), lease=None, leased_until=None)
)
_POSTPONE = update(webhook_message).where(*_ONE).values(due_at=bindparam("later"))
_ENDPOINT = select(*COLUMNS).where(webhook.c.org == bindparam("of"), webhook.c.id == bindparam("which"))


class Parcel(NamedTuple):
    """A message that is this process's to send: where to, what, and under which lease.

    Attributes:
        version: Of the endpoint as it was then: what comes of the attempt says nothing of a later one.
    """

    org: str
    message_id: str
    webhook_id: str
    version: int
    lease: str
    n: int
    tries: int
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass
class AnyDue(Work):
    """Ask whether anything is to be sent."""

    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Say whether."""
        due = opened.execute(_ANY_DUE, _now(opened.at)).first()
        return Answer((due or opened.execute(_ANY_AHEAD, _ahead(opened.at)).first()) is not None)


@dataclass
class ClaimMessages(Work):
    """Lease the messages that are due longest, a few of each endpoint, to this process.

    Attributes:
        most: How many.
        under_way: How many of each endpoint this process is sending already.
    """

    most: int
    under_way: Mapping[str, int] = field(default_factory=dict)
    silent = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Return a list of `Parcel`."""
        opened.execute(_SET_RIGHT, _ahead(opened.at) | {"at": spell(opened.at)})
        parcels: list[Parcel] = []
        taken = dict(self.under_way)
        for message in self._next(opened):
            if len(parcels) >= self.most or taken.get(message.webhook_id, 0) >= AT_ONCE_FOR_ONE:
                continue
            parcel = _claimed(opened, message)
            if opened.altered:
                # an alarm goes to the chain of its organisation, and a visit names one such chain
                # (`note.org`): what another organisation has waiting is claimed at the next look
                break
            if parcel is not None:
                parcels.append(parcel)
                taken[message.webhook_id] = taken.get(message.webhook_id, 0) + 1
        return Answer(parcels)

    def _next(self, opened: Opened) -> list[MessageRow]:
        """Return what may be sent next, those first of whose endpoint the fewest would be under way."""
        full = [one for one, sent in self.under_way.items() if sent >= AT_ONCE_FOR_ONE]
        asked = _now(opened.at) | {"most": 4 * self.most, "full": full, "busy": [*self.under_way]}

        def turn(row: Row[Any]) -> tuple[int, str, str]:
            return row.rank + self.under_way.get(row.webhook_id, 0), row.due_at, row.id

        rows = sorted(opened.execute(_NEXT, asked).all(), key=turn)
        return [MessageRow._make(row[:-1]) for row in rows]


def _now(at: datetime) -> dict[str, Any]:
    return {"at": spell(at), "latest_end": spell(latest_end(at, LEASE))}


def _ahead(at: datetime) -> dict[str, Any]:
    return {"latest_due": spell(latest_end(at, LONGEST_WAIT))}


def _claimed(opened: Opened, message: MessageRow) -> Parcel | None:
    """Lease one message; None where there is nothing to send, or another process was faster."""
    try:
        judge_message(opened, message)
        row = _endpoint_of(opened, message)
        if row.status != ACTIVE or message.tries >= MOST_TRIES:
            # of one that was tried so often the last attempt never came back to tell
            _end(opened, message, DROPPED if row.status != ACTIVE else DEAD)
            return None
        url, secrets = opened_url(opened, row), opened_secrets(opened, row, spell(opened.at))
    except SealBrokenError as broken:
        _put_off(opened, message, broken)
        return None
    return _taken(opened, message, row, url, secrets)


def _endpoint_of(opened: Opened, message: MessageRow) -> EndpointRow:
    """Return the endpoint of a message, judged: only then its status is one that somebody gave it here.

    Raises:
        SealBrokenError: Somebody changed it behind the service's back, or took it away: no row of ours goes.
    """
    found = opened.execute(_ENDPOINT, {"of": message.org, "which": message.webhook_id}).first()
    if found is None:
        raise SealBrokenError(why="state-broken", row=AlteredRow("webhook", message.webhook_id))
    row = EndpointRow._make(found)
    judge(opened, row)
    return row


def _taken(
    opened: Opened, message: MessageRow, row: EndpointRow, url: str, secrets: list[str]
) -> Parcel | None:
    lease, until = new_id(), spell(opened.at + LEASE)
    taking = {"of": message.org, "which": message.id, "was": message.attempts, "mine": lease, "until": until}
    if opened.execute(_TAKE, taking).rowcount != 1:
        return None
    body = message.body.encode()
    headers = signed_headers(secrets, message.id, opened.at, body)
    n, tries = message.attempts + 1, message.tries + 1
    return Parcel(message.org, message.id, row.id, row.version, lease, n, tries, url, headers, body)


def _end(opened: Opened, message: MessageRow, status: str) -> None:
    at = spell(opened.at)
    ending = {"of": message.org, "which": message.id, "was": message.attempts, "came_to": status, "at": at}
    opened.execute(_END, ending)


def _put_off(opened: Opened, message: MessageRow, broken: SealBrokenError) -> None:
    """Leave a message that somebody changed, or whose endpoint was, for later: somebody has to look."""
    opened.note.org = message.org  # where the trail is told
    opened.altered.append(broken.row or AlteredRow("webhook", message.webhook_id))
    later = spell(opened.at + PUT_OFF)
    opened.execute(_POSTPONE, {"of": message.org, "which": message.id, "later": later})
