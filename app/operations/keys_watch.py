"""Keys are unwrapped again before their time is over, where the root key is kept elsewhere.

While its keeper is away the service goes on with what it has unwrapped, until that time is over; then nothing
is opened any more (503), and the service is not ready. When the keeper is back it goes on by itself.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime

from app.core.errors import AuditUnavailableError
from app.core.lasting import Lasting
from app.vault.keyring import Keyring

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5


class KeysWatch:
    """Renews unwrapped keys in this process. `start` it when the door is open, `stop` it before it closes."""

    def __init__(self, keyring: Keyring, now: Callable[[], datetime]) -> None:
        self._keyring, self._now = keyring, now
        self._stopping = asyncio.Event()
        self.lasting = Lasting("keys-watch", self._run, self._stopping)
        self._task: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        """Say whether there is no key whose time is over and that could not be unwrapped again."""
        return not self._away or not self._keyring.over(self._now())

    @property
    def _away(self) -> bool:
        return self._keyring.root.kind != "file"

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
            if self._away:
                await asyncio.to_thread(self.look)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), LOOK_EVERY_S)

    def look(self) -> None:
        """Renew what is due; while the keeper is away, nothing."""
        for org in self._keyring.due(self._now()):
            try:
                self._keyring.renew(org, self._now())
            except AuditUnavailableError:
                return  # told in the log, once, by whoever called
