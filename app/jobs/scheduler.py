"""Runs what is due, in this process, one job at a time.

Several processes may each have a scheduler: a claim decides. A job that was due while nobody ran is run
once, as soon as somebody does. When the process stops, the job under way is asked to stop, too, and is due
again at once.
"""

import asyncio
import contextlib
import logging
import os
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from app.access.operation import Operation
from app.access.pauses import Pauses
from app.access.visit import System, Visit, Visited, VisitRefusedError
from app.access.work import Work
from app.core.clock import monotonic
from app.core.errors import AuditUnavailableError, CaretrailError, OutcomeUnknownError, StartRefusedError
from app.core.identifiers import SYSTEM
from app.core.lasting import Lasting
from app.jobs.lease import LEASE
from app.jobs.works import (
    KEEPING,
    ClaimDue,
    Claimed,
    ClaimNow,
    EndRun,
    Outcome,
    PlanJobs,
    Planned,
    Prolong,
)

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
ENDINGS_TRIED, ENDING_EVERY_S = 10, 3.0
"""A run's end is worth waiting for: a fail-over takes seconds, and the lease a minute."""
HOLD_EVERY_S = LEASE.total_seconds() / 4
Door = Callable[[Visit], Awaitable[Visited]]


class StoppedError(Exception):
    """A job gave up because it was asked to."""


class JobFailedError(Exception):
    """A job could not do its work. `result` says why in `why`, and what else it learned."""

    def __init__(self, why: str, **result: Any) -> None:
        self.result = {"why": why, **result}
        super().__init__(why)


@dataclass(slots=True)
class Running:
    """What a job under way is given."""

    run_id: str
    missed: int
    stopping: threading.Event = field(default_factory=threading.Event)

    def go_on(self) -> None:
        """Return if the job may go on; to be called between its pieces.

        Raises:
            StoppedError: The process stops, or the run was taken away.
        """
        if self.stopping.is_set():
            raise StoppedError


@dataclass(frozen=True, slots=True)
class Job:
    """A recurring job. Its body returns what the run's record shall say: numbers, ids, names of files.

    The body runs in a thread of its own.
    """

    name: str
    cron: str
    operation: Operation
    body: Callable[[Running], dict[str, Any]]


