"""Sending copies of backups elsewhere, as a job of its own: tried again it makes no second backup."""

from typing import Any

from app.access.operation import Operation
from app.audit.checkpoint import Notary
from app.backups import shelf
from app.backups.ledgers import packed
from app.backups.offsite import Offsite, OffsiteError, refuse_without_extra
from app.core.clock import Clock
from app.core.identifiers import SYSTEM
from app.core.settings import Settings
from app.jobs.schedule import check_cron
from app.jobs.scheduler import Job, JobFailedError

NAME = "backup-offsite"
SEND = Operation("*", "*", "system", "self", "backup.offsite", 200)


def offsite_job(settings: Settings, notary: Notary, clock: Clock) -> Job:
    """Return the job that sends what is missing.

    Args:
        settings: Where the backups are, and where they go.
        notary: Who signs manifests: what is not ours or not whole is not sent.
        clock: Where the instant comes from.

    Raises:
        StartRefusedError: The extra is not installed, or the time-table is none.
    """
    refuse_without_extra()
    cron = check_cron(settings.offsite_schedule, "CARETRAIL_OFFSITE_SCHEDULE")

    def send(_running: object) -> dict[str, Any]:
        offsite = Offsite(settings)
        try:
            sent = offsite.send_missing(shelf.listed(settings.backup_dir, notary.keys(SYSTEM)))
            # after the backups: it tells of all that ended since
            ended = packed(settings.backup_dir)
            ledger = offsite.send_ledgers(ended, clock.now()) if ended is not None else None
            copies = offsite.copies()
        except OffsiteError as failed:
            raise JobFailedError(failed.why, detail=failed.detail) from failed
        except OSError as failed:
            why = f"{failed.filename} cannot be read: {failed.strerror or type(failed).__name__}"
            raise JobFailedError("not-read", detail=why) from failed
        newest = copies[-1].name if copies else None
        return {"sent": sent, "copies": len(copies), "newest": newest, "ledger": ledger}

    return Job(NAME, cron, SEND, send)
