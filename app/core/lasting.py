"""A task beside the serving that lasts: what breaks it off is told, and after a pause it begins again.

Each such task names the failures it expects and goes on after them. One that nobody thought of would end it
unseen, and what it watches or keeps would not be watched or kept any more.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

AGAIN_S = 30.0
"""How long after a defect of ours broke it off it begins again."""


class Lasting:
    """Goes on with one task until it ends by itself."""

    def __init__(
        self, name: str, run: Callable[[], Awaitable[None]], stopping: asyncio.Event | None = None
    ) -> None:
        """Take the task.

        Args:
            name: What the log calls it.
            run: Begins it, as often as it takes; returns when it is to stop.
            stopping: Set when it is to stop; none for one that is cancelled.
        """
        self._name, self._run = name, run
        self._stopping = stopping or asyncio.Event()
        self._broken = False

    @property
    def broken(self) -> bool:
        """Say whether a defect has broken it off and it has not begun again yet."""
        return self._broken

    async def run(self) -> None:
        """Run it to its end."""
        while not await self._ended():
            self._broken = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), AGAIN_S)
                return
            self._broken = False

    async def _ended(self) -> bool:
        (failed,) = await asyncio.gather(self._run(), return_exceptions=True)
        if failed is None or isinstance(failed, asyncio.CancelledError):
            return True
        # no more of it: its text may be about people
        logger.critical("broken-off", extra={"kind": self._name, "cause": type(failed).__name__})
        return False