class Scheduler:
    """Looks every few seconds for a job that is due. `start` it when the door is open."""

    def __init__(self, visit: Door, jobs: tuple[Job, ...], *, now: Callable[[], float] = monotonic) -> None:
        """Take what runs a visit through the door, the jobs this process can run, and what tells seconds."""
        self._visit = visit
        self._jobs = {job.name: job for job in jobs}
        self._runner = runner()
        self._stopping = asyncio.Event()
        self.lasting = Lasting("scheduler", self._run, self._stopping)
        self._running: Running | None = None
        self._task: asyncio.Task[None] | None = None
        self._planned = False
        self._failing = False
        self._pauses = Pauses(now)

    @property
    def failing(self) -> bool:
        """Say whether it could not find out what is due, or record a run, when it last tried."""
        return self._failing or self._pauses.failing

    def start(self) -> None:
        """Begin, in the running event loop."""
        if self._jobs:
            self._task = asyncio.create_task(self.lasting.run())

    async def stop(self) -> None:
        """End, after the job under way came to a place where it can stop."""
        self._stopping.set()
        if self._running is not None:
            self._running.stopping.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while not self._stopping.is_set():
            busy = await self.look()
            if not busy:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), LOOK_EVERY_S)

    async def look(self) -> bool:
        """Run the job that is due longest, if one is; say whether one was.

        What could not be asked, and left an entry of that, is asked again after a pause.
        """
        if self._pauses.wait_for(ClaimDue):
            return False
        try:
            with self._pauses.trying(ClaimDue):
                claimed = await self._claim()
        except VisitRefusedError as failed:
            self._tell(failed)
            return False
        self._failing = False
        if claimed is not None:
            await self._carry_out(claimed)
        return claimed is not None

    async def _claim(self) -> Any:
        if not self._planned:
            planned = tuple(Planned(job.name, job.cron) for job in self._jobs.values())
            await self._do(KEEPING, PlanJobs(planned))
            self._planned = True
        return await self._do(KEEPING, ClaimDue(frozenset(self._jobs), self._runner))

    async def _carry_out(self, claimed: Claimed) -> None:
        job = self._jobs[claimed.job]
        self._running = running = Running(claimed.run_id, claimed.missed)
        if self._stopping.is_set():
            running.stopping.set()
        holding = asyncio.create_task(self._hold(running))
        outcome, result = await asyncio.to_thread(_tried, job, running)
        holding.cancel()
        self._running = None
        logger.info("job-ended", extra={"job": job.name, "outcome": outcome})
        for _ in range(ENDINGS_TRIED):
            try:
                await self._do(job.operation, EndRun(claimed.run_id, outcome, result))
            except VisitRefusedError as failed:
                if not isinstance(failed.error, AuditUnavailableError | OutcomeUnknownError):
                    return  # a failed run's end is a failed entry, too; or others have the run
                self._tell(failed)
                await asyncio.sleep(ENDING_EVERY_S)
            else:
                return

    async def _hold(self, running: Running) -> None:
        """Prolong the lease; when it is lost, ask the job to stop: another process has it."""
        while True:
            await asyncio.sleep(HOLD_EVERY_S)
            try:
                held = await self._do(KEEPING, Prolong(running.run_id))
            except VisitRefusedError as failed:
                self._tell(failed)
                continue
            if not held:
                running.stopping.set()
                return

    async def _do(self, operation: Operation, work: Work) -> Any:
        visited = await self._visit(Visit(System("jobs", SYSTEM), operation, work, purpose="administration"))
        return visited.answer.payload

    def _tell(self, failed: VisitRefusedError) -> None:
        if not self._failing:  # once, not every few seconds
            logger.error("jobs-not-kept", extra={"why": failed.error.why})
        self._failing = True


async def run_now(do: Callable[[Operation, Work], Awaitable[Visited]], job: Job) -> dict[str, Any]:
    """Run a job at once, whether or not it is due, and return what its body returned.

    Raises:
        VisitRefusedError: It runs already, or failed; a failure is recorded.
    """
    planned = Planned(job.name, job.cron)
    claimed: Claimed = (await do(KEEPING, ClaimNow(planned, runner()))).answer.payload
    running = Running(claimed.run_id, claimed.missed)

    async def hold() -> None:
        held = True
        while held:
            await asyncio.sleep(HOLD_EVERY_S)
            with contextlib.suppress(VisitRefusedError):  # the next one may pass
                held = (await do(KEEPING, Prolong(claimed.run_id))).answer.payload
        running.stopping.set()

    holding = asyncio.create_task(hold())
    try:
        outcome, result = await asyncio.to_thread(_tried, job, running)
    finally:
        running.stopping.set()  # Ctrl-C: the body ends at its next piece
        holding.cancel()
    await do(job.operation, EndRun(claimed.run_id, outcome, result))
    return result


def runner() -> str:
    """Return the name of this process in the record of a run."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _tried(job: Job, running: Running) -> tuple[Outcome, dict[str, Any]]:
    """Run a job's body. Whatever it raises ends its run, never the scheduler."""
    try:
        return "ok", job.body(running)
    except StoppedError:
        return "stopped", {"why": "asked-to-stop"}
    except JobFailedError as failed:
        return "fail", failed.result
    except (CaretrailError, StartRefusedError) as refused:
        return "fail", {"why": getattr(refused, "why", "refused"), "detail": str(refused)[:500]}
    except Exception as unforeseen:
        logger.exception("job-broke", extra={"job": job.name})
        return "fail", {"why": "unforeseen", "detail": type(unforeseen).__name__}
