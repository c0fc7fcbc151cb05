"""Whom an incident is about, and the alerts it was opened from.

Whom a linked alert is about, the incident is about, too: they neither see nor change it. Where an alert is
about everybody who could see it, somebody of them may look into it all the same (`alerts.seeing`); its
incident is then about the one person whose behaviour it is. Nobody records one about themselves, and nobody
one that is hidden from everybody who oversees them (`oversight`).
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import orjson
from sqlalchemy import select

from app.access.opened import Opened
from app.alerts import rows as alert_rows
from app.alerts.rows import AlertRow
from app.alerts.table import alert
from app.core.errors import InvalidRequestError
from app.identity.table import account
from app.incidents.oversight import may_be_alone, overseen, refuse_unseen

_OWN = "Somebody else has to record an incident that is about you."
_UNKNOWN = "There is no such account."
SEEN_BY_ONE: Final = "seen_by_one"
"""What history and entry say where only who recorded an incident can see it, of all who oversee it."""


class Concern(NamedTuple):
    """Whom an incident is about, and whether only who records it sees it then."""

    people: list[str]
    alone: bool


def listed(words: Iterable[str]) -> str:
    """Return a list as its column has it: each once, in the order given."""
    return orjson.dumps(list(dict.fromkeys(words))).decode()


def alerts_of(opened: Opened, alert_ids: Sequence[str]) -> list[AlertRow]:
    """Return alerts that belong to an incident already."""
    return alert_rows.found(opened, AlertRow, alert.c.id.in_(alert_ids)) if alert_ids else []


def concern_of(
    opened: Opened,
    home_id: str | None,
    named: Sequence[str],
    alerts: Sequence[AlertRow],
    frozen: Sequence[str] = (),
    *,
    own: bool,
) -> Concern:
    """Return whom an incident is to be about: who is named, and whom its alerts are about.

    Where nobody else would see it then, an alert brings in the one person whose behaviour it is.

    Args:
        opened: The attempt of whoever says so.
        home_id: Where the incident is.
        named: Who is named in the request, or was.
        alerts: The alerts that belong to it.
        frozen: Whom it is hidden from besides.
        own: The caller records it, or did.

    Raises:
        ConflictError: Nobody but the caller would see it even so, and they may not be alone with it.
    """
    everybody = [*named, *_people_of(opened, alerts)]
    if overseen(opened, home_id, [*everybody, *frozen]):
        return Concern(everybody, alone=False)
    fewer = [*named, *(row.user_id for row in alerts if row.user_id is not None)]
    hidden = [*fewer, *frozen]
    if own and not overseen(opened, home_id, hidden) and may_be_alone(opened, home_id, hidden):
        return Concern(fewer, alone=True)
    refuse_unseen(opened, home_id, hidden)
    return Concern(fewer, alone=False)


def _people_of(opened: Opened, alerts: Iterable[AlertRow]) -> list[str]:
    people: list[str] = []
    for row in alerts:
        if opened.agent.id not in row.concerned_ids:
            people += row.concerned_ids
        elif row.user_id is not None:
            people.append(row.user_id)
    return people


def require_others(opened: Opened, named: Sequence[str]) -> None:
    """Refuse to name somebody who is nobody here, or the caller.

    Raises:
        InvalidRequestError: With everyone that is wrong.
    """
    if not named:
        return
    query = select(account.c.id).where(account.c.org == opened.org, account.c.id.in_(named))
    there = {row.id for row in opened.execute(query)}
    errors = [(f"/concerned_ids/{n}", _UNKNOWN) for n, one in enumerate(named) if one not in there]
    errors += [(f"/concerned_ids/{n}", _OWN) for n, one in enumerate(named) if one == opened.agent.id]
    if errors:
        raise InvalidRequestError(*errors)
