"""The one door to personal data.

Nothing below this module is read, changed or deleted but inside a turn it opened, because only a turn
issues a `Receipt`, and without one the connection executes no statement (`storage.guard`) and the
vault hands out no key (`vault.keyring`).

Requests that arrive while a turn is committing wait here and form the next one; there is no timer, and
a lone request is a turn of one. One thread serves the turns of a process. A watch in the event loop
answers everyone with 503 when that thread dies or overruns its deadline: never a hang, never a false
success. The waiting room is large but bounded; when it is full, newcomers are refused at once.

Not proven here: that the person holding a token is its owner, nor that the newest entries were not cut
off later (`audit.checkpoint`).

Source: AUDIT-2, promises P1, P3 and P6.
"""

import asyncio
import contextlib
import logging
import queue
import threading
from collections import deque

from app.access.turn import Turn
from app.access.visit import Visit, Visited, VisitRefusedError, withdraw
from app.core.clock import monotonic
from app.core.errors import AuditUnavailableError, CaretrailError, OutcomeUnknownError

logger = logging.getLogger(__name__)

MOST_VISITS = 64
MOST_BYTES = 1 << 20
ROOM = 2048
DEADLINE_S = 5.0
WATCH_EVERY_S = 0.1


class Door:
    """Where visits wait, and the thread that serves them."""

    def __init__(self, turn: Turn, *, deadline_s: float = DEADLINE_S, room: int = ROOM) -> None:
        self._turn = turn
        self._deadline_s = deadline_s
        self._room = room
        self._queue: queue.SimpleQueue[Visit | None] = queue.SimpleQueue()
        self._waiting: deque[Visit] = deque()
        self._inside: set[Visit] = set()
        self._since: float | None = None  # when the turn under way began
        self._closing = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watch: asyncio.TimerHandle | None = None

    # --- in the event loop --------------------------------------------------------------------

    def open(self) -> None:
        """Start serving. Called in the event loop that will await the answers."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="turn", daemon=True)
        self._thread.start()
        self._watch = self._loop.call_later(WATCH_EVERY_S, self._look)

    async def close(self) -> None:
        """Serve who is inside, then stop."""
        self._closing = True
        self._queue.put(None)
        while self._thread is not None and self._thread.is_alive() and self._inside:
            await asyncio.sleep(0.01)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, self._deadline_s)
        if self._watch is not None:
            self._watch.cancel()

    async def visit(self, visit: Visit) -> Visited:
        """Wait for a turn and return its answer.

        Raises:
            VisitRefusedError: The visit was refused or failed; carries the error and the receipt.
        """
        if self._closing or self._loop is None or len(self._inside) >= self._room:
            raise VisitRefusedError(AuditUnavailableError(why="busy"), None)
        if self._thread is None or not self._thread.is_alive():
            raise VisitRefusedError(AuditUnavailableError(why="dead"), None)
        visit.future = self._loop.create_future()
        self._inside.add(visit)
        self._queue.put(visit)
        # The turn goes on when the client leaves: its entry stands, and COMMIT is never cancelled.
        return await visit.future

    def _release(self, visits: list[Visit]) -> None:
        """Answer visits; the watch may have been first."""
        for visit in visits:
            visit.left = True
            self._inside.discard(visit)
            if visit.future is None or visit.future.done():
                continue
            match visit.outcome:
                case Visited() as visited:
                    visit.future.set_result(visited)
                case CaretrailError() as error:
                    visit.future.set_exception(VisitRefusedError(error, visit.stamp))
                case None:
                    began = visit.fate == "committing"  # its thread died in the commit
                    error = OutcomeUnknownError() if began else AuditUnavailableError()
                    visit.future.set_exception(VisitRefusedError(error, None))

    def _look(self) -> None:
        """Look after the turn, and again: a look that met an error is not the last one."""
        if self._loop is None:
            return
        try:
            self._look_after_the_turn()
        finally:
            self._watch = self._loop.call_later(WATCH_EVERY_S, self._look)

    def _look_after_the_turn(self) -> None:
        """Answer everyone when the turn thread is gone or late."""
        dead = self._thread is None or not self._thread.is_alive()
        if dead and self._inside:
            self._answer_everyone()
        elif self._late():
            self._answer_everyone()
            self._abandon()

    def _late(self) -> bool:
        since = self._since
        return since is not None and monotonic() - since > self._deadline_s

    def _answer_everyone(self) -> None:
        """Take back whom the turn has not begun to commit; of the others nobody knows."""
        for visit in list(self._inside):
            if withdraw(visit):
                visit.outcome, visit.stamp = AuditUnavailableError(), None
            elif visit.outcome is None:
                visit.outcome, visit.stamp = OutcomeUnknownError(), None
            self._release([visit])

    def _abandon(self) -> None:
        """Cut the connection of a stuck turn, so that its thread comes back with an error."""
        logger.error("turn-overran")
        self._turn.abandon()

    # --- in the turn thread -------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            visits = self._next()
            if not visits:
                return
            visits = [v for v in visits if not v.left]
            self._since = monotonic()
            try:
                self._turn.serve(visits)
            finally:
                self._since = None
                self._hand_over(visits)

    def _hand_over(self, visits: list[Visit]) -> None:
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._release, visits)

    def _next(self) -> list[Visit]:
        """Block for one visit, then take all that can share its turn. Empty when the door closes."""
        if not self._waiting:
            visit = self._queue.get()
            if visit is None:
                return []
            self._waiting.append(visit)
        closing = False
        while not self._queue.empty():
            visit = self._queue.get_nowait()
            if visit is None:
                closing = True
            else:
                self._waiting.append(visit)
        if closing:
            self._queue.put(None)
        return share_a_turn(self._waiting)


def share_a_turn(waiting: deque[Visit]) -> list[Visit]:
    """Take from the front the visits that can share a turn.

    At most `MOST_VISITS` and `MOST_BYTES`; one that wants a turn of its own gets it; no row and no
    idempotency key is changed twice in one turn, the later visit keeps its place for the next.
    """
    if waiting[0].work.alone:
        return [waiting.popleft()]
    taken: list[Visit] = []
    put_off: list[Visit] = []
    keys: set[object] = set()
    size = 0
    while waiting and len(taken) < MOST_VISITS and not waiting[0].work.alone:
        if taken and size + waiting[0].bytes > MOST_BYTES:
            break
        visit = waiting.popleft()
        own = visit.keys
        if keys & own:
            put_off.append(visit)
            continue
        keys |= own
        size += visit.bytes
        taken.append(visit)
    waiting.extendleft(reversed(put_off))
    return taken
