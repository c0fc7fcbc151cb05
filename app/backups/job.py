"""The backup as a job: made by night or when somebody asks, then the shelf is tidied."""

import errno
import logging
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from app.access.operation import Operation
from app.audit.checkpoint import Notary
from app.backups import sealing, shelf
from app.backups.archive import BackupRefusedError
from app.backups.creating import ENDING, Recipe, make
from app.backups.drill_places import sweep_drills
from app.backups.shelf import Rule
from app.core.clock import Clock
from app.core.identifiers import SYSTEM
from app.core.settings import Settings
from app.jobs.schedule import check_cron
from app.jobs.scheduler import Job, JobFailedError, Running
from app.storage.copying import COPYING, Progress
from app.storage.reserve import Reserve

logger = logging.getLogger(__name__)

NAME = "backup"
NO_ROOM = "no-room"
CREATE = Operation("*", "*", "system", "self", "backup.create", 200)


def silent(_done: int, _all: int) -> None:
    """Tell nobody how far a backup is."""


@dataclass(frozen=True, slots=True)
class Means:
    """What backups are made with.

    Attributes:
        settings: Where to, for whom, how many.
        notary: Who signs.
        clock: Where the instant comes from.
        software: Which version makes them.
        engine: Opens the database without time-outs.
        sign: Signs what moved, so that the newest checkpoints travel.
        told: Told how far a backup is.
    """

    settings: Settings
    notary: Notary
    clock: Clock
    software: str
    engine: Callable[[], Engine]
    sign: Callable[[], None]
    told: Progress


def rule(settings: Settings) -> Rule:
    """Return which backups are kept."""
    return Rule(settings.backup_keep_days, settings.backup_keep_weeks, settings.backup_keep_months)


def backup_job(means: Means) -> Job:
    """Return the job that makes a backup.

    Raises:
        StartRefusedError: Its time-table is none.
    """
    cron = check_cron(means.settings.backup_schedule, "CARETRAIL_BACKUP_SCHEDULE")
    return Job(NAME, cron, CREATE, lambda running: _made(means, running))


def _made(means: Means, running: Running) -> dict[str, Any]:
    settings = means.settings
    recipients = sealing.recipients(settings.backup_recipients)
    sweep(settings.backup_dir)
    sweep_drills(settings.data_dir)
    refuse_last_room(settings, settings.backup_dir)
    means.sign()

    def progress(done: int, all_: int) -> None:
        running.go_on()
        means.told(done, all_)

    with ExitStack() as stack:
        engine = means.engine()
        stack.callback(engine.dispose)
        recipe = Recipe(
            engine,
            means.notary,
            settings.deployment,
            means.software,
            settings.backup_dir,
            recipients,
            settings.postgresql_programs,
        )
        try:
            made = make(recipe, means.clock.now(), progress)
        except OSError as error:
            raise _not_written(settings.backup_dir, error) from error
    told = {
        "id": made.manifest["id"],
        "path": str(made.path),
        "sha256": made.sha256,
        "bytes": made.bytes,
        "made_at": made.manifest["made_at"],
        "chains": {org: head["size"] for org, head in made.manifest["chains"].items()},
    }
    return told | {"removed": _tidied(means)}


def refuse_last_room(settings: Settings, folder: Path) -> None:
    """Refuse to fill the disk of the database once the trail lives there from what was kept back for it.

    Raises:
        JobFailedError: It does, and the folder is on that disk.
    """
    reserve = Reserve.beside(settings.database_url.get_secret_value())
    if reserve is not None and reserve.missed and reserve.shares_disk_with(folder):
        why = (
            f"{folder} is on the disk of the database, and that is full: what is left is the trail's. Make"
            " room; backups may go to another disk (CARETRAIL_BACKUP_DIR)"
        )
        raise JobFailedError(NO_ROOM, detail=why)


def _not_written(folder: Path, error: OSError) -> JobFailedError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return JobFailedError(NO_ROOM, detail=f"no room in {folder}: move older backups to another disk")
    reason = error.strerror or str(error)
    return JobFailedError("not-written", detail=f"the folder {folder} cannot be written ({reason})")


def sweep(folder: Path) -> None:
    """Remove what a backup that was killed left: half files, and copies that would outlive an erasure."""
    for left in folder.glob(f"{COPYING}*"):
        shutil.rmtree(left, ignore_errors=True)
    for left in folder.glob(f"*{ENDING}.part"):
        left.unlink(missing_ok=True)


def _tidied(means: Means) -> list[str]:
    """Remove what is old enough; a shelf that cannot be tidied makes no backup a failure."""
    settings = means.settings
    try:
        gone = shelf.tidy(settings.backup_dir, means.notary.keys(SYSTEM), rule(settings), means.clock.now())
    except (BackupRefusedError, OSError) as failed:
        logger.error("backups-not-tidied", extra={"why": type(failed).__name__})  # noqa: TRY400
        return []
    return [path.name for path in gone]
