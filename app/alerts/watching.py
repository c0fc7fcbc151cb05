"""Judges the trail while a process serves: a look about every second, beside the event loop.

Several processes may watch; a lease says who judges a chain, and the place up to which it was judged moves
only from where it stood, so that no line is skipped or judged twice, whoever dies when. A trail that was
never judged is caught up with in pieces, with a pause after each as long as it took.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from app.access.visit import System, Visit, Visited, VisitRefusedError
from app.access.work import Work
from app.alerts.facts import Incidents, no_others
from app.alerts.judging import JUDGE, LEASE, Behind, Hold, Place, Survey
from app.alerts.watched import PIECE, LostError, Watched
from app.core.clock import monotonic
from app.core.identifiers import SYSTEM, new_id

logger = logging.getLogger(__name__)

NAME = "detection"
LOOK_EVERY_S = 1.0
PUT_OFF_S = 10.0
"""After a look that failed: one that fails for good leaves an entry each time."""
HOLD_EVERY_S = LEASE.total_seconds() / 3
TIME_EVERY = timedelta(minutes=10)
"""How often is judged what follows from time alone."""
PIECES_AT_A_LOOK = 20
"""Of one chain, before the others have their turn."""

Door = Callable[[Visit], Awaitable[Visited]]


class Watching:
    """Watches all chains of a deployment. `start` it when the door is open, `stop` it before it closes."""

    def __init__(
        self,
        visit: Door,
        now: Callable[[], datetime],
        incidents: Incidents = no_others,
        *,
        hurry: bool = False,
        piece: int = PIECE,
    ) -> None:
        """Take what runs a visit through the door, and the clock.

        Args:
            visit: The door.
            now: The clock.
            incidents: Tells of incidents beside the records.
            hurry: Make no pause between pieces: for a process that serves nobody.
            piece: How many lines are judged at once.
        """
        self._visit, self._now, self._incidents, self._hurry = visit, now, incidents, hurry
        self._piece = piece
        self._runner = new_id()
        self._watched: dict[Place, Watched] = {}
        self._lag = 0
        self._held_at = monotonic()
        self._timed_at: datetime | None = None
        self._failing = False
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        """Say whether it goes on: a rule that broke has stopped it."""
        return self._task is None or not self._task.done() or self._stopping.is_set()

    def gauges(self) -> dict[str, int]:
        """Return how far it is, for `/metrics`: lines not judged yet, as of the last look."""
        return {"detection_lines_behind": self._lag, "detection_chains_held": len(self._watched)}

    def start(self) -> None:
        """Begin, in the running event loop."""
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(_tell_if_broken)

    async def stop(self) -> None:
        """End after the present piece, and leave the chains to whoever comes next."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task])
        self._watched.clear()
        with contextlib.suppress(VisitRefusedError):  # the lease ends by itself
            await self._do(SYSTEM, Hold(self._runner, release=True))

    async def _run(self) -> None:
        while not self._stopping.is_set():
            busy = await self.look()
            pause = PUT_OFF_S if self._failing else LOOK_EVERY_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 0 if busy else pause)

    async def look(self) -> bool:
        """Judge what there is to judge, within bounds; say whether there is more at once.

        What fails is done at a later look, from what is stored.
        """
        try:
            behind: list[Behind] = await self._do(SYSTEM, Survey(self._runner))
            await self._hold()
            more = [await self._catch_up(one) for one in behind if not self._stopping.is_set()]
            await self._time()
            self._failing = False
        except VisitRefusedError as failed:
            self._tell(failed)
            return False
        self._lag = sum(one.size - (one.seq or 0) for one in behind)
        return any(more)

    async def catch_up(self) -> None:
        """Judge everything there is now. For tests, simulations and commands."""
        while await self.look():
            pass

    async def _hold(self) -> None:
        if self._watched and monotonic() - self._held_at >= HOLD_EVERY_S:
            self._held_at = monotonic()
            await self._do(SYSTEM, Hold(self._runner))

    async def _catch_up(self, behind: Behind) -> bool:
        """Judge a chain up to its end, or so many pieces of it; say whether there is more."""
        place = behind.place
        if behind.seq is not None and behind.size <= behind.seq and place in self._watched:
            return False
        if not behind.free:
            self._watched.pop(place, None)
            return False
        watched = self._watched.pop(place, None)  # back only when nothing failed: then it is what is stored
        try:
            if watched is None or watched.seq != behind.seq:
                watched = Watched(self._do, place, self._runner, self._incidents)
                if not await watched.take():
                    return False
            more = await self._pieces(watched)
        except LostError:
            return False
        self._watched[place] = watched
        return more

    async def _pieces(self, watched: Watched) -> bool:
        for _ in range(PIECES_AT_A_LOOK):
            began = monotonic()
            if await watched.piece(self._piece) < self._piece:
                return False
            if not self._hurry:
                await asyncio.sleep(monotonic() - began)
            if self._stopping.is_set():
                return False
        return True

    async def _time(self) -> None:
        now = self._now()
        if self._timed_at is not None and abs(now - self._timed_at) < TIME_EVERY:
            return
        self._timed_at = now
        for place, watched in list(self._watched.items()):
            del self._watched[place]
            with contextlib.suppress(LostError):
                await watched.time(now)
                self._watched[place] = watched

    async def _do(self, org: str, work: Work) -> Any:
        visited = await self._visit(Visit(System(NAME, org), JUDGE, work, purpose="audit"))
        return visited.answer.payload

    def _tell(self, failed: VisitRefusedError) -> None:
        if not self._failing:  # once, not every second
            logger.error("detection-put-off", extra={"why": failed.error.why})
        self._failing = True
        self._watched.clear()


def _tell_if_broken(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.critical("detection-stopped", exc_info=task.exception())
