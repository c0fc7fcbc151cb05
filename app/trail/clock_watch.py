"""The machine's clock is set back: every chain says so, with by how much, by each process that saw it.

Lines never run backwards: after such a step their time goes on from the newest instant so far, at half its
pace, until the clock has caught up (decision 0035). Without an entry nobody could tell why lines are dated
too late, or why two hours fill one.

A clock that jumps ahead leaves its gap in the lines themselves.

Source: AUDIT-2; ASVS 5.0 16.2.2.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from app.access.drafting import further_entry
from app.access.opened import Opened
from app.access.operation import Operation
from app.access.pauses import Pauses
from app.access.visit import System, Visit, Visited, VisitRefusedError
from app.access.work import Answer, Work
from app.audit.table import head
from app.core.clock import monotonic, parse
from app.core.identifiers import SYSTEM
from app.trail.checkpoints import HOUSEKEEPING

logger = logging.getLogger(__name__)

EVERY_S = 1.0
LEAST_S = 2.0
"""What a time service corrects in small steps, and what machines of one deployment differ by, is no step."""
STEP = Operation("*", "*", "system", "self", "clock.step", 200)
_CHAINS = select(head.c.org).order_by(head.c.org)
_NEWEST = select(func.max(head.c.ts))

Door = Callable[[Visit], Awaitable[Visited]]


@dataclass
class NewestInstant(Work):
    """Ask for the newest instant of any line: what a clock must not be behind when a process starts."""

    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return it, or None for an empty trail."""
        found = opened.execute(_NEWEST).scalar()
        return Answer(parse(found) if found is not None else None)


@dataclass
class RecordStep(Work):
    """Enter into every chain that the clock was set back; one turn, all or nothing."""

    back_s: int
    silent = True  # its entries are those beside it

    def perform(self, opened: Opened) -> Answer:
        """Say by how many seconds."""
        for chain in opened.execute(_CHAINS).scalars().all():
            opened.note.org = chain
            draft = further_entry(opened, STEP.act)
            draft.event["clock"] = {"back_s": self.back_s}
            opened.also.append(draft)
        return Answer()


class ClockWatch:
    """Compares the clock with what it said before."""

    def __init__(
        self, visit: Door, now: Callable[[], datetime], seconds: Callable[[], float] = monotonic
    ) -> None:
        """Take what runs a visit through the door, the clock to watch, and one that is never set."""
        self._visit, self._now = visit, now
        self._latest: datetime | None = None
        self._untold_s = 0
        self._pauses = Pauses(seconds)
        self._failing = False

    @property
    def failing(self) -> bool:
        """Say whether the trail could not be asked or told when that was last tried."""
        return self._pauses.failing

    async def run(self) -> None:
        """Look once a second, until cancelled. What fails is done later."""
        while True:
            with contextlib.suppress(VisitRefusedError):  # the log says so
                await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Look once; enter a step back, once.

        Raises:
            VisitRefusedError: It could not be entered; the next look tries again, or one after a pause where
                the try left an entry.
        """
        if self._latest is None:
            if self._pauses.wait_for(NewestInstant):
                return
            self._latest = await self._do(NewestInstant(), HOUSEKEEPING) or self._now()
        now = self._now()
        back = (self._latest - now).total_seconds()
        if back > LEAST_S:
            logger.error("clock-step", extra={"ms": -round(back * 1000)})
            self._untold_s += round(back)  # kept: while it cannot be entered the clock may catch up
            self._latest = now
        self._latest = max(self._latest, now)
        if self._untold_s and not self._pauses.wait_for(RecordStep):
            await self._do(RecordStep(self._untold_s), STEP)
            self._untold_s = 0

    async def _do(self, work: Work, operation: Operation) -> datetime | None:
        try:
            with self._pauses.trying(type(work)):
                visited = await self._visit(Visit(System("clock", SYSTEM), operation, work, purpose="audit"))
        except VisitRefusedError as refused:
            if not self._failing:  # once, not every second
                logger.error("clock-not-watched", extra={"why": refused.error.why})  # noqa: TRY400
            self._failing = True
            raise
        self._failing = False
        found: datetime | None = visited.answer.payload
        return found
