"""The job that looks at the clocks: it finds what runs, and has the warnings given that are due."""

from collections.abc import Callable
from typing import Any, Final

from app.access.operation import Operation
from app.access.visit import System, Visit, Visited, VisitRefusedError
from app.core.identifiers import SYSTEM
from app.incidents.warning import ACT, FindWaiting, GiveWarnings
from app.jobs.scheduler import Job, JobFailedError, Running

NAME: Final = "incident-clocks"
EVERY_QUARTER_OF_AN_HOUR: Final = "*/15 * * * *"
RUN: Final = Operation("*", "*", "system", "self", "incident.clocks", 200)
_WARN: Final = Operation("*", "*", "system", "self", ACT, 200)
_ACTOR: Final = "incidents"
Waiting = Callable[[Visit], Visited]


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
    given, failed = 0, []
    for org, incident_id in _waiting(visit):
        running.go_on()
        try:
            work = GiveWarnings(incident_id)
            given += len(visit(Visit(System(_ACTOR, org), _WARN, work, purpose="audit")).answer.payload)
        except VisitRefusedError as refused:
            failed.append({"incident": incident_id, "why": refused.error.why})
    if failed:
        raise JobFailedError(failed[0]["why"], given=given, failed=failed)
    return {"given": given}


def _waiting(visit: Waiting) -> list[tuple[str, str]]:
    try:
        found = visit(Visit(System(_ACTOR, SYSTEM), RUN, FindWaiting(), purpose="audit"))
    except VisitRefusedError as refused:
        raise JobFailedError(refused.error.why) from refused
    waiting: list[tuple[str, str]] = found.answer.payload
    return waiting
