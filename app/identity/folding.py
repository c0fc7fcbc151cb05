"""What a serving process does for sign-in and repeats on its own: tell the trail, and forget what is over.

What the throttle refused is told once a minute and subject; answers kept for repeats go when their day is
over. Several processes may do it at once: a row is folded by a conditional write, so one of them is first,
and what one removes the others pass over. What fails is done a second later; where each try leaves an entry,
after a pause (`access.pauses`). The other goes on meanwhile.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from app.access.operation import Operation
from app.access.pauses import Pauses
from app.access.visit import System, Visit, Visited, VisitRefusedError
from app.access.work import Work
from app.core.clock import monotonic
from app.core.identifiers import SYSTEM
from app.identity.repeats import FORGET_ANSWERS, MOST_FORGOTTEN, ForgetOutdated
from app.identity.throttling import FOLD_THROTTLED, FoldThrottled

logger = logging.getLogger(__name__)

EVERY_S = 1.0
FORGET_EVERY_S = 60.0

Door = Callable[[Visit], Awaitable[Visited]]


async def fold_while_serving(visit: Door, now: Callable[[], float] = monotonic) -> None:
    """Fold what is due each second, until cancelled, and forget."""
    tries = _Tries(visit, now)
    forgotten: float | None = None
    while True:
        await asyncio.sleep(EVERY_S)
        await tries.do("throttle", FOLD_THROTTLED, FoldThrottled())
        if forgotten is None or now() - forgotten >= FORGET_EVERY_S:
            gone = await tries.do("repeats", FORGET_ANSWERS, ForgetOutdated())
            forgotten = now() if gone is not None and gone < MOST_FORGOTTEN else None  # else on in a second


class _Tries:
    """Has works done that may fail, and says so once until they go through again."""

    def __init__(self, visit: Door, now: Callable[[], float]) -> None:
        self._visit = visit
        self._pauses = Pauses(now)
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
