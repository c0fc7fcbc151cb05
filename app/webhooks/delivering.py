"""Sends what is due while a process runs: claim, send, record, each on its own, many at a time.

Several processes may each have one; a lease decides who sends what. The HTTP client is an optional extra and
is loaded when there is something to send: without it a process says so in its log and sends nothing, and
what is due waits for one that can.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from app.access.operation import Operation
from app.access.pauses import Pauses
from app.access.visit import System, Visit, Visited, VisitRefusedError
from app.access.work import Work
from app.core.clock import monotonic
from app.core.errors import StartRefusedError
from app.core.extras import refuse_without
from app.core.identifiers import SYSTEM
from app.core.settings import Settings
from app.webhooks.addresses import Lookup
from app.webhooks.claiming import DISPATCH, AnyDue, ClaimMessages, Parcel
from app.webhooks.outbox import DEAD
from app.webhooks.resolving import look_up
from app.webhooks.settling import MOST_PRUNED, SWITCH_OFF, PruneMessages, Settle, SwitchOff
from app.webhooks.trusting import trusted

if TYPE_CHECKING:
    from app.webhooks.sending import Sender

logger = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
PRUNE_EVERY_S: Final = 3600.0
MOST_AT_ONCE: Final = 16
AGAIN_S: Final = 30.0
"""How long after a defect of ours broke it off delivery begins again."""
STOP_S: Final = 3.0
"""How long an attempt under way is waited for when the process stops. One that is cut off goes out again."""
SETTLINGS_TRIED, SETTLE_EVERY_S = 10, 3.0
"""What came of an attempt is worth waiting for: a fail-over takes seconds, and the lease a minute."""

Door = Callable[[Visit], Awaitable[Visited]]


def refuse_without_extra() -> None:
    """Return if messages can be sent from here.

    Raises:
        StartRefusedError: The extra is not installed.
    """
    refuse_without("app.webhooks.sending", "webhooks", "delivering to endpoints")


class Delivering:
    """Sends messages. `start` it when the door is open, `stop` it before it closes."""

    def __init__(
        self,
        visit: Door,
        settings: Settings,
        lookup: Lookup = look_up,
        *,
        now: Callable[[], float] = monotonic,
    ) -> None:
        """Take what runs a visit through the door.

        Args:
            visit: The door.
            settings: Whether this machine may be sent to, and whose certificates are believed.
            lookup: Asks for the addresses of a host.
            now: Seconds from an arbitrary start.

        Raises:
            StartRefusedError: The file of certificate authorities cannot be read.
        """
        self._visit, self._lookup, self._now = visit, lookup, now
        self._pauses = Pauses(now)
        self._loopback = settings.webhooks_allow_loopback
        self._trusted = trusted(settings.webhooks_ca)
        self._sender: Sender | None = None
        self._under_way: dict[asyncio.Task[None], str] = {}
        self._pruned: float | None = None
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._broken = False
        self._silent: set[str] = set()

    @property
    def healthy(self) -> bool:
        """Say whether it goes on: a defect has not broken it off, or a look went through since."""
        return not self._broken

    def gauges(self) -> dict[str, int]:
        """Return whether it goes on, for `/metrics`."""
        return {"webhook_delivery_runs": int(self.healthy)}

    def start(self) -> None:
        """Begin, in the running event loop."""
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """End, after what is under way came back or took too long."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task])
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=STOP_S)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        if self._sender is not None:
            await self._sender.close()
            self._sender = None

    async def _run(self) -> None:
        while not self._stopping.is_set():
            begun = await self.look()
            self._broken = False
            if begun and self._under_way:  # there may be more: go on as soon as one came back
                await asyncio.wait(self._under_way, timeout=LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), LOOK_EVERY_S)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Begin again later, if it was a defect that ended it: what waits is in the database."""
        if task.cancelled() or (failed := task.exception()) is None:
            return
        self._broken = True
        logger.critical("webhooks-broken-off", exc_info=failed)
        task.get_loop().call_later(AGAIN_S, self.start)  # which ends at once if it is to stop

    async def look(self) -> int:
        """Begin to send what is due, as much as can be under way; return how many messages those are."""
        try:
            await self._prune()
            free = MOST_AT_ONCE - len(self._under_way)
            if free <= 0 or not await self._keep(AnyDue()) or not self._able():
                return 0
            claim = ClaimMessages(free, Counter(self._under_way.values()))
            parcels: list[Parcel] = await self._keep(claim) or []
        except VisitRefusedError as failed:
            self._tell_once("webhooks-not-kept", failed.error.why)
            return 0
        self._silent.discard("webhooks-not-kept")
        for parcel in parcels:
            task = asyncio.create_task(self._deliver(parcel))
            self._under_way[task] = parcel.webhook_id
            task.add_done_callback(self._done)
        return len(parcels)

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.pop(task, None)
        if not task.cancelled() and (failed := task.exception()) is not None:
            # a defect of ours: its lease ends, and after so many tries the message is given up
            logger.error("webhook-attempt-broken", exc_info=failed)

    def _able(self) -> bool:
        """Say whether anything can be sent from here; load what it takes if so."""
        if self._sender is None:
            try:
                refuse_without_extra()
            except StartRefusedError as lacking:
                self._tell_once("webhooks-not-delivered", str(lacking))
                return False
            from app.webhooks.sending import Sender

            self._sender = Sender(self._trusted, loopback=self._loopback, lookup=self._lookup)
        return True

    async def _deliver(self, parcel: Parcel) -> None:
        assert self._sender is not None  # noqa: S101 - `_able` said so
        came = await self._sender.send(parcel.url, parcel.headers, parcel.body)
        follows = await self._settle(Settle(parcel, came))
        if follows is None:
            return
        named = {"chain": parcel.org, "row": parcel.message_id, "outcome": came.outcome}
        if follows["status"] == DEAD:
            logger.warning("webhook-dead-letter", extra=named)
        if follows["off"] is not None:
            await self._switch_off(parcel, follows["off"])

    async def _settle(self, work: Settle) -> dict[str, Any] | None:
        for _ in range(SETTLINGS_TRIED):
            try:
                follows: dict[str, Any] = await self._do(DISPATCH, work)
            except VisitRefusedError as failed:
                self._tell_once("webhooks-not-kept", failed.error.why)
                await asyncio.sleep(SETTLE_EVERY_S)
            else:
                return follows
        return None

    async def _switch_off(self, parcel: Parcel, because: str) -> None:
        work = SwitchOff(parcel.webhook_id, because, parcel.version)
        with contextlib.suppress(VisitRefusedError):  # somebody was faster, or the next dead letter does it
            await self._do(SWITCH_OFF, work, parcel.org)
            named = {"chain": parcel.org, "row": parcel.webhook_id, "why": because}
            logger.error("webhook-switched-off", extra=named)

    async def _prune(self) -> None:
        now = self._now()
        if self._pruned is None or now - self._pruned >= PRUNE_EVERY_S:
            pruned = await self._keep(PruneMessages())
            # where there is more, or it is left alone for now: at the next look
            self._pruned = now if pruned is not None and pruned < MOST_PRUNED else None

    async def _keep(self, work: Work) -> Any:
        """Do what a look does; what failed with an entry is left alone for a while, and answers None then."""
        what = type(work)
        if self._pauses.wait_for(what):
            return None
        with self._pauses.trying(what):
            return await self._do(DISPATCH, work)

    async def _do(self, operation: Operation, work: Work, org: str = SYSTEM) -> Any:
        visit = Visit(System("webhooks", org), operation, work, purpose="administration")
        return (await self._visit(visit)).answer.payload

    def _tell_once(self, what: str, why: str) -> None:
        if what not in self._silent:  # once, not every second
            logger.error(what, extra={"why": why})
        self._silent.add(what)
