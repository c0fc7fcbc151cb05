"""Runs the self-check while a process serves: a piece each second, and its progress where it can be seen.

It never takes more than a twentieth of a core, however slow a piece is. Each completed round is a line of
the log; `/metrics` shows how far the present one is. What it finds is told in the trail once for each row,
and the service is not ready again until a whole round found nothing.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

from app.access.opened import Opened
from app.access.pauses import Pauses
from app.access.visit import System, Visit, Visited, VisitRefusedError
from app.access.work import Answer, Work
from app.audit.verify import BROKEN
from app.core.clock import monotonic
from app.core.errors import AlteredRow, AuditUnavailableError
from app.core.lasting import Lasting
from app.storage.snapshot import UNREADABLE
from app.trail.checkpoints import HOUSEKEEPING
from app.trail.self_check import Means, Round

logger = logging.getLogger(__name__)

PIECE_EVERY_S = 1.0
SHARE_OF_A_CORE = 20
"""After a piece that took a second, twenty pass before the next."""

Door = Callable[[Visit], Awaitable[Visited]]


@dataclass
class TellAltered(Work):
    """Have the trail told of rows or lines that were changed behind the service's back."""

    rows: list[AlteredRow]
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Leave an entry for each that this process did not tell of before."""
        opened.altered += self.rows
        return Answer()


class SelfCheck:
    """Checks everything again and again. `start` it when the door is open, `stop` it before it closes."""

    def __init__(self, visit: Door, means: Means, most: int, *, now: Callable[[], float] = monotonic) -> None:
        """Take what a round works with.

        Args:
            visit: What runs a visit through the door.
            means: The database, the keys, and what is compared.
            most: Lines or rows of one piece; 0 for no self-check.
            now: Seconds from an arbitrary start.
        """
        self._visit, self._means, self._most = visit, means, most
        self._round = Round(means, 0, most)
        self._walk: Iterator[None] = self._round.walk()
        self._told = self._logged = 0
        self._pauses = Pauses(now)
        self._last_found = 0
        self._failing = False
        self._stopping = asyncio.Event()
        self.lasting = Lasting("self-check", self._run, self._stopping)
        self._running: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        """Say whether neither the last whole round nor the present one found anything."""
        return not self._last_found and not self._round.found

    @property
    def failing(self) -> bool:
        """Say whether it could not read, or tell, what it found when it last tried."""
        return self._failing or self._pauses.failing

    def gauges(self) -> dict[str, int]:
        """Return how far it is, for `/metrics`: counts of lines and rows, nothing else."""
        return {
            "audit_verified_size": self._round.lines,
            "audit_verified_rows": self._round.rows,
            "audit_self_check_rounds": self._round.number,
            "audit_self_check_findings": max(self._last_found, len(self._round.found)),
        }

    def start(self) -> None:
        """Begin, in the running event loop."""
        if self._most:
            self._running = asyncio.create_task(self.lasting.run())

    async def stop(self) -> None:
        """End after the present piece."""
        self._stopping.set()
        if self._running is not None:
            await self._running

    async def _run(self) -> None:
        self._begin_anew()  # a defect may have ended the walk: that would look like a whole round's end
        while not self._stopping.is_set():
            began = monotonic()
            await self.piece()
            pause = max(PIECE_EVERY_S, SHARE_OF_A_CORE * (monotonic() - began))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def piece(self) -> None:
        """Check one piece, and tell what it found. A database that cannot be read is tried again later."""
        try:
            done = await asyncio.to_thread(_next, self._walk)
            told = await self._tell()
        except (*UNREADABLE, *BROKEN, AuditUnavailableError, VisitRefusedError) as failed:
            self._put_off(failed)
            return
        if not told:
            return
        self._failing = False
        if done:
            self._conclude()

    async def _tell(self) -> bool:
        """Tell what is new; say whether all is told: where trying left an entry, the rest waits a while."""
        found = self._round.found
        for one in found[self._logged :]:  # once, however often telling the trail is tried
            logger.critical("self-check-found", extra={"chain": one.org, "finding": str(one.finding)})
        self._logged = len(found)
        if self._pauses.wait_for(TellAltered):
            return self._told == len(found)
        for org, new in groupby(found[self._told :], key=lambda one: one.org):
            work = TellAltered([one.row for one in new])
            with self._pauses.trying(TellAltered):
                await self._visit(Visit(System("integrity", org), HOUSEKEEPING, work, purpose="audit"))
            self._told += len(work.rows)
        return True

    def _conclude(self) -> None:
        done = self._round
        counts = {"lines": done.lines, "rows": done.rows, "findings": len(done.found)}
        logger.info("self-check-round", extra={"round": done.number} | counts)
        self._last_found = len(done.found)
        self._begin(done.number + 1)

    def _begin(self, number: int) -> None:
        self._round = Round(self._means, number, self._most)
        self._walk = self._round.walk()
        self._told = self._logged = 0

    def _put_off(self, failed: Exception) -> None:
        """Begin this round anew, later; what it had found counts until a whole round found nothing."""
        if not self._failing:  # once, not at every piece
            logger.error("self-check-failed", extra={"why": type(failed).__name__})
        self._failing = True
        if not isinstance(failed, VisitRefusedError):
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._last_found = max(self._last_found, len(self._round.found))
        self._begin(self._round.number)


def _next(walk: Iterator[None]) -> bool:
    """Take the next step of a walk; say whether it was the last."""
    try:
        next(walk)
    except StopIteration:
        return True
    return False
