"""What a serving process does for the trail on its own: checkpoints, the guard, the index, the tiles.

A chain that moved is signed once a second, and sooner when it took 1,024 entries; the guard follows
when the checkpoint is committed. The index is kept behind by less than a piece, the tiles by less than a
tile, built between the visits of others. Several processes may do this at once: a size has one checkpoint,
whoever is first.

What is signed was read again from where the last checkpoint stood. If it does not continue that
(`checkpoint.ChainNotExtendedError`), the chain gets no further checkpoint from this process and the
service is no longer healthy: somebody has to look.

What fails is done at a later look; where each try leaves an entry, after a pause (`access.pauses`), at most
a minute after its cause is gone.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from app.access.pauses import Pauses
from app.access.visit import System, Visit, Visited, VisitRefusedError
from app.access.work import Work
from app.audit import tiles
from app.audit.checkpoint import START, ChainNotExtendedError, Checkpoint, Notary, Progress
from app.audit.guard_file import GuardForkedError, Guards, GuardUnreadableError
from app.core.clock import monotonic
from app.core.errors import StartRefusedError
from app.core.identifiers import SYSTEM
from app.core.lasting import Lasting
from app.trail.anchors import AnchorDrop
from app.trail.checkpoints import (
    HOUSEKEEPING,
    ChainState,
    IndexLines,
    ReadAgain,
    SignHead,
    SurveyChains,
    WriteTiles,
)
from app.trail.closing import BEHIND, close_due
from app.trail.ended import EndedCopy, EndedKeeper

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25
SIGN_EVERY_S = 1.0
CLOSE_EVERY_S = 3600.0
"""A month is over twelve times a year, and to look for it brings the index up to the last line."""
REFRESH_EVERY_S = 1.0
MOST_UNSIGNED = 1024
READ_AT_ONCE = 5000
INDEX_AT_ONCE = 500
"""Lines of one piece of the index; fewer are left to whoever asks first (about 10 ms)."""
TILES_AT_ONCE = 16
"""Tiles of 256 lines in one piece (about 10 ms)."""
PIECES_AT_A_LOOK = 8

Door = Callable[[Visit], Awaitable[Visited]]


class Housekeeping:
    """Keeps the trail in order. `start` it when the door is open, `stop` it before the door closes."""

    def __init__(
        self,
        visit: Door,
        notary: Notary,
        guards: Guards,
        *,
        anchors: Path | None = None,
        backups: Path | None = None,
        refresh: Callable[[], None] | None = None,
        now: Callable[[], float] = monotonic,
    ) -> None:
        """Take what runs a visit through the door, who signs, and where the guards are.

        Args:
            visit: The door.
            notary: Who signs.
            guards: The guard files.
            anchors: A folder where checkpoints are dropped for somebody else to take.
            backups: The folder of the backups: a copy of the ledger of what ended is kept there, too.
            refresh: Brings the keys of `notary` up to date; called once a second.
            now: Seconds from an arbitrary start.
        """
        self._visit = visit
        self._notary = notary
        self._guards = guards
        self._now = now
        self._known: dict[str, Checkpoint | Progress] = {}
        self._unguarded: dict[str, Checkpoint] = {}
        self._signed_at: dict[str, float] = {}
        self._closed_at: dict[str, float] = {}
        self._halted: set[str] = set()
        self._overtaken: set[str] = set()
        self._replaced: set[str] = set()
        self._failing = False
        self._pauses = Pauses(now)
        self._anchors = AnchorDrop(self._do, anchors, now=now) if anchors is not None else None
        self._ended = EndedKeeper(self._do, guards.ended)
        self._copy = EndedCopy(guards.ended, backups) if backups is not None else None
        self._refresh = refresh
        self._refreshed_at = now()
        self._stopping = asyncio.Event()
        self.lasting = Lasting("housekeeping", self._run, self._stopping)
        self._running: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        """Say whether every chain is what was signed of it, and signed by the key that is here."""
        return not self._halted and not self._replaced

    @property
    def failing(self) -> bool:
        """Say whether something could not be done when it was last tried."""
        return self._failing or self._pauses.failing

    def start(self) -> None:
        """Begin, in the running event loop."""
        self._running = asyncio.create_task(self.lasting.run())
        if self._copy is not None:
            self._copy.start()

    async def stop(self) -> None:
        """End, after a last checkpoint of every chain that moved."""
        self._stopping.set()
        if self._running is not None:
            await self._running
        await self.look(last=True)
        if self._copy is not None:
            await self._copy.stop()

    async def _run(self) -> None:
        while not self._stopping.is_set():
            await self.look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), LOOK_EVERY_S)

    async def look(self, *, last: bool = False) -> None:
        """Look once at all chains and do what is due; what fails is done at a later look.

        Args:
            last: Sign every chain that moved, however short ago it was signed.
        """
        await self._take_up_keys()
        if not last and self._pauses.wait_for(SurveyChains):
            return
        try:
            with self._pauses.trying(SurveyChains):
                chains: list[ChainState] = await self._do(SYSTEM, SurveyChains())
        except VisitRefusedError as failed:
            self._tell(failed)
            return
        done = [await self._keep(chain, last=last) for chain in chains if chain.org not in self._halted]
        self._failing = not all(done)
        if self._anchors is not None:
            await self._anchors.look(last=last)

    async def _take_up_keys(self) -> None:
        if self._refresh is not None and self._now() - self._refreshed_at >= REFRESH_EVERY_S:
            self._refreshed_at = self._now()
            await asyncio.to_thread(self._refresh)

    async def _keep(self, chain: ChainState, *, last: bool) -> bool:
        """Do what is due for one chain; a failure stays with it, the others are kept all the same.

        Where a step failed and left an entry, the other steps go on without it.
        """
        steps: list[Callable[[], Awaitable[None]]] = [lambda: self._keep_signed(chain, last=last)]
        if not last:
            steps += [lambda: self._index(chain), lambda: self._write_tiles(chain)]
            steps += [lambda: self._close_months(chain)]
        whole = True
        for number, step in enumerate(steps):
            what = chain.org, number
            if not last and self._pauses.wait_for(what):
                whole = False
                continue
            try:
                with self._pauses.trying(what):
                    await step()
            except (VisitRefusedError, OSError, GuardUnreadableError) as failed:
                self._tell(failed)
                return False
        return whole

    async def _keep_signed(self, chain: ChainState, *, last: bool) -> None:
        if chain.org in self._unguarded:
            await self._guard(self._unguarded[chain.org])
        if chain.org != SYSTEM and not self._ended.knows(chain.org):
            await self._ended.keep(chain.org, chain.signed or 0)  # a process may have died before it did
        if self._due(chain, last=last):
            await self._sign(chain)

    async def _close_months(self, chain: ChainState) -> None:
        if self._now() - self._closed_at.get(chain.org, -CLOSE_EVERY_S) >= CLOSE_EVERY_S:
            while (closed := await close_due(self._do, chain.org)) is not None:
                if closed == BEHIND:
                    return  # at the next look: checkpoints do not wait until other processes pause
            self._closed_at[chain.org] = self._now()  # now: what was refused is tried at the next look

    def _due(self, chain: ChainState, *, last: bool) -> bool:
        unsigned = chain.size - (chain.signed or 0)
        if unsigned == 0 and chain.signed is not None:
            return False
        long_ago = self._now() - self._signed_at.get(chain.org, -SIGN_EVERY_S) >= SIGN_EVERY_S
        return last or long_ago or unsigned >= MOST_UNSIGNED

    async def _sign(self, chain: ChainState) -> None:
        org = chain.org
        try:
            known = self._known.get(org) or await asyncio.to_thread(self._guards.read, org) or START
            while chain.size - known.size > READ_AT_ONCE:
                known = self._known[org] = await self._do(
                    org, ReadAgain(Progress(known.size, known.peaks), READ_AT_ONCE)
                )
            signed: Checkpoint | None = await self._do(org, SignHead(self._notary, known))
        except VisitRefusedError as refused:
            if not isinstance(refused.error, ChainNotExtendedError):
                raise
            self._halt(org, refused.error.why)
        except GuardUnreadableError:
            raise  # it says nothing against the chain
        except StartRefusedError as refused:
            self._halt(org, str(refused))
        else:
            if signed is None:
                await self._overtake(org)
            else:
                await self._signed(signed)

    async def _signed(self, signed: Checkpoint) -> None:
        self._overtaken.discard(signed.org)
        self._replaced.discard(signed.org)
        self._known[signed.org] = signed
        self._signed_at[signed.org] = self._now()
        await self._guard(signed)

    async def _overtake(self, org: str) -> None:
        """Take a new key up at once; where it is not in the files, say so, sign nothing and look again."""
        if self._refresh is not None:
            await asyncio.to_thread(self._refresh)
        if org in self._overtaken and org not in self._replaced:
            self._replaced.add(org)
            logger.critical("signing-key-replaced", extra={"chain": org})
        self._overtaken.add(org)

    async def _guard(self, signed: Checkpoint) -> None:
        """Move the ledger of what ended, then the guard; what cannot be written is tried at the next look."""
        self._unguarded[signed.org] = signed
        if signed.org != SYSTEM:
            await self._ended.keep(signed.org, signed.size)
        try:
            await asyncio.to_thread(self._guards.move, signed)
        except GuardUnreadableError:
            raise
        except (GuardForkedError, StartRefusedError) as refused:
            self._halt(signed.org, str(refused))
        self._unguarded.pop(signed.org, None)  # a look for a backup may have been quicker

    async def _index(self, chain: ChainState) -> None:
        left = chain.size - chain.indexed
        for _ in range(PIECES_AT_A_LOOK):
            if left < INDEX_AT_ONCE:
                return
            left = await self._do(chain.org, IndexLines(INDEX_AT_ONCE))

    async def _write_tiles(self, chain: ChainState) -> None:
        left = chain.size // tiles.WIDTH - chain.tiles
        try:
            for _ in range(PIECES_AT_A_LOOK):
                if left <= 0:
                    return
                left = await self._do(chain.org, WriteTiles(TILES_AT_ONCE))
        except VisitRefusedError as refused:
            if not isinstance(refused.error, tiles.TilesBrokenError):
                raise
            self._halt(chain.org, refused.error.why)

    async def _do(self, org: str, work: Work) -> Any:
        visited = await self._visit(Visit(System("checkpoints", org), HOUSEKEEPING, work, purpose="audit"))
        return visited.answer.payload

    def _halt(self, org: str, why: str) -> None:
        self._halted.add(org)
        logger.critical("chain-not-signed", extra={"chain": org, "why": why})

    def _tell(self, failed: Exception) -> None:
        if not self._failing:  # once, not four times a second
            why = failed.error.why if isinstance(failed, VisitRefusedError) else type(failed).__name__
            logger.error("housekeeping-failed", extra={"why": why})
        self._failing = True
