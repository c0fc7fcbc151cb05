"""A turn without a door: for a command, in whose process nobody else waits.

The door gives a commit up that does not end; here somebody has to as well, or a command beside a PostgreSQL
whose standby is away would hang for ever. Only the commit is bounded: what a command does before it may take
its time.
"""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from app.access.door import DEADLINE_S, WATCH_EVERY_S
from app.access.turn import Turn
from app.access.visit import Visit
from app.core.clock import monotonic

logger = logging.getLogger(__name__)


def serve(turn: Turn, visit: Visit, patience_s: float = DEADLINE_S) -> None:
    """Serve one visit and set its outcome. Never raises, and waits for no commit longer than that."""
    with _watched(turn, visit, patience_s):
        turn.serve([visit])


@contextmanager
def _watched(turn: Turn, visit: Visit, patience_s: float) -> Iterator[None]:
    done = threading.Event()

    def watch() -> None:
        since: float | None = None
        while not done.wait(WATCH_EVERY_S):
            if visit.fate != "committing":
                since = None
            elif since is None:
                since = monotonic()
            elif monotonic() - since > patience_s:
                since = None  # what is tried once more after the cut may be stuck as well
                _cut(turn)

    watching = threading.Thread(target=watch, name="commit-watch", daemon=True)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()


def _cut(turn: Turn) -> None:
    """Cut the connection. Whatever that raises, the watch goes on: without it a command may hang."""
    with ThreadPoolExecutor(1) as apart:
        failed = apart.submit(turn.abandon).exception()
    if failed is not None:
        logger.error("commit-not-cut", exc_info=failed)
