"""The job that looks at what has a date: records whose time is over, and requests for access.

It counts, and destroys nothing; the numbers stand in the run's record, which the doctor reads. Who is meant
a person asks for with `caretrail residents due` and `access-request list`.

Source: NHS Records Management Code of Practice 2021, appraisal; UK GDPR article 12(3).
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from app.access.opened import Opened
from app.access.visit import System, Visit
from app.access.work import Answer, Work
from app.core.identifiers import SYSTEM
from app.identity.table import organisation
from app.jobs.one_by_one import Waiting, asked, one_by_one
from app.jobs.scheduler import Job, JobFailedError, Running
from app.residents.access_requests import shown, waiting_in
from app.residents.reviewing import DUE, due_in

NAME: Final = "record-deadlines"
EVERY_MORNING: Final = "30 5 * * *"
SOON_DAYS: Final = 7
_ACTOR: Final = "jobs"
NUMBERS: Final = ("due", "unreviewed", "requests", "soon", "late")


@dataclass
class FindProviders(Work):
    """Find the organisations that keep records."""

    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return the id of each."""
        c = organisation.c
        return Answer([row.id for row in opened.execute(select(c.id).where(c.id != SYSTEM).order_by(c.id))])


@dataclass
class CountDeadlines(Work):
    """Count what waits in one organisation. It names nobody."""

    def perform(self, opened: Opened) -> Answer:
        """Return the numbers: records due, of these not reviewed; requests waiting, nearly due, late."""
        due = due_in(opened)
        days = [shown(row, opened.at)["days_left"] for row in waiting_in(opened)]
        return Answer(
            {
                "due": len(due),
                "unreviewed": sum(one["review"] is None for one in due),
                "requests": len(days),
                "soon": sum(0 <= left <= SOON_DAYS for left in days),
                "late": sum(left < 0 for left in days),
            }
        )


def record_deadlines(visit: Waiting) -> Job:
    """Return the job.

    Args:
        visit: Takes a visit through the door and waits; called in the job's thread.
    """
    return Job(NAME, EVERY_MORNING, DUE, lambda running: count(visit, running))


def count(visit: Waiting, running: Running) -> dict[str, Any]:
    """Return the numbers of all organisations together. One that fails does not keep the others from theirs.

    Raises:
        JobFailedError: The organisations could not be found, or some of them failed.
    """
    found = asked(visit, Visit(System(_ACTOR, SYSTEM), DUE, FindProviders()))

    def counted(org: str) -> dict[str, int]:
        numbers: dict[str, int] = visit(Visit(System(_ACTOR, org), DUE, CountDeadlines())).answer.payload
        return numbers

    done, failed = one_by_one(running, found, counted, lambda org: {"organisation": org})
    total = sum(map(Counter, done), Counter[str]())
    told = {name: total[name] for name in NUMBERS}
    if failed:
        raise JobFailedError(failed[0]["why"], **told, failed=failed)
    return told
