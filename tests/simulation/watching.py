"""The real consumer beside a simulation: it looks every few hours, and what it tells is kept."""

import asyncio
import time
from types import TracebackType
from typing import Self

from app.access.visit import Visit, Visited, VisitRefusedError
from app.alerts.judging import Conclude
from app.alerts.watching import Watching
from app.detection.finding import Finding
from tests.support.world import World


class Watcher:
    """Judges the trail of a world. Put its `look` where the world has come a while further.

    Attributes:
        findings: Everything told, as told: an alert row would have folded what is about the same.
        seconds: How long judging took.
    """

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.seconds = 0.0
        self._runner = asyncio.Runner()
        self._watching: Watching | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._runner.close()

    def look(self, world: World) -> None:
        """Judge everything there is now."""
        began = time.perf_counter()
        self._runner.run(self._look(world))
        self.seconds += time.perf_counter() - began

    async def _look(self, world: World) -> None:
        async def visit(one: Visit) -> Visited:
            world.turn.serve([one])
            if not isinstance(one.outcome, Visited):
                assert one.outcome is not None
                raise VisitRefusedError(one.outcome, one.stamp)
            if isinstance(one.work, Conclude) and one.outcome.answer.payload:
                self.findings += one.work.findings
            return one.outcome

        if self._watching is None:
            self._watching = Watching(visit, lambda: world.now, hurry=True)
        self._watching._visit = visit
        await self._watching.catch_up()
