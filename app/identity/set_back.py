"""A process starts behind its own trail: the clock was set back, rightly or wrongly, and revives no session.

What ended by time until the newest entry stays ended; so does what began at an hour still to come. Every
other session is locked, as of its last activity: whoever it belongs to wakes it. The step itself is an entry
of every chain (`trail.clock_watch`).

Source: SESSION-1 (ASVS 5.0 7.3.1, 7.3.2).
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy import bindparam, func, select, update

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.visit import System, Visit, Visited, VisitRefusedError
from app.access.work import Answer, Work
from app.audit.table import head
from app.core.clock import AGREED, parse, spell
from app.core.errors import StartRefusedError
from app.core.identifiers import SYSTEM
from app.identity.sessions import LONGEST_LIFETIME
from app.identity.table import session

logger = logging.getLogger(__name__)

KEEPING = Operation("*", "*", "system", "self", "sessions.keeping", 200)
_NEWEST = select(func.max(head.c.ts))
_LIVE = (session.c.ended_at.is_(None), session.c.ends_at > bindparam("at"))
_END = (
    update(session)
    .where(*_LIVE, (session.c.ends_at <= bindparam("newest")) | (session.c.ends_at > bindparam("longest")))
    .values(ended_at=bindparam("at"), end_reason="clock-set-back")
)
_LOCK = update(session).where(*_LIVE, session.c.locked_at.is_(None)).values(locked_at=session.c.seen_at)


async def revive_none(visit: Callable[[Visit], Awaitable[Visited]]) -> None:
    """Do it before anybody is answered.

    Raises:
        StartRefusedError: It could not be done: whoever is answered may be of a session that was over.
    """
    try:
        done = await visit(Visit(System("clock", SYSTEM), KEEPING, ReviveNone(), purpose="audit"))
    except VisitRefusedError as refused:
        logger.critical("sessions-not-locked", extra={"why": refused.error.why})
        raise StartRefusedError("sessions could not be looked through; start again") from refused
    if done.answer.payload is not None:
        logger.warning("sessions-locked", extra=done.answer.payload)


@dataclass
class ReviveNone(Work):
    """End or lock every live session, if the present is behind the newest entry by more than a minute."""

    silent = True
    alone = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Return how many were ended and how many locked; None where the clock is not behind."""
        newest = opened.execute(_NEWEST).scalar()
        if newest is None or parse(newest) - opened.at <= AGREED:
            return Answer(None)
        at = spell(opened.at)
        limits = {"at": at, "newest": newest, "longest": spell(opened.at + LONGEST_LIFETIME)}
        ended = opened.execute(_END, limits).rowcount
        return Answer({"ended": ended, "locked": opened.execute(_LOCK, {"at": at}).rowcount})
