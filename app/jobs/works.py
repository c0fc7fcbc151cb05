"""A job's run, as works: planned, claimed, held, ended.

One run over many processes: a claim is a conditional write on the job's row, and the lease it gives ends
by itself when its process dies. A run whose lease ended is told as `lost`, by whoever claims the job next.
The end of a run is an entry in the system's chain, with the digest of its row, by which a row that was
rewritten can be told.

Source: DSPT 7.3.4 (evidence of every backup and of every test of one).
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, NamedTuple

import orjson
from sqlalchemy import Row, bindparam, insert, select, update

from app.access.drafting import draft
from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.core.clock import parse, spell
from app.core.errors import CaretrailError, ConflictError
from app.core.identifiers import SYSTEM, new_id
from app.jobs.lease import LEASE, holds
from app.jobs.schedule import due_after, latest_due, missed, next_due
from app.jobs.table import job, job_run
from app.vault.bound_columns import BoundColumns
from app.vault.sealing import DataKey, StateKey, same_digest

NEVER = "9999-12-31T00:00:00.000000Z"
"""When a job is due that nobody runs any more."""
KEEPING = Operation("*", "*", "system", "self", "jobs.keeping", 200)
"""What the scheduler does for itself; its works are silent."""

LOST = "job.lost"
"""What the entry of a lost run is called: whoever finds it does not know the job's own act."""
_LOST: dict[str, Any] = {"why": "its process ended, or lost the database"}
UNTOLD = '{"why":"its process ended or lost the database"}'
"""The result of a run that was lost when such runs had no entry yet; nothing binds its row."""
_RUNS = (
    "The job {job} runs already; wait for its end. A run that was killed, or that a restored backup was made"
    " by, counts as running for another {seconds} seconds at most."
)
Outcome = Literal["ok", "fail", "lost", "stopped"]


class RunRow(NamedTuple):
    """A run that ended, as its digest takes it. There is one version of it."""

    id: str
    job: str
    due_at: str
    started_at: str
    runner: str
    missed: int
    ended_at: str
    outcome: str
    result: str
    version: int
    state: bytes


_BOUND = BoundColumns("job_run", job_run, RunRow._fields[:-2])


def run_state(key: DataKey | StateKey, row: RunRow) -> bytes:
    """Return the keyed digest of a run that ended."""
    return _BOUND.digest(key, row[:-2])


def run_of(found: Row[Any]) -> RunRow:
    """Return a run from its row in the table."""
    return RunRow(**{name: getattr(found, name) for name in RunRow._fields if name != "version"}, version=1)


class Planned(NamedTuple):
    """A job and its time-table."""

    name: str
    cron: str


class Claimed(NamedTuple):
    """A run that is this process's to do."""

    run_id: str
    job: str
    missed: int


class RunFailedError(CaretrailError):
    """A job's run ended badly; the run says why."""

    title = "The job failed"
    detail = "Its run is recorded with the reason."


_ALL = select(job).where(job.c.org == SYSTEM).order_by(job.c.due_at)
_DUE = _ALL.where(job.c.due_at <= bindparam("at"))
_HELD = _ALL.with_for_update()
"""An earlier attempt at the same end may be committing still: it is waited for, on PostgreSQL."""
_ROW = (job.c.org == SYSTEM, job.c.name == bindparam("job_name"))
_RUN = (job_run.c.org == SYSTEM, job_run.c.id == bindparam("run"))
_TAKE = (
    update(job)
    .where(*_ROW, job.c.due_at == bindparam("was_due"), job.c.run_id.is_not_distinct_from(bindparam("was")))
    .values(run_id=bindparam("run"), leased_until=bindparam("until"))
)
_FORGET = update(job).where(*_ROW, job.c.run_id.is_(None)).values(due_at=NEVER)
_PROLONG = (
    update(job)
    .where(job.c.org == SYSTEM, job.c.run_id == bindparam("run"))
    .values(leased_until=bindparam("until"))
)
_RELEASE = (
    update(job)
    .where(job.c.org == SYSTEM, job.c.run_id == bindparam("run"))
    .values(run_id=None, leased_until=None, due_at=bindparam("next_due"))
)
_END = (
    update(job_run)
    .where(*_RUN, job_run.c.ended_at.is_(None))
    .values(
        ended_at=bindparam("ended"),
        outcome=bindparam("came_to"),
        result=bindparam("told"),
        state=bindparam("digest"),
    )
)


@dataclass
class PlanJobs(Work):
    """See to it that these jobs have their rows, and are due by their present time-tables.

    One that is due later than its time-table says was run while the clock was ahead; it waits no longer.
    """

    jobs: tuple[Planned, ...]
    silent = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Enter new jobs, change changed time-tables, and let jobs that are no more be due never."""
        known = {row.name: row for row in opened.execute(_ALL)}
        for planned in self.jobs:
            row = known.get(planned.name)
            latest = spell(latest_due(planned.cron, opened.at))
            if row is not None and row.cron == planned.cron and row.due_at <= latest:
                continue
            values = {"cron": planned.cron, "due_at": spell(next_due(planned.cron, opened.at))}
            if row is None:
                opened.execute(insert(job).values(org=SYSTEM, name=planned.name, **values))
            else:
                opened.execute(update(job).where(*_ROW).values(**values), {"job_name": planned.name})
        for gone in known.keys() - {planned.name for planned in self.jobs}:
            opened.execute(_FORGET, {"job_name": gone})
        return Answer()


@dataclass
class ClaimDue(Work):
    """Take the job that is due longest and nobody runs."""

    names: frozenset[str]
    runner: str
    silent = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Return a `Claimed`, or None."""
        for row in opened.execute(_DUE, {"at": spell(opened.at)}).all():
            if row.name in self.names and not holds(row.leased_until, opened.at):
                claimed = _claim(opened, row, self.runner)
                if claimed is not None:
                    return Answer(claimed)
        return Answer(None)


