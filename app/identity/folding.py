"""What a serving process does for the throttle on its own: tell the trail, once a minute and subject.

Several processes may do it at once: a row is folded by a conditional write, so one of them is first.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.access.visit import System, Visit, Visited, VisitRefusedError
from app.core.identifiers import SYSTEM
from app.identity.throttling import FOLD_THROTTLED, FoldThrottled

logger = logging.getLogger(__name__)

EVERY_S = 1.0


async def fold_while_serving(visit: Callable[[Visit], Awaitable[Visited]]) -> None:
    """Fold what is due each second, until cancelled. What fails is done a second later."""
    while True:
        await asyncio.sleep(EVERY_S)
        try:
            await visit(Visit(System("throttle", SYSTEM), FOLD_THROTTLED, FoldThrottled(), purpose="audit"))
        except VisitRefusedError as refused:
            logger.error("folding-failed", extra={"why": refused.error.why})  # noqa: TRY400
