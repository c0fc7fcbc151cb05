"""Rows of runs that ended long ago go, but of each job the newest one and the newest that went well.

Each run is bound to the entry of its end, and so is its removal: the entry gives it one more version, with a
digest that stands for no row. A row that is missing without it was taken away by somebody else, and one that
is there in spite of it was put back. One that is not what its own digest says is left where it is: it tells
of whoever altered it.

Source: UK GDPR Art. 5(1)(c) and (e); DSPT 7.3.4, whose year is over by then;
app/decisions/0037-what-is-forgotten-after-a-while.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, delete, select

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.core.clock import day_before, spell
from app.core.identifiers import SYSTEM
from app.jobs.table import job, job_run
from app.jobs.works import UNTOLD, RunRow, run_of, run_state
from app.vault.sealing import DataKey, StateKey, same_digest

FORGET_RUNS = Operation("*", "*", "system", "self", "jobs.forget", 200)
KEEP_FOR = timedelta(days=400)
MOST_FORGOTTEN = 128
"""Runs of one turn of housekeeping: its entry has some 150 bytes for each."""
_JOBS = select(job.c.name).where(job.c.org == SYSTEM).order_by(job.c.name)
_r = job_run.c
_OF_JOB = (_r.org == SYSTEM, _r.job == bindparam("of_job"))
# What was run while a clock was ahead is the newest to nobody until that hour comes.
_NEWEST = (
    select(_r.id)
    .where(*_OF_JOB, _r.ended_at <= bindparam("at"))
    .order_by(_r.ended_at.desc(), _r.id.desc())
    .limit(1)
)
_KEPT = (_NEWEST, _NEWEST.where(_r.outcome == "ok"))
_OUTDATED = (
    select(job_run)
    .where(*_OF_JOB, _r.ended_at < bindparam("outdated"), _r.id.not_in(bindparam("kept", expanding=True)))
    .order_by(_r.ended_at, _r.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)  # another process removes those
)
_REMOVE = delete(job_run).where(_r.org == SYSTEM, _r.id.in_(bindparam("which", expanding=True)))


def removed_state(key: DataKey | StateKey, run_id: str) -> bytes:
    """Return the keyed digest that stands where there is no row of a run any more."""
    return key.state("job_run removed", [run_id])


@dataclass
class ForgetRuns(Work):
    """Remove runs that ended 400 days before today began, the oldest of each job first."""

    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Return how many went; the entry names them, and there is none of none."""
        outdated = list(_outdated(opened))
        gone = _removed(opened, outdated) if outdated else 0
        self.silent = not gone
        return Answer(gone)


def _removed(opened: Opened, outdated: Sequence[RunRow]) -> int:
    """Remove those of them that nobody altered, say so in the entry, and return how many they were."""
    key = opened.organisation_key(SYSTEM)
    gone = [row for row in outdated if _untold(row) or same_digest(row.state, run_state(key, row))]
    opened.execute(_REMOVE, {"which": [row.id for row in gone]})
    opened.note.count = len(gone)
    opened.note.members["rows"] = [
        {"t": "job_run", "id": row.id, "ver": row.version + 1, "state": removed_state(key, row.id).hex()}
        for row in gone
        if not _untold(row)
    ]
    return len(gone)


def _outdated(opened: Opened) -> Iterator[RunRow]:
    """Yield the runs whose time is over, so many at most. One that is under way has no end yet."""
    left, outdated = MOST_FORGOTTEN, spell(day_before(opened.at, KEEP_FOR))
    for name in opened.execute(_JOBS).scalars().all():
        newest = {"of_job": name, "at": spell(opened.at)}
        kept = [run for query in _KEPT for run in opened.execute(query, newest).scalars()]
        asked = {"of_job": name, "outdated": outdated, "kept": kept, "most": left}
        rows = opened.execute(_OUTDATED, asked).all()
        left -= len(rows)
        yield from map(run_of, rows)


def _untold(row: RunRow) -> bool:
    """Say whether the run was lost when such runs had no entry yet: nothing is said of its end either."""
    return row.outcome == "lost" and row.result == UNTOLD