@dataclass
class ClaimNow(Work):
    """Take a job although it is not due: somebody asks for it."""

    planned: Planned
    runner: str
    silent = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Return a `Claimed`.

        Raises:
            ConflictError: A process runs it now.
        """
        rows = {row.name: row for row in opened.execute(_ALL)}
        row = rows.get(self.planned.name)
        if row is None:
            due = spell(next_due(self.planned.cron, opened.at))
            opened.execute(insert(job).values(org=SYSTEM, due_at=due, **self.planned._asdict()))
            row = next(one for one in opened.execute(_ALL) if one.name == self.planned.name)
        held = holds(row.leased_until, opened.at)
        claimed = None if held else _claim(opened, row, self.runner)
        if claimed is None:
            raise ConflictError(_RUNS.format(job=self.planned.name, seconds=LEASE.seconds), why="job-runs")
        return Answer(claimed)


def _claim(opened: Opened, row: Row[Any], runner: str) -> Claimed | None:
    run, until = new_id(), spell(opened.at + LEASE)
    taken = {"job_name": row.name, "was_due": row.due_at, "was": row.run_id, "run": run, "until": until}
    if opened.execute(_TAKE, taken).rowcount != 1:
        return None  # another process was faster
    if row.run_id is not None:
        _end(opened, row.run_id, "lost", _LOST)
    began = {"id": run, "job": row.name, "due_at": row.due_at, "started_at": spell(opened.at)}
    left_out = missed(row.cron, parse(row.due_at), opened.at)
    opened.execute(insert(job_run).values(org=SYSTEM, runner=runner, missed=left_out, result="{}", **began))
    return Claimed(run, row.name, left_out)


@dataclass
class Prolong(Work):
    """Hold a run for another while."""

    run_id: str
    silent = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Say whether it was still this process's."""
        held = {"run": self.run_id, "until": spell(opened.at + LEASE)}
        return Answer(opened.execute(_PROLONG, held).rowcount == 1)


@dataclass
class EndRun(Work):
    """Record how a run ended, and when the job is due again. A run that was taken away stays as it is.

    It may be asked for again, where nobody knows whether the first time was committed: if it was, that
    stands, and this makes no entry.
    """

    run_id: str
    outcome: Outcome
    result: dict[str, Any]
    own_sql = True
    alone = True

    def perform(self, opened: Opened) -> Answer:
        """End it; the entry names the run, and fails as it did."""
        row = opened.execute(_HELD.where(job.c.run_id == self.run_id)).one_or_none()
        self.silent = row is None and self._ended(opened)
        if self.silent:
            return Answer(self.result)
        if row is None:
            raise CaretrailError(why="run-taken-away")
        _end(opened, self.run_id, self.outcome, self.result)
        again = _due_again(row, self.outcome, opened.at)
        opened.execute(_RELEASE, {"run": self.run_id, "next_due": spell(again)})
        failed = self.outcome != "ok"
        why, detail = (str(self.result.get(name, "")) for name in ("why", "detail"))
        return Answer(self.result, refusal=RunFailedError(detail, why=why) if failed else None)

    def _ended(self, opened: Opened) -> bool:
        """Say whether the run ended as this would end it: whoever takes a run away tells it as lost."""
        row = _run(opened, self.run_id)
        if (row.outcome, row.result) != (self.outcome, _told(self.result)):
            return False
        return same_digest(row.state, run_state(opened.organisation_key(SYSTEM), row))


def _due_again(row: Row[Any], outcome: Outcome, at: datetime) -> datetime:
    if outcome == "stopped":
        return parse(row.due_at)  # at once, by whoever looks next
    return due_after(row.cron, at, failed=outcome == "fail")


def _run(opened: Opened, run_id: str) -> RunRow:
    return run_of(opened.execute(select(job_run).where(*_RUN), {"run": run_id}).one())


def _told(result: dict[str, Any]) -> str:
    return orjson.dumps(result, option=orjson.OPT_SORT_KEYS).decode()


def _end(opened: Opened, run_id: str, outcome: Outcome, result: dict[str, Any]) -> None:
    told, ended = _told(result), spell(opened.at)
    row = _run(opened, run_id)._replace(ended_at=ended, outcome=outcome, result=told)
    digest = run_state(opened.organisation_key(SYSTEM), row)
    values = {"run": run_id, "ended": ended, "came_to": outcome, "told": told, "digest": digest}
    opened.execute(_END, values)
    kept = opened.note
    opened.note = replace(kept, object=("job_run", run_id), version=1, state=digest)
    if outcome == "lost":  # beside what the claim itself says, which is nothing
        opened.also.append(draft(opened, LOST, "fail", "lost", {}))
        opened.note = kept
