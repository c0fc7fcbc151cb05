"""`caretrail backup offsite` and `fetch`: copies in a storage elsewhere, and one brought back from there."""

import asyncio
import os
from pathlib import Path

from app.access.visit import VisitRefusedError
from app.audit.checkpoint import Notary
from app.backups import restoring
from app.backups.ledgers import take_over
from app.backups.offsite import Offsite, OffsiteError
from app.backups.offsite_job import offsite_job
from app.commands.bringing_back import notary_of
from app.commands.calling import Caller, sign_what_moved
from app.commands.opening import open_service
from app.commands.starting import begin
from app.commands.telling import remark, result
from app.core.errors import StartRefusedError
from app.core.identifiers import SYSTEM
from app.jobs.scheduler import run_now

_COMMAND = "caretrail backup offsite"
_NO_LEDGER = (
    "There is no ledger of what ended with the copies that can be used. Without one `caretrail audit recover`"
    " cannot end again what ended after a backup: look for the folder `ended` of the lost machine."
)


def send(*, as_json: bool) -> None:
    """Send what is missing now; the run is recorded, a failed one too.

    Raises:
        CaretrailError: The storage did not take it.
        StartRefusedError: No storage is named, or the extra is missing.
    """
    settings = begin()
    Offsite(settings)
    with open_service(settings) as service:
        sign_what_moved(service)  # the ledger that is sent reaches up to now
        job = offsite_job(settings, service.notary, service.clock)
        try:
            told = asyncio.run(run_now(Caller(service, SYSTEM, _COMMAND).do, job))
        except VisitRefusedError as refused:
            raise refused.error from refused
        finally:
            sign_what_moved(service)
    sent = "\n".join(told["sent"]) or "nothing was missing"
    result(told, f"{sent}\n{told['copies']} copies there, the newest {told['newest']}", as_json=as_json)


def fetch(name: str | None, *, as_json: bool) -> None:
    """Fetch a copy onto the shelf, and the newest ledger of what ended; what is not ours is not kept.

    Raises:
        StartRefusedError: It is on the shelf already, or there is none.
        CaretrailError: The storage does not hand it over, or it is not what was sent.
    """
    settings = begin()
    offsite = Offsite(settings)
    chosen = name or _newest(offsite)
    if chosen not in {one.name for one in offsite.copies()}:
        raise StartRefusedError(
            "there is no such copy: `caretrail backup fetch` without a name takes the newest"
        )
    target, notary = settings.backup_dir / chosen, notary_of(settings)
    settings.backup_dir.mkdir(parents=True, exist_ok=True)
    ledger = _fetch_ledger(offsite, settings.backup_dir, notary)
    if target.exists():
        raise StartRefusedError(f"{target} is there already; the ledger of what ended was looked after")
    part = target.with_name(f"{chosen}.part")
    try:
        offsite.fetch(chosen, part)
        restoring.check_form(part, notary.keys(SYSTEM))
        os.replace(part, target)  # noqa: PTH105 - it replaces nothing: looked above
    finally:
        part.unlink(missing_ok=True)
    result({"path": str(target), "ledger": ledger}, str(target), as_json=as_json)


def _fetch_ledger(offsite: Offsite, backups: Path, notary: Notary) -> str | None:
    """Take over what came last and is whole; return its name. Of what is not, what can be used is taken."""
    part = backups / ".ledger.part"
    for name in offsite.ledgers():
        try:
            offsite.fetch(name, part)
            if take_over(part, name, backups, notary):
                return name
        finally:
            part.unlink(missing_ok=True)
        remark(f"{name} in the storage is not what was signed: the one before it is taken, too.")
    remark(_NO_LEDGER)
    return None


def _newest(offsite: Offsite) -> str:
    copies = offsite.copies()
    if not copies:
        raise OffsiteError("There is no copy there.", why="offsite-empty")
    return copies[-1].name
