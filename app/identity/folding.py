"""What a serving process does for sign-in and repeats on its own: tell the trail, and forget what is over.

What the throttle refused is told once a minute and subject; answers kept for repeats go when their day is
over. Several processes may do it at once: a row is folded by a conditional write, so one of them is first,
and what one removes the others pass over.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from app.access.operation import Operation
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
    """Fold what is due each second, until cancelled, and forget. What fails is done a second later."""
    forgotten: float | None = None
    while True:
        await asyncio.sleep(EVERY_S)
        try:
            await _do(visit, "throttle", FOLD_THROTTLED, FoldThrottled())
            if forgotten is None or now() - forgotten >= FORGET_EVERY_S:
                gone = await _do(visit, "repeats", FORGET_ANSWERS, ForgetOutdated())
                forgotten = now() if gone < MOST_FORGOTTEN else None  # more are left: go on in a second
        except VisitRefusedError as refused:
            logger.error("folding-failed", extra={"why": refused.error.why})  # noqa: TRY400


async def _do(visit: Door, name: str, operation: Operation, work: Work) -> Any:
    return (await visit(Visit(System(name, SYSTEM), operation, work, purpose="audit"))).answer.payload
