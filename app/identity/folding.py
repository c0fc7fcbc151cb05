"""What a serving process does on its own for sign-in, and about what is over: tell the trail, and forget.

What the throttle refused is told once a minute and subject; answers kept for repeats, sessions and runs of
jobs go when their time is over. Several processes may do it at once: a row is folded by a conditional write,
so one of them is first, and what one removes the others pass over. What fails is done a second later; where
each try leaves an entry, after a pause (`access.pauses`). The others go on meanwhile.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from app.access.operation import Operation
from app.access.pauses import Pauses
from app.access.visit import System, Visit, Visited, VisitRefusedError
from app.access.work import Work
from app.core.clock import monotonic
from app.core.identifiers import SYSTEM
from app.identity import past_sessions, repeats
from app.identity.past_sessions import FORGET_SESSIONS, ForgetSessions
from app.identity.repeats import FORGET_ANSWERS, ForgetOutdated
from app.identity.throttling import FOLD_THROTTLED, FoldThrottled
from app.jobs import past_runs
from app.jobs.past_runs import FORGET_RUNS, ForgetRuns

logger = logging.getLogger(__name__)

EVERY_S = 1.0
FORGET_EVERY_S = 60.0

Door = Callable[[Visit], Awaitable[Visited]]


class Forgotten(NamedTuple):
    """What is kept for a while, and how many of it go in one turn at most."""

    name: str
    operation: Operation
    work: Callable[[], Work]
    most: int


FORGOTTEN = (
    Forgotten("repeats", FORGET_ANSWERS, ForgetOutdated, repeats.MOST_FORGOTTEN),
    Forgotten("sessions", FORGET_SESSIONS, ForgetSessions, past_sessions.MOST_FORGOTTEN),
    Forgotten("jobs", FORGET_RUNS, ForgetRuns, past_runs.MOST_FORGOTTEN),
)


async def fold_while_serving(
    visit: Door, now: Callable[[], float] = monotonic, pauses: Pauses | None = None
) -> None:
    """Fold what is due each second, until cancelled, and forget; `pauses` knows what of it fails."""
    tries = _Tries(visit, pauses or Pauses(now))
    looked_at: dict[str, float] = {}
    while True:
        await asyncio.sleep(EVERY_S)
        await tries.do("throttle", FOLD_THROTTLED, FoldThrottled())
        for name, operation, work, most in FORGOTTEN:
            if name not in looked_at or now() - looked_at[name] >= FORGET_EVERY_S:
                gone = await tries.do(name, operation, work())
                if gone is not None and gone < most:  # else on in a second
                    looked_at[name] = now()


class _Tries:
    """Has works done that may fail, and says so once until they go through again."""

    def __init__(self, visit: Door, pauses: Pauses) -> None:
        self._visit = visit
        self._pauses = pauses
        self._failing: set[str] = set()

    async def do(self, name: str, operation: Operation, work: Work) -> Any:
        """Return what the work answers; None where it failed, or is left alone for now."""
        if self._pauses.wait_for(name):
            return None
        try:
            with self._pauses.trying(name):
                done = await self._visit(Visit(System(name, SYSTEM), operation, work, purpose="audit"))
        except VisitRefusedError as refused:
            if name not in self._failing:  # once, not every second
                logger.error("folding-failed", extra={"why": refused.error.why})  # noqa: TRY400
            self._failing.add(name)
            return None
        self._failing.discard(name)
        return done.answer.payload
