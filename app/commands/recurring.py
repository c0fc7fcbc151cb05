"""Which jobs recur, and `caretrail worker`, which runs them in a process of its own."""

import asyncio
import logging
import signal
from collections.abc import Callable

from app.access.door import Door
from app.backups.drill_places import sweep_drills
from app.backups.job import Means, backup_job, silent
from app.backups.offsite_job import offsite_job
from app.commands.drilling import drill_job
from app.commands.opening import open_service
from app.commands.starting import begin
from app.commands.usable import refuse_unusable
from app.continuity.job import PackMeans, continuity_job
from app.incidents.clock_job import incident_clocks
from app.jobs.one_by_one import Waiting
from app.jobs.scheduler import Job
from app.main import Service
from app.residents.deadlines_job import record_deadlines
from app.serving import Telling, housekeeping, scheduler
from app.storage.copying import Progress
from app.storage.engine import open_engine
from app.trail.export_files import software

logger = logging.getLogger(__name__)


def while_serving(service: Service, sign: Callable[[], None], visit: Waiting) -> tuple[Job, ...]:
    """Return the jobs of a serving process: none where a worker runs them."""
    sweep_drills(service.settings.data_dir)
    return recurring(service, sign, visit) if service.settings.jobs == "serve" else ()


def recurring(service: Service, sign: Callable[[], None], visit: Waiting) -> tuple[Job, ...]:
    """Return the jobs of a deployment.

    Args:
        service: The deployment.
        sign: Signs every chain that moved.
        visit: Takes a visit of a job's thread through the door.

    Raises:
        StartRefusedError: A time-table is none.
    """
    looking = (incident_clocks(visit), record_deadlines(visit))
    return (*_backing_up(service, sign), *_packing(service, sign, visit), *looking)


def _packing(service: Service, sign: Callable[[], None], visit: Waiting) -> tuple[Job, ...]:
    settings = service.settings
    if not settings.continuity_recipients.exists():
        logger.warning("no-continuity-packs", extra={"why": f"{settings.continuity_recipients} is missing"})
        return ()
    reason = "caretrail continuity pack, by its time-table"
    return (continuity_job(PackMeans(settings, service.notary, visit, "jobs", reason, sign)),)


def _backing_up(service: Service, sign: Callable[[], None]) -> tuple[Job, ...]:
    settings = service.settings
    if not settings.backup_recipients.exists():
        logger.warning("no-backups", extra={"why": f"{settings.backup_recipients} is missing"})
        return ()
    backup = backup_job(backup_means(service, sign, silent))
    drill = (drill_job(settings, service.clock),) if settings.backup_identity.exists() else ()
    return (backup, *drill, *_sending(service))


def _sending(service: Service) -> tuple[Job, ...]:
    settings = service.settings
    if settings.offsite_bucket is None:
        return ()
    return (offsite_job(settings, service.notary, service.clock),)


def backup_means(service: Service, sign: Callable[[], None], told: Progress) -> Means:
    """Return what backups of a deployment are made with."""
    url = service.settings.database_url.get_secret_value()
    return Means(
        service.settings,
        service.notary,
        service.clock,
        software(),
        lambda: open_engine(url, patient=True),
        sign,
        told,
    )


def work() -> None:
    """Run what recurs until told to stop. Beside serving processes that have CARETRAIL_JOBS=worker.

    Raises:
        StartRefusedError: A time-table is none, or an extra that a job wants is missing.
    """
    settings = begin()
    refuse_unusable(settings)
    with open_service(settings) as service:
        asyncio.run(_working(service))


async def _working(service: Service) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for told in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(told, stopping.set)
    door = Door(service.turn)
    keeping = housekeeping(service, door)
    sweep_drills(service.settings.data_dir)
    jobs = scheduler(service, door, keeping, recurring)  # first: a time-table that is none is told here
    telling = Telling(service, door, judged_by=("on", "worker"))
    door.open()
    keeping.start()
    jobs.start()
    telling.start()
    logger.info("working")
    await stopping.wait()
    await telling.stop()
    await jobs.stop()
    await keeping.stop()
    await door.close()
