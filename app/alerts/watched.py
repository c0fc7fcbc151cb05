"""One chain as this process judges it: what is known of it, and how far it has come.

What is known is thrown away whenever it may not be what is stored: when a piece could not be ended, or
another process was faster. Then it is begun anew: habits and what was told are read, and the lines of the
longest window before the place are read again, without being judged.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from app.access.work import Work
from app.alerts.facts import GatherFacts, Incidents, Kept, no_others
from app.alerts.judging import HOLD_EVERY_S, Conclude, Hold, Piece, Place, ReadPiece, Take, Taken
from app.core.clock import monotonic, spell
from app.core.identifiers import SYSTEM
from app.detection.event import Event
from app.detection.facts import Facts
from app.detection.finding import Finding
from app.detection.habit import Habits
from app.detection.judging import judge, judge_time
from app.detection.quiet import Quiet
from app.detection.state import State

Do = Callable[[str, Work], Awaitable[Any]]
"""Has a work done for an organisation, and returns its payload."""
PIECE = 500
"""Lines judged at once: enough for some thousand a second, and no turn is held up by reading them."""
WARM_PIECE = 2000


class LostError(Exception):
    """The place is another process's now, what is known of it is not what is stored, or this process ends."""


class Watched:
    """One place and all that is known of it."""

    def __init__(
        self,
        do: Do,
        place: Place,
        runner: str,
        stopping: asyncio.Event,
        incidents: Incidents = no_others,
    ) -> None:
        """Take what has works done, what is judged and in whose name.

        Args:
            do: Runs a work.
            place: The chain, and the organisation it is judged for.
            runner: This process.
            stopping: Is set when it ends: nobody waits for a place that was not begun yet.
            incidents: Tells of incidents beside the records.
        """
        self._do, self._place, self._runner, self._incidents = do, place, runner, incidents
        self._stopping = stopping
        self._state = State(place.chain)
        self._kept = Kept()
        self.seq = 0

    async def take(self) -> bool:
        """Take the lease and read what is known; say whether it was free.

        Raises:
            LostError: Another process took the place meanwhile, or this one ends.
        """
        held_at = monotonic()
        taken: Taken | None = await self._do(self._place.org, Take(self._place.chain, self._runner))
        if taken is None:
            return False
        self._state = State(self._place.chain, habits=Habits(taken.days), quiet=Quiet(taken.told))
        self.seq = taken.seq
        await self._warm_up(taken, held_at)
        return True

    async def _warm_up(self, taken: Taken, held_at: float) -> None:
        """Fill the windows from lines that were judged already.

        That may take longer than the lease. Not held, the place would go to another process, which begins to
        warm up in turn, and nobody would ever come to judge.
        """
        start = taken.warm_from
        while start < taken.seq:
            piece = await self._read(start, min(WARM_PIECE, taken.seq - start))
            await asyncio.to_thread(self._remember, piece)
            start = piece.end
            if self._stopping.is_set():
                raise LostError
            if monotonic() - held_at >= HOLD_EVERY_S:
                held_at = monotonic()
                await self._hold()

    async def _hold(self) -> None:
        held: set[Place] = await self._do(SYSTEM, Hold(self._runner))
        if self._place not in held:
            raise LostError

    def _remember(self, piece: Piece) -> None:
        for event in piece.events():
            self._state.remember(event)

    async def piece(self, most: int = PIECE) -> int:
        """Judge the next lines, and return how many there were.

        Raises:
            LostError: Another process has the place.
        """
        piece = await self._read(self.seq, most)
        if piece.end == piece.start:
            return 0
        events = await asyncio.to_thread(piece.events)
        facts = await self._gather(events)
        found = await asyncio.to_thread(judge, self._state, events, facts, piece.settings)
        await self._conclude(piece.end, found, events[-1].ts if events else None)
        return piece.end - piece.start

    async def time(self, at: datetime) -> None:
        """Judge what follows from time alone: once for an organisation, with the system's chain.

        Raises:
            LostError: Another process has the place.
        """
        if self._place.chain != SYSTEM:
            return
        event = Event(SYSTEM, self.seq, spell(at), at.timestamp(), "time")
        facts, piece = await self._gather([]), await self._read(self.seq, 0)
        found = judge_time(self._state, event, facts, piece.settings)
        if found:
            await self._conclude(self.seq, found, event.ts)

    async def _read(self, start: int, most: int) -> Piece:
        piece: Piece = await self._do(self._place.org, ReadPiece(self._place.chain, start, most))
        return piece

    async def _gather(self, events: list[Event]) -> Facts:
        work = GatherFacts(events, self._kept, self._incidents)
        facts: Facts = await self._do(self._place.org, work)
        return facts

    async def _conclude(self, end: int, found: list[Finding], upto: str | None) -> None:
        habits, quiet = self._state.habits, self._state.quiet
        work = Conclude(
            self._place.chain, self._runner, self.seq, end, habits.changed, quiet.changed, found, upto
        )
        if not await self._do(self._place.org, work):
            raise LostError
        self.seq, habits.changed, quiet.changed = end, {}, {}
