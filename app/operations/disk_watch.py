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
        self._pauses = Pauses(now)
        self._warned: set[str] = set()
        self._told = False
        self._asked = False
        self._stopping = asyncio.Event()
        self.lasting = Lasting("disk-watch", self._run, self._stopping)
        self._task: asyncio.Task[None] | None = None

    @property
    def full(self) -> bool:
        """Say whether the reserve is in use: records are not served then."""
        return self._reserve is not None and self._reserve.spent

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
        if self.full and not self._told:
            logger.critical("disk-full", extra={"why": "the reserve was given to the trail"})
            self._told = await self._do(FULL, TellOfDisk()) is not None
        kept = await asyncio.to_thread(self._reserve.keep)
        if kept and (self._told or await self._was_told()):
            logger.warning("disk-has-room")
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
