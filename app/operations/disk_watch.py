"""Looks at the disks while a process serves: warns at a tenth, and keeps the reserve.

When the reserve was used up (`access.scarcity`) the trail is told, and again when there is room: between
the two entries nobody was shown a record. The process that told of the first may have ended: so whoever
starts asks the trail once.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.pauses import Pauses
from app.access.visit import System, Visit, Visited, VisitRefusedError
from app.access.work import Answer, Work
from app.audit import indexing, reading
from app.audit.reading import Wanted
from app.core.clock import monotonic
from app.core.identifiers import SYSTEM
from app.core.lasting import Lasting
from app.core.settings import Settings
from app.operations.disk import spaces
from app.storage.reserve import Reserve

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
SAY_AGAIN_S = 600.0
"""The log may be on the disk that is full: while it lasts, it is told again this seldom."""
FULL = Operation("*", "*", "system", "self", "disk.full", 200)
ROOM = Operation("*", "*", "system", "self", "disk.room", 200)


@dataclass
class TellOfDisk(Work):
    """Leave an entry about the disk: its act says all."""

    def perform(self, opened: Opened) -> Answer:
        """Name the reserve as what it is about."""
        opened.note.object = ("disk", "reserve")
        return Answer()


@dataclass
class WasFull(Work):
    """Say whether the trail tells of a full disk, and of no room since; None where nobody can say yet."""

    silent = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Look for the newest entry about the disk."""
        connection = opened.connection()
        if indexing.catch_up(connection, opened.org, indexing.LONGEST_PIECE):
            return Answer(None)
        about = tuple((indexing.ACT, operation.act) for operation in (FULL, ROOM))
        found = reading.page(connection, opened.org, Wanted(also=(about,)), None, 1).entries
        return Answer(any(orjson.loads(entry.line)["e"]["act"] == FULL.act for entry in found))


class DiskWatch:
    """Watches the folders of a deployment. `start` it when the door is open, `stop` it before it closes."""

    def __init__(
        self,
        visit: Callable[[Visit], Awaitable[Visited]],
        settings: Settings,
        reserve: Reserve | None,
        *,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._visit = visit
        self._settings = settings
        self._reserve = reserve
        self._now = now
        self._pauses = Pauses(now)
        self._warned: set[str] = set()
        self._said_at: float | None = None
        self._told = False
        self._asked = False
        self._stopping = asyncio.Event()
        self.lasting = Lasting("disk-watch", self._run, self._stopping)
        self._task: asyncio.Task[None] | None = None

    @property
    def full(self) -> bool:
        """Say whether the reserve is in use: records are not served then."""
        return self._reserve is not None and self._reserve.spent

    @property
    def failing(self) -> bool:
        """Say whether the trail could not be told when that was last tried."""
        return self._pauses.failing

    def start(self) -> None:
        """Begin, in the running event loop."""
        self._task = asyncio.create_task(self.lasting.run())

    async def stop(self) -> None:
        """End."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while not self._stopping.is_set():
            await self.look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), LOOK_EVERY_S)

    async def look(self) -> None:
        """Look once; what cannot be told now is told at a later look."""
        await asyncio.to_thread(self._warn)
        if self._reserve is None:
            return
        if self.full:
            self._say_full()
            self._told = self._told or await self._do(FULL, TellOfDisk()) is not None
        if await asyncio.to_thread(self._reserve.keep):
            await self._tell_of_room()

    def _say_full(self) -> None:
        """Say in the log at once that it is full, and again now and then for as long as it lasts."""
        if self._said_at is None or self._now() - self._said_at >= SAY_AGAIN_S:
            logger.critical("disk-full", extra={"why": "the reserve was given to the trail"})
            self._said_at = self._now()

    async def _tell_of_room(self) -> None:
        """Say in the log, once, that it is over, and tell the trail if that was told of a full disk."""
        if not self._told and await self._was_told():
            self._told, self._said_at = True, self._now()
        if self._said_at is not None:
            logger.warning("disk-has-room")
            self._said_at = None
        if self._told:
            self._told = await self._do(ROOM, TellOfDisk()) is None

    def _warn(self) -> None:
        for space in spaces(self._settings):
            if space.scarce and space.folder not in self._warned:
                logger.warning("disk-scarce", extra={"kind": space.folder, "size": space.free})
            (self._warned.add if space.scarce else self._warned.discard)(space.folder)

    async def _was_told(self) -> bool:
        """Say, once, whether a process before this one told of a full disk, and nobody of room."""
        if self._asked:
            return False
        done = await self._do(ROOM, WasFull())
        self._asked = done is not None and done.answer.payload is not None
        return done is not None and bool(done.answer.payload)

    async def _do(self, operation: Operation, work: Work) -> Visited | None:
        """Return what came of it; None where it was refused, or is left alone for now."""
        what = type(work), operation.act
        if self._pauses.wait_for(what):
            return None
        visit = Visit(System("disk", SYSTEM), operation, work, purpose="administration")
        with contextlib.suppress(VisitRefusedError), self._pauses.trying(what):
            return await self._visit(visit)
        return None
