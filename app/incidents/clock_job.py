"""The job that looks at the clocks: it finds what runs, and has the warnings given that are due."""

from typing import Any, Final

from app.access.operation import Operation
from app.access.visit import System, Visit
from app.core.identifiers import SYSTEM
from app.incidents.warning import ACT, FindWaiting, GiveWarnings
from app.jobs.one_by_one import Waiting, asked, one_by_one
from app.jobs.scheduler import Job, JobFailedError, Running

NAME: Final = "incident-clocks"
EVERY_QUARTER_OF_AN_HOUR: Final = "*/15 * * * *"
RUN: Final = Operation("*", "*", "system", "self", "incident.clocks", 200)
_WARN: Final = Operation("*", "*", "system", "self", ACT, 200)
_ACTOR: Final = "incidents"


def incident_clocks(visit: Waiting) -> Job:
    """Return the job.

    Args:
        visit: Takes a visit through the door and waits; called in the job's thread.
    """
    return Job(NAME, EVERY_QUARTER_OF_AN_HOUR, RUN, lambda running: look(visit, running))


def look(visit: Waiting, running: Running) -> dict[str, Any]:
    """Give every warning that is due. An incident that fails does not keep the others from theirs.

    Raises:
        JobFailedError: The incidents could not be looked through, or some of them failed.
    """
    waiting: list[tuple[str, str]] = asked(
        visit, Visit(System(_ACTOR, SYSTEM), RUN, FindWaiting(), purpose="audit")
    )

    def warned(one: tuple[str, str]) -> int:
        org, incident_id = one
        work = GiveWarnings(incident_id)
        return len(visit(Visit(System(_ACTOR, org), _WARN, work, purpose="audit")).answer.payload)

    given, failed = one_by_one(running, waiting, warned, lambda one: {"incident": one[1]})
    if failed:
        raise JobFailedError(failed[0]["why"], given=sum(given), failed=failed)
    return {"given": sum(given)}
