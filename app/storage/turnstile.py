"""Whoever wants to write to a SQLite file waits in one line with the other processes that want to.

SQLite wakes nobody: whoever finds the file locked looks again after up to a tenth of a second, and a server
that begins its next transaction as soon as it has ended one is never found between two. Beside a busy one,
two commands in three gave up. Here one waits at a turnstile, which it holds until its transaction has begun:
who comes from a transaction finds it taken and lets the other go first.

A courtesy, no lock: correctness is SQLite's own. Who cannot pass in time tries its luck as before
(decision 0034).
"""

import fcntl
import os
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.core.clock import monotonic

_LOOKS_AGAIN_AFTER_S = 0.0005
_WAITS_S = 1.0
"""Below the time-out of the lock itself, so that both together stay below the deadline of a turn."""


class Turnstile:
    """The turnstile before a SQLite file: the lock of its folder, which needs no file of its own."""

    def __init__(self, database: Path) -> None:
        self._folder = os.open(database.parent, os.O_RDONLY | os.O_DIRECTORY)
        self.close = weakref.finalize(self, os.close, self._folder)

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Stand in line, and hold the turnstile until the block has begun the transaction."""
        deadline = monotonic() + _WAITS_S
        while self._taken() and monotonic() < deadline:
            time.sleep(_LOOKS_AGAIN_AFTER_S)
        try:
            yield
        finally:
            with suppress(OSError):
                fcntl.flock(self._folder, fcntl.LOCK_UN)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # a file system without such locks: nobody can stand in line
            return False
        return False
