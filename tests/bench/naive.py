"""The naive variant (d): the same controls, but each request pays its own transaction.

The same `Turn`, statements, entries and routes; a pool of threads, each with a connection of its own,
serves one visit at a time. So every request has its own commit and takes the lock of the chain alone -
as late as it can, which is the best a lock for each request can do.
"""

import asyncio
import queue
import threading
from collections.abc import Callable

from app.access.door import Door
from app.access.turn import Turn
from app.access.visit import Visit, Visited

THREADS = 16


class NaiveDoor(Door):
    """A door at which everyone has a turn alone."""

    def __init__(self, make_turn: Callable[[], Turn], threads: int = THREADS) -> None:
        super().__init__(make_turn())
        self._make_turn = make_turn
        self._alone: queue.SimpleQueue[Visit | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._serve_alone, daemon=True) for _ in range(threads)]

    def open(self) -> None:
        """Start the threads."""
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()

    async def close(self) -> None:
        """Stop the threads."""
        for _ in self._threads:
            self._alone.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join, 5.0)

    async def visit(self, visit: Visit) -> Visited:
        """Wait for a thread and return its answer."""
        visit.future = asyncio.get_running_loop().create_future()
        self._alone.put(visit)
        return await visit.future

    def _serve_alone(self) -> None:
        turn = self._make_turn()
        while (visit := self._alone.get()) is not None:
            turn.serve([visit])
            self._hand_over([visit])
