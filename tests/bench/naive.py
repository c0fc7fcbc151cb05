"""The naive variant (d): the same controls, but each request pays its own transaction.

The same door, `Turn`, statements, entries and routes; every request has a turn to itself, so its own commit,
and takes the lock of the chain alone - as late as it can, which is the best a lock for each request can do.
Several threads, each with a connection of its own, were slower: they wait for each other's lock (652 reads/s
with one, 496 with two, 398 with four, 326 with sixteen at 32 connections).
"""

from app.access.door import Door
from app.access.visit import Visit


class NaiveDoor(Door):
    """A door at which everyone has a turn alone."""

    def _next(self) -> list[Visit]:
        visit = self._queue.get()
        return [] if visit is None else [visit]
