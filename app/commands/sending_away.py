"""`caretrail backup offsite` and `fetch`: copies in a storage elsewhere, and one brought back from there."""

import asyncio
import os

from app.access.visit import VisitRefusedError
from app.backups import restoring
from app.backups.offsite import Offsite, OffsiteError
from app.backups.offsite_job import offsite_job
from app.commands.bringing_back import notary_of
from app.commands.calling import Caller, sign_what_moved
from app.commands.opening import open_service
from app.commands.starting import begin
from app.commands.telling import result
from app.core.errors import StartRefusedError
from app.core.identifiers import SYSTEM
from app.jobs.scheduler import run_now

_COMMAND = "caretrail backup offsite"


def send(*, as_json: bool) -> None:
    """Send what is missing now; the run is recorded, a failed one too.

    Raises:
        CaretrailError: The storage did not take it.
        StartRefusedError: No storage is named, or the extra is missing.
    """
    settings = begin()
    Offsite(settings)
    with open_service(settings) as service:
        job = offsite_job(settings, service.notary.keys(SYSTEM))
        try:
            told = asyncio.run(run_now(Caller(service, SYSTEM, _COMMAND).do, job))
        except VisitRefusedError as refused:
            raise refused.error from refused
        finally:
            sign_what_moved(service)
    sent = "\n".join(told["sent"]) or "nothing was missing"
    result(told, f"{sent}\n{told['copies']} copies there, the newest {told['newest']}", as_json=as_json)


def fetch(name: str | None, *, as_json: bool) -> None:
    """Fetch a copy onto the shelf; what is not whole or not ours is not kept.

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
    target = settings.backup_dir / chosen
    if target.exists():
        raise StartRefusedError(f"{target} is there already")
    settings.backup_dir.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{chosen}.part")
    try:
        offsite.fetch(chosen, part)
        restoring.check_form(part, notary_of(settings).keys(SYSTEM))
        os.replace(part, target)  # noqa: PTH105 - it replaces nothing: looked above
    finally:
        part.unlink(missing_ok=True)
    result({"path": str(target)}, str(target), as_json=as_json)


def _newest(offsite: Offsite) -> str:
    copies = offsite.copies()
    if not copies:
        raise OffsiteError("There is no copy there.", why="offsite-empty")
    return copies[-1].name
