"""Judges the trail while a process serves: a look about every second, beside the event loop.

Several processes may watch; a lease says who judges a chain, and the place up to which it was judged moves
only from where it stood, so that no line is skipped or judged twice, whoever dies when. A trail that was
never judged is caught up with in pieces, with a pause after each as long as it took. What fails - a rule of
ours, a row of theirs - fails for its chain alone, and is tried again (`troubles`).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from app.access.visit import System, Visit, Visited, VisitRefusedError
from app.access.work import Work
from app.alerts.facts import Incidents, no_others
from app.alerts.judging import HOLD_EVERY_S, JUDGE, Behind, Hold, Place, Release, Survey
from app.alerts.troubles import EVERYTHING, Troubles
from app.alerts.watched import PIECE, LostError, Watched
from app.core.clock import monotonic
from app.core.identifiers import SYSTEM, new_id

NAME = "detection"
LOOK_EVERY_S = 1.0
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
        self._troubles = Troubles()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        """Say whether all is judged: no rule is broken, and no chain was put off for more than a minute."""
        return self._troubles.healthy

    def gauges(self) -> dict[str, int]:
        """Return how far it is, for `/metrics`: lines not judged yet, of those there at the last look."""
        return {
            "detection_runs": int(self.healthy),
            "detection_lines_behind": self._lag,
            "detection_chains_held": len(self._watched),
        }

    def start(self) -> None:
        """Begin, in the running event loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End after the present piece, and leave the chains to whoever comes next."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task])
        self._watched.clear()
        with contextlib.suppress(VisitRefusedError):  # the lease ends by itself
            await self._do(SYSTEM, Release(self._runner))

    async def _run(self) -> None:
        while not self._stopping.is_set():
            busy = await self.look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 0 if busy else LOOK_EVERY_S)

    async def look(self) -> bool:
        """Judge what there is to judge, within bounds; say whether there is more at once.

        What fails is done at a later look, from what is stored.
        """
        return bool(await self._apart(EVERYTHING, self._look()))

    async def _look(self) -> bool:
        behind: list[Behind] = await self._do(SYSTEM, Survey(self._runner))
        self._lag = sum(max(0, one.size - (one.seq or 0)) for one in behind)
        await self._hold()
        more = [await self._apart(one.place, self._catch_up(one)) for one in behind]
        await self._time()
        return any(more)

    async def _apart(self, place: Place | None, judging: Coroutine[Any, Any, Any]) -> Any:
        """Return what comes of judging a place; None if it failed, or is left alone because it did."""
        if self._stopping.is_set() or self._troubles.wait_for(place):
            judging.close()
            return None
        outcome: Any = (await asyncio.gather(judging, return_exceptions=True))[0]
        if not isinstance(outcome, BaseException):
            self._troubles.over(place)
            return outcome
        self._forget(place)
        self._troubles.met(place, outcome)
        if place is not None:
            with contextlib.suppress(VisitRefusedError):  # it ends by itself, and somebody else may do better
                await self._do(place.org, Release(self._runner, place.chain))
        return None

    def _forget(self, place: Place | None) -> None:
        """Begin a place anew next time: what is known of it may not be what is stored."""
        for one in [place] if place is not None else list(self._watched):
            self._watched.pop(one, None)

    async def catch_up(self) -> None:
        """Judge everything there is now. For tests, simulations and commands.

        Raises:
            VisitRefusedError: Something of it was refused. Whatever a rule of ours raises comes through, too.
        """
        while await self.look():
            pass
        self._troubles.raise_first()

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
                watched = Watched(self._do, place, self._runner, self._stopping, self._incidents)
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
            judged = await watched.piece(self._piece)
            self._lag = max(0, self._lag - judged)
            if judged < self._piece:
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
            await self._apart(place, self._time_of(place, watched, now))

    async def _time_of(self, place: Place, watched: Watched, now: datetime) -> None:
        del self._watched[place]
        with contextlib.suppress(LostError):
            await watched.time(now)
            self._watched[place] = watched

    async def _do(self, org: str, work: Work) -> Any:
        visited = await self._visit(Visit(System(NAME, org), JUDGE, work, purpose="audit"))
        return visited.answer.payload
