"""A process that judges the trail of a deployment until everything is judged, or it is killed.

    python -m tests.support.judging_process FOLDER URL SECONDS_AHEAD PIECE

Its clock is some seconds ahead: so the lease of one that was killed is over at once.
"""

import asyncio
import sys
from datetime import datetime, timedelta
from pathlib import Path

from app.access.visit import Visit, Visited, VisitRefusedError
from app.alerts.watching import Watching
from app.core.clock import SystemClock
from app.core.settings import Settings
from app.main import assemble

QUIET_LOOKS = 2


class Ahead:
    """The machine's clock, some seconds ahead."""

    def __init__(self, seconds: float) -> None:
        self._ahead = timedelta(seconds=seconds)

    def now(self) -> datetime:
        """Return the present instant of this process."""
        return SystemClock().now() + self._ahead


async def judge(folder: Path, url: str, ahead: float, piece: int) -> None:
    """Judge until two looks in a row find nothing left."""
    clock = Ahead(ahead)
    settings = Settings(data_dir=folder, database_url=url, deployment="test.example")
    service = assemble(settings, clock)

    async def visit(one: Visit) -> Visited:
        await asyncio.to_thread(service.turn.serve, [one])
        if not isinstance(one.outcome, Visited):
            assert one.outcome is not None
            raise VisitRefusedError(one.outcome, one.stamp)
        return one.outcome

    watching = Watching(visit, clock.now, piece=piece)
    quiet = 0
    while quiet < QUIET_LOOKS:
        busy = await watching.look()
        quiet = 0 if busy or watching.gauges()["detection_lines_behind"] else quiet + 1
        await asyncio.sleep(0.01)
    await watching.stop()
    service.turn.close()
    service.engine.dispose()


if __name__ == "__main__":
    asyncio.run(judge(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4])))
