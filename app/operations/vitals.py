"""What a scrape asks the database: three small statements, through the door, without an entry.

Nobody's data is among it: sizes, instants, names of jobs.
"""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, bindparam, func, select

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.audit.table import checkpoint, head
from app.core.clock import AGREED, parse, spell
from app.core.identifiers import SYSTEM
from app.jobs.lease import holds
from app.jobs.table import job, job_run
from app.webhooks.outbox import DEAD, DUE
from app.webhooks.table import webhook_message

VITALS = Operation("GET", "/metrics", "system", "self", "metrics.read", 200)

_signed = select(func.max(checkpoint.c.size)).where(checkpoint.c.org == head.c.org).scalar_subquery()
_each = select(head.c.size, func.coalesce(_signed, 0).label("signed")).subquery()
_newest_checkpoint = select(func.max(checkpoint.c.made_at)).scalar_subquery()
_TRAIL = select(
    func.count().label("chains"),
    func.sum(_each.c.size).label("lines"),
    func.sum(_each.c.size - _each.c.signed).label("unsigned"),
    _newest_checkpoint.label("signed_at"),
).select_from(_each)
_ended = job_run.c.org == SYSTEM, job_run.c.job == job.c.name, job_run.c.ended_at <= bindparam("by")
_last_good = select(func.max(job_run.c.ended_at)).where(*_ended, job_run.c.outcome == "ok").scalar_subquery()
_last_outcome = (
    select(job_run.c.outcome)
    .where(*_ended)
    .order_by(job_run.c.ended_at.desc(), job_run.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
_JOBS = (
    select(
        job.c.name,
        job.c.due_at,
        job.c.leased_until,
        _last_good.label("good_at"),
        _last_outcome.label("outcome"),
    )
    .where(job.c.org == SYSTEM)
    .order_by(job.c.name)
)
_status = webhook_message.c.status
_MESSAGES = select(_status, func.count().label("n")).where(_status.in_((DUE, DEAD))).group_by(_status)


class JobVitals(NamedTuple):
    """A job: for how long nobody ran it although it was due, and how its last runs ended.

    Attributes:
        name: The job.
        overdue_s: Seconds since it was due; 0 while it is not, or while it runs.
        good_s: Seconds since it went well; None if it never did. Runs of a clock that was ahead, still to
            come, do not count.
        failed: Whether its last run failed or was lost.
    """

    name: str
    overdue_s: float
    good_s: float | None
    failed: bool


class Vitals(NamedTuple):
    """The trail as a whole, the jobs, and what other systems are to be told.

    Attributes:
        chains: How many there are.
        lines: How many lines in all.
        unsigned: How many of them no checkpoint covers yet.
        signed_s: Seconds since the newest checkpoint; None if there is none.
        jobs: What recurs.
        waiting: Messages to other systems that are to be sent, now or later.
        dead: Those of the last 30 days that were given up.
    """

    chains: int
    lines: int
    unsigned: int
    signed_s: float | None
    jobs: tuple[JobVitals, ...]
    waiting: int
    dead: int


class ReadVitals(Work):
    """Read them. Makes no entry."""

    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return `Vitals`."""
        trail = opened.execute(_TRAIL).one()
        jobs = tuple(_job(row, opened.at) for row in opened.execute(_JOBS, {"by": spell(opened.at + AGREED)}))
        messages = {row.status: row.n for row in opened.execute(_MESSAGES)}
        return Answer(
            Vitals(
                trail.chains,
                int(trail.lines or 0),
                int(trail.unsigned or 0),
                _since(opened.at, trail.signed_at),
                jobs,
                messages.get(DUE, 0),
                messages.get(DEAD, 0),
            )
        )


def _job(row: Row[Any], at: datetime) -> JobVitals:
    overdue = 0.0 if holds(row.leased_until, at) else max(0.0, _since(at, row.due_at) or 0.0)
    failed = row.outcome not in (None, "ok", "stopped")
    return JobVitals(row.name, overdue, _since(at, row.good_at), failed)


def _since(at: datetime, spelled: str | None) -> float | None:
    return None if spelled is None else (at - parse(spelled)).total_seconds()
