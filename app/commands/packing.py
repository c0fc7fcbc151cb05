"""`caretrail continuity pack`: make the packs of all homes now, or of one."""

import asyncio
from typing import Any

from app.access.visit import Visit, Visited, VisitRefusedError
from app.commands.calling import CLI, Caller, operating_user, sign_what_moved
from app.commands.importing import organisation_of
from app.commands.opening import open_service
from app.commands.starting import begin
from app.commands.telling import remark, result
from app.continuity.job import PackMeans, continuity_job
from app.core.identifiers import SYSTEM
from app.jobs.scheduler import run_now
from app.main import Service
from app.trail.housekeeping import Housekeeping

COMMAND = "caretrail continuity pack"


def pack(home_id: str | None, *, as_json: bool) -> None:
    """Make packs now. Works beside a running service; one run at a time.

    Raises:
        NotFoundError: There is no such home; nothing is run then.
        CaretrailError: One could not be made; the run is recorded all the same, and the others are there.
    """
    with open_service(begin()) as service:
        if home_id is not None:
            organisation_of(service, home_id)
        try:
            told = asyncio.run(_packed(service, home_id))
        except VisitRefusedError as refused:
            raise refused.error from refused
        finally:
            sign_what_moved(service)
    lines = [f"{one['path']}\n  {one['residents']} residents, as of {one['as_of']}" for one in told["packs"]]
    result(told, "\n".join(lines) or "there is no home", as_json=as_json)
    remark("Print the newest, and destroy the one before. How to open it stands beside it, in README.txt.")


async def _packed(service: Service, home_id: str | None) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    caller = Caller(service, SYSTEM, COMMAND)
    keeping = Housekeeping(caller.visit, service.notary, service.guards)

    def visit(one: Visit) -> Visited:
        """Serve a visit of the job's thread in this one: a turn belongs to one thread."""
        return asyncio.run_coroutine_threadsafe(caller.visit(one), loop).result()

    def sign() -> None:
        asyncio.run_coroutine_threadsafe(keeping.look(last=True), loop).result()

    reason = f"{COMMAND}, run by {operating_user()}"
    means = PackMeans(service.settings, service.notary, visit, CLI, reason, sign)
    return await run_now(caller.do, continuity_job(means, home_id))
