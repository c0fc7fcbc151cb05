"""The continuity pack as a job: on its time-table or when somebody asks, a file for each home.

A home whose pack cannot be made keeps its last one and does not keep the others from theirs; the run fails
then, and says which and why.

Source: DSPT 7.1.2 (what care goes on with when the systems are down).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.access.operation import Operation
from app.access.visit import System, Visit, Visited, VisitRefusedError
from app.access.work import Work
from app.audit.checkpoint import Notary
from app.continuity import recipients
from app.continuity.pack import renderer
from app.continuity.packing import Packer, PackFailedError
from app.continuity.works import PACK, ListSites, Site
from app.core.identifiers import SYSTEM
from app.core.settings import Settings
from app.jobs.schedule import check_cron
from app.jobs.scheduler import Job, JobFailedError, Running
from app.printing.typesetting import NOT_TYPESET

NAME = "continuity"
RUN = Operation("*", "*", "system", "self", "continuity.run", 200)


@dataclass(frozen=True, slots=True)
class PackMeans:
    """What packs are made with.

    Attributes:
        settings: Where to, for whom, how many.
        notary: Who signs: tells what the trails are called.
        visit: Takes a visit through the door and waits; called in the job's thread.
        actor: As which part of the system they are made.
        reason: Who ran it, for the entries.
        sign: Signs every chain that moved.
    """

    settings: Settings
    notary: Notary
    visit: Callable[[Visit], Visited]
    actor: str
    reason: str
    sign: Callable[[], None]

    def ask(self, org: str, operation: Operation, work: Work) -> Visited:
        """Have a work done in a provider's chain.

        Raises:
            VisitRefusedError: It was refused or failed.
        """
        return self.visit(Visit(System(self.actor, org), operation, work, reason=self.reason))


def continuity_job(means: PackMeans, home_id: str | None = None) -> Job:
    """Return the job that makes the packs of all homes, or of one.

    Raises:
        StartRefusedError: Its time-table is none.
    """
    cron = check_cron(means.settings.continuity_schedule, "CARETRAIL_CONTINUITY_SCHEDULE")
    return Job(NAME, cron, RUN, lambda running: _run(means, running, home_id))


def _run(means: PackMeans, running: Running, home_id: str | None) -> dict[str, Any]:
    settings = means.settings
    everyone = recipients.read(settings.continuity_recipients)
    render = renderer(settings.continuity_format)
    if not settings.continuity_dir.is_dir():
        why = f"the folder {settings.continuity_dir} is not there; is it unplugged? It is never made here"
        raise JobFailedError("no-folder", detail=why)
    packer = Packer(
        means.ask, running.go_on, means.notary, means.sign, settings, settings.continuity_dir, render
    )
    made: list[dict[str, Any]] = []
    faults: list[dict[str, str]] = []
    for site in _sites(means, home_id):
        running.go_on()
        try:
            pack = packer.pack(site, recipients.of_home(everyone, site.org, site.id))
        except PackFailedError as failed:
            faults.append(_fault(site, failed.why, failed.detail))
            continue
        made.append(pack)
        faults += _flaws(site, pack, settings.continuity_format)
    if faults:
        detail = "; ".join(f"{fault['name']}: {fault['detail']}" for fault in faults)
        raise JobFailedError(faults[0]["why"], detail=detail, packs=made, faults=faults)
    return {"packs": made}


def _flaws(site: Site, pack: dict[str, Any], wanted: str) -> list[dict[str, str]]:
    """Return what is wrong with a pack that was made all the same."""
    flaws = []
    if pack["missing"]:
        told = f"{len(pack['missing'])} residents are not in it, because their records do not open"
        flaws.append(_fault(site, "residents-missing", told))
    if pack["format"] != wanted:
        told = f"it could not be made into a PDF and lies there as {pack['format'].upper()}: open that"
        flaws.append(_fault(site, NOT_TYPESET, told))
    return flaws


def _fault(site: Site, why: str, detail: str) -> dict[str, str]:
    return {"home": site.id, "name": site.name, "why": why, "detail": detail}


def _sites(means: PackMeans, home_id: str | None) -> list[Site]:
    try:
        sites: list[Site] = means.ask(SYSTEM, PACK, ListSites()).answer.payload
    except VisitRefusedError as refused:
        raise JobFailedError(refused.error.why, detail=refused.error.detail) from refused
    return [site for site in sites if home_id in (None, site.id)]
