"""What runs while a process serves or works: the door, and beside it what keeps, checks, watches and tells.

Each has `start` and `stop`. They are started in one order and stopped in the other, whatever happens between.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

from app.access.door import Door
from app.access.pauses import Pauses
from app.access.visit import Visit, Visited
from app.alerts.watching import Watching
from app.core.clock import monotonic
from app.core.lasting import Lasting
from app.http.factory import Application, application
from app.http.presenting import Desk
from app.identity.adopting import adopt_roles
from app.identity.folding import fold_while_serving
from app.identity.set_back import revive_none
from app.incidents.known import open_incidents
from app.jobs.scheduler import Scheduler
from app.main import ALL_KINDS, Recurring, Service, no_jobs
from app.operations.disk_watch import DiskWatch
from app.operations.keys_watch import KeysWatch
from app.operations.readings import Readings
from app.operations.replication import ReplicationWatch
from app.trail.clock_watch import ClockWatch
from app.trail.housekeeping import Housekeeping
from app.trail.self_check import Means
from app.trail.self_checking import SelfCheck
from app.vault.keepers import keyring_for
from app.webhooks.delivering import Delivering


class Companion(Protocol):
    """Something that runs beside."""

    def start(self) -> None:
        """Begin, in the running event loop."""

    async def stop(self) -> None:
        """End, at a place where it can."""


class Telling:
    """Judges the trail, if it is to, and tells other systems: in a server, or in a worker."""

    def __init__(self, service: Service, door: Door, *, judged_by: tuple[str, ...]) -> None:
        """Take the door.

        Args:
            service: The deployment.
            door: Its door.
            judged_by: With which settings of who judges this process does.

        Raises:
            StartRefusedError: A setting of what tells other systems does not fit.
        """
        watching = Watching(door.visit, service.clock.now, open_incidents)
        self._watching = watching if service.settings.detection in judged_by else None
        self._delivering = Delivering(door.visit, service.settings)

    def gauges(self) -> dict[str, int]:
        """Return how far judging is, for `/metrics`, if this process judges, and whether it tells."""
        judging = self._watching.gauges() if self._watching is not None else {}
        return judging | self._delivering.gauges()

    def start(self) -> None:
        """Begin, in the running event loop."""
        if self._watching is not None:
            self._watching.start()
        self._delivering.start()

    async def stop(self) -> None:
        """End."""
        await self._delivering.stop()
        if self._watching is not None:
            await self._watching.stop()


def self_check(service: Service, door: Door) -> SelfCheck:
    """Return what checks trail and rows while a process serves. It runs beside, with a keyring of its own."""
    settings = service.settings
    keyring = keyring_for(settings, service.entropy)
    means = Means(service.engine, keyring, service.notary, ALL_KINDS, service.clock.now, service.entropy)
    return SelfCheck(door.visit, means, settings.self_check_rows)


def housekeeping(service: Service, door: Door) -> Housekeeping:
    """Return what keeps the trail in order while a process serves."""
    return Housekeeping(
        door.visit,
        service.notary,
        service.guards,
        anchors=service.settings.anchors_dir,
        backups=service.settings.backup_dir,
        refresh=service.signing.refresh,
    )


def scheduler(service: Service, door: Door, keeping: Housekeeping, recurring: Recurring) -> Scheduler:
    """Return what runs the recurring jobs of a deployment in this process."""
    loop = asyncio.get_running_loop()

    def sign() -> None:
        """Sign what moved; called in a job's thread."""
        asyncio.run_coroutine_threadsafe(keeping.look(last=True), loop).result()

    def visit(one: Visit) -> Visited:
        """Take a visit through the door; called in a job's thread."""
        return asyncio.run_coroutine_threadsafe(door.visit(one), loop).result()

    return Scheduler(door.visit, recurring(service, sign, visit))


def http(service: Service, shared: Desk, recurring: Recurring = no_jobs) -> Application:
    """Return the HTTP application of a service. Its door opens and closes with the server.

    Args:
        service: The service.
        shared: What its routes share.
        recurring: Which jobs it runs on the side.
    """

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        """Open the door and keep everything in order while the server runs."""
        async with AsyncExitStack() as running:
            running.callback(shared.passwords.close)
            running.callback(service.engine.dispose)  # SQLite then merges its log into the one file
            running.callback(service.turn.close)
            running.push_async_callback(shared.door.close)
            shared.door.open()
            await revive_none(shared.door.visit)
            await adopt_roles(shared.door.visit)
            await shared.forget()  # an erasure may have been the last thing before a crash
            await _beside(service, shared, recurring, running)
            yield

    settings = service.settings
    over_tls = bool(settings.tls_cert) or settings.behind_tls_proxy
    return application(shared, lifespan, over_tls=over_tls, log_requests=settings.log_requests)


async def _beside(service: Service, shared: Desk, recurring: Recurring, running: AsyncExitStack) -> None:
    """Start what runs beside the answering, and have it stopped with the rest."""
    door, settings = shared.door, service.settings
    keeping, checking = housekeeping(service, door), self_check(service, door)
    renewing = KeysWatch(service.keyring, service.clock.now)
    watch = DiskWatch(door.visit, settings, service.reserve)
    await watch.look()
    standbys = ReplicationWatch(settings.database_url.get_secret_value(), service.turn.abandon)
    jobs = scheduler(service, door, keeping, recurring)
    own = (keeping, checking, renewing, watch, standbys, jobs)
    companions: list[Companion] = [*own]
    folds, clock = Pauses(monotonic), ClockWatch(door.visit, service.clock.now)
    folding = Lasting("throttle-folding", lambda: fold_while_serving(door.visit, pauses=folds))
    timing = Lasting("clock-watch", clock.run)
    trying = (keeping, checking, watch, jobs, clock, folds)
    lasting = [*(one.lasting for one in own), folding, timing]
    gauges: list[Callable[[], Mapping[str, int]]] = [
        checking.gauges,
        lambda: {"companions_broken_off": sum(one.broken for one in lasting)},
        lambda: {"companions_failing": sum(one.failing for one in trying)},
    ]
    if settings.jobs == "serve":
        telling = Telling(service, door, judged_by=("on",))
        companions.append(telling)
        gauges.append(telling.gauges)
    shared.sound = lambda: (
        all(one.healthy and not one.lasting.broken for one in (keeping, checking, renewing))
        and not service.keyring.outdated
        and not watch.full
    )
    shared.metrics = Readings(
        door.visit,
        settings,
        lambda: {name: value for read in gauges for name, value in read().items()},
        shared.sound,
        lambda: shared.unrecognised,
        standbys.gauges,
    ).text
    for one in companions:
        one.start()
        running.push_async_callback(one.stop)
    for loop in (folding, timing):
        running.push_async_callback(_cancelled, asyncio.create_task(loop.run()))


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
