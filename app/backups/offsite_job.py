"""Sending copies of backups elsewhere, as a job of its own: tried again it makes no second backup."""

from collections.abc import Sequence
from typing import Any

from app.access.operation import Operation
from app.audit.verify import Key
from app.backups import shelf
from app.backups.offsite import Offsite, OffsiteError, refuse_without_extra
from app.core.settings import Settings
from app.jobs.schedule import check_cron
from app.jobs.scheduler import Job, JobFailedError

NAME = "backup-offsite"
SEND = Operation("*", "*", "system", "self", "backup.offsite", 200)


def offsite_job(settings: Settings, keys: Sequence[Key]) -> Job:
    """Return the job that sends what is missing.

    Args:
        settings: Where the backups are, and where they go.
        keys: Who signs manifests: what is not ours or not whole is not sent.

    Raises:
        StartRefusedError: The extra is not installed, or the time-table is none.
    """
    refuse_without_extra()
    cron = check_cron(settings.offsite_schedule, "CARETRAIL_OFFSITE_SCHEDULE")

    def send(_running: object) -> dict[str, Any]:
        offsite = Offsite(settings)
        try:
            sent = offsite.send_missing(shelf.listed(settings.backup_dir, keys))
            copies = offsite.copies()
        except OffsiteError as failed:
            raise JobFailedError(failed.why, detail=failed.detail) from failed
        return {"sent": sent, "copies": len(copies), "newest": copies[-1].name if copies else None}

    return Job(NAME, cron, SEND, send)
