"""Nobody keeps an incident to themselves: to shut out everybody who oversees its author is refused.

An incident is hidden from whom it is about, and while a freeze lasts from whom that names. A deputy who
could name every manager in it would be the only one who ever sees it, and could decide that nobody is told.
Who manages incidents for the whole organisation may name those of one home, also where there is nobody else:
whoever shuts them out oversees them.

A provider has one registered manager and one privacy officer: where it is about one of the two, the other is
all there is. So either may be the only one who sees an incident they recorded themselves: nobody is shut out
of what others recorded, and that one person alone saw it is noted in its history and its entry for good.
"""

from collections.abc import Iterable
from typing import Final

from app.access.agent import Agent, Place
from app.access.opened import Opened
from app.access.policy import allowed_at
from app.core.errors import ConflictError
from app.identity.holders import holders_of
from app.incidents.seeing import MANAGE
from app.trail.freezing import freezes

UNSEEN: Final = (
    "Nobody but you would see this incident any more. Leave somebody out who manages incidents there, or have"
    " it done by somebody who manages them for the whole organisation."
)
UNSEEN_OF_OTHERS: Final = (
    "Nobody but you would see this incident any more, and somebody else recorded it, or more than one person"
    " who manages incidents for the whole organisation would be shut out. Record an incident of your own that"
    " names one of them, or name the home where it happened: who manages incidents there sees it, too."
)


def overseen(opened: Opened, home_id: str | None, hidden_from: Iterable[str]) -> bool:
    """Say whether an incident may be hidden from these people without becoming the caller's own affair.

    Args:
        opened: The attempt of whoever hides it.
        home_id: Where the incident is; None for the whole organisation.
        hidden_from: Everybody who is not to see it.
    """
    hidden = frozenset(hidden_from)
    if not hidden:
        return True
    there = _overseers(opened, home_id)
    shut_out = [agent for one, agent in there.items() if one in hidden]
    if not shut_out or there.keys() - hidden - {opened.agent.id}:
        return True
    return _wide(opened.agent) and not any(map(_wide, shut_out))


def may_be_alone(opened: Opened, home_id: str | None, hidden_from: Iterable[str]) -> bool:
    """Say whether the caller may be the only one who sees an incident they record themselves.

    They manage incidents for the whole organisation, and at most one of those who do is shut out.
    """
    there, hidden = _overseers(opened, home_id), frozenset(hidden_from)
    shut_out = [agent for one, agent in there.items() if one in hidden and _wide(agent)]
    return _wide(opened.agent) and len(shut_out) <= 1


def refuse_unseen(opened: Opened, home_id: str | None, hidden_from: Iterable[str]) -> None:
    """Refuse to hide an incident from everybody but the caller.

    Raises:
        ConflictError: It would be hidden from everybody who oversees them.
    """
    if not overseen(opened, home_id, hidden_from):
        raise ConflictError(UNSEEN_OF_OTHERS if _wide(opened.agent) else UNSEEN, why="nobody-else-sees")


def frozen_by(opened: Opened, incident_id: str) -> list[str]:
    """Return whom the freezes name that stand because of an incident."""
    return [one for row in freezes(opened) if row.incident_id == incident_id for one in row.users]


def _overseers(opened: Opened, home_id: str | None) -> dict[str, Agent]:
    """Return who manages incidents at a place."""
    place = Place(home_id)
    holders = holders_of(opened, MANAGE).items()
    return {one: agent for one, agent in holders if allowed_at(agent, MANAGE, place)}


def _wide(agent: Agent) -> bool:
    return any(MANAGE in grant.may and grant.whole_organisation for grant in agent.grants)
