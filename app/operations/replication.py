"""Looks after the standbys while a process serves: says that there is none, and leaves an old primary.

A commit that waits for nobody is not safe from the loss of its server. Where a standby is expected - several
servers are named, or commits waited before - the log and the metrics say so until they wait again. And where
two servers take writes, this process may still hold on to the older one: its connection is cut, and the
next one goes to the newer (`storage.servers`).
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping

from app.core.clock import monotonic
from app.core.lasting import Lasting
from app.storage.servers import ServerState, survey

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
SAY_AGAIN_S = 3600.0
STANDBYS = {
    "replication_degraded": "1 if commits wait for no standby although one is expected.",
    "replication_primaries": "Servers that take writes; more than 1 is for a person to look at.",
    "replication_standbys": "Standbys attached to the primary.",
}


class ReplicationWatch:
    """Looks at the servers of a database URL. `start` it in the event loop that serves."""

    def __init__(
        self,
        url: str,
        leave: Callable[[int], None],
        *,
        look: Callable[[str], list[ServerState]] = survey,
        now: Callable[[], float] = monotonic,
    ) -> None:
        """Take the database and what makes this process connect anew.

        Args:
            url: Of the database; on SQLite nothing is looked at.
            leave: Cuts the connection of this process if it is to a server of an older timeline than this.
            look: Asks each server.
            now: Seconds from an arbitrary start.
        """
        self._url = url
        self._leave = leave
        self._ask = look
        self._now = now
        self._states: list[ServerState] = []
        self._expected = False
        self._newest_of_two = 0
        self._said_at: float | None = None
        self._stopping = asyncio.Event()
        self.lasting = Lasting("replication-watch", self._run, self._stopping)
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, where there is anything to look at."""
        if not self._url.startswith("sqlite"):
            self._running = asyncio.create_task(self.lasting.run())

    async def stop(self) -> None:
        """End."""
        self._stopping.set()
        if self._running is not None:
            await self._running

    async def _run(self) -> None:
        while not self._stopping.is_set():
            self.take(await asyncio.to_thread(self._ask, self._url))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), LOOK_EVERY_S)

    def take(self, states: list[ServerState]) -> None:
        """Take in what the servers said."""
        self._states = states
        self._expected |= len(states) > 1 or any(one.names for one in states)
        self._tell()
        primaries = [one for one in states if one.role == "primary"]
        newest = max((one.timeline or 0 for one in primaries), default=0)
        if len(primaries) > 1:
            if newest > self._newest_of_two:
                logger.critical("two-primaries", extra={"count": len(primaries)})
            self._newest_of_two = newest
            self._leave(newest)

    @property
    def degraded(self) -> bool:
        """Say whether commits wait for nobody although a standby is expected; False if nobody knows."""
        primary = self._primary
        return self._expected and primary is not None and not primary.names

    @property
    def _primary(self) -> ServerState | None:
        primaries = [one for one in self._states if one.role == "primary"]
        return max(primaries, key=lambda one: one.timeline or 0, default=None)

    def _tell(self) -> None:
        """Say at once that it is degraded, and again every hour until it is not."""
        if not self.degraded:
            if self._said_at is not None and self._primary is not None:
                logger.warning("replication-restored")
                self._said_at = None
            return
        if self._said_at is None or self._now() - self._said_at >= SAY_AGAIN_S:
            logger.error("replication-degraded")
            self._said_at = self._now()

    def gauges(self) -> Mapping[str, int]:
        """Return the metrics; none on SQLite."""
        if not self._states:
            return {}
        return {
            "replication_degraded": int(self.degraded),
            "replication_primaries": sum(one.role == "primary" for one in self._states),
            "replication_standbys": self._primary.standbys if self._primary is not None else 0,
        }
