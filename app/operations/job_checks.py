"""What the doctor says of backups, drills and jobs. Pure: from facts to findings."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from app.backups.job import NAME as BACKUP
from app.backups.offsite_job import NAME as OFFSITE
from app.core.clock import parse
from app.jobs.schedule import next_due
from app.jobs.works import NEVER
from app.operations.database_facts import JobFacts, RunFacts
from app.operations.finding import Finding, failed, ok, warning
from app.residents.deadlines_job import NAME as DEADLINES
from app.residents.deadlines_job import SOON_DAYS

DRILL = "drill"
FRESH, SLACK = timedelta(hours=26), 2
"""A backup is old after 26 hours, or twice the interval of its time-table, whichever is longer."""
DRILLED_WITHIN = timedelta(days=92)
LATE = timedelta(minutes=15)
_BY_HAND = "Run `caretrail backup create`, and look at what it says."


def check_jobs(jobs: Sequence[JobFacts], at: datetime) -> list[Finding]:
    """Return the findings about what recurs."""
    by_name = {job.name: job for job in jobs}
    found = [
        backup(by_name.get(BACKUP), at),
        drill(by_name.get(DRILL), at),
        deadlines(by_name.get(DEADLINES)),
        overdue(jobs, at),
    ]
    sending = by_name.get(OFFSITE)
    wanted = sending is not None and sending.due_at < parse(NEVER)
    return [*found, offsite(sending, at)] if sending is not None and wanted else found


def backup(job: JobFacts | None, at: datetime) -> Finding:
    """Say whether the last good backup is young enough, and still where it was put."""
    if job is None:
        return failed("backup", "no backup was ever made or planned", _BY_HAND)
    if job.last is None and job.due_at > at:
        return warning("backup", f"none yet; the first is due {_instant(job.due_at)}", _BY_HAND)
    if job.last_good is None:
        return failed("backup", f"none was ever made{_why(job)}", _BY_HAND)
    return _aged("backup", job, job.last_good, at, _BY_HAND)


def offsite(job: JobFacts, at: datetime) -> Finding:
    """Say whether copies elsewhere are as young as the backups here."""
    advice = "Run `caretrail backup offsite`, and look at what it says."
    if job.last is None and job.due_at > at:
        return warning("offsite", f"nothing was sent yet; due {_instant(job.due_at)}", advice)
    if job.last_good is None:
        return failed("offsite", f"nothing was ever sent{_why(job)}", advice)
    return _aged("offsite", job, job.last_good, at, advice)


def _aged(what: str, job: JobFacts, good: RunFacts, at: datetime, advice: str) -> Finding:
    age = at - good.ended_at
    told = f"the last good one is {_age(age)} old"
    if age > max(FRESH, SLACK * interval(job.cron, at)):
        return failed(what, f"{told}{_why(job)}", advice)
    path = good.result.get("path")
    if path is not None and not Path(path).exists():
        return failed(what, f"{told}, and {path} is not there any more", advice)
    if job.last is not None and job.last.outcome != "ok":
        return warning(what, f"{told}{_why(job)}", advice)
    return ok(what, told)


def drill(job: JobFacts | None, at: datetime) -> Finding:
    """Say whether it is known that backups can be brought back."""
    advice = "Run `caretrail backup drill --identity FILE`, with the identity brought for it."
    if job is None or (job.last is None and job.due_at > at):
        return warning("drill", "no restore was drilled yet", advice)
    if job.last is None or job.last_good is None:
        return failed("drill", f"no restore ever went well{_why(job)}", advice)
    age = at - job.last_good.ended_at
    told = f"the last good one is {_age(age)} old"
    if job.last.outcome not in ("ok", "stopped") or age > DRILLED_WITHIN:
        return failed("drill", f"{told}{_why(job)}", advice)
    return ok("drill", told)


def deadlines(job: JobFacts | None) -> Finding:
    """Say how many records wait for a review, and how many people for a copy."""
    if job is None or job.last_good is None:
        return ok("deadlines", "not counted yet" + (f"; due {_instant(job.due_at)}" if job else ""))
    told = {name: int(job.last_good.result.get(name, 0)) for name in ("unreviewed", "soon", "late")}
    waiting = (
        (told["late"], "requests for access are LATE", "caretrail residents access-request list"),
        (told["soon"], f"are due within {SOON_DAYS} days", "caretrail residents access-request list"),
        (told["unreviewed"], "records' time is over and nobody reviewed them", "caretrail residents due"),
    )
    found = [(f"{count} {what}", look) for count, what, look in waiting if count]
    if not found:
        return ok("deadlines", "no request is nearly due, no record waits for a review")
    advice = "Look with " + " and ".join(sorted({f"`{look}`" for _, look in found})) + "."
    return warning("deadlines", "; ".join(what for what, _ in found), advice)


def overdue(jobs: Sequence[JobFacts], at: datetime) -> Finding:
    """Say whether somebody runs what is due."""
    late = [job for job in jobs if not job.held and at - job.due_at > LATE]
    if late:
        told = ", ".join(f"{job.name} was due {_instant(job.due_at)}" for job in late)
        advice = (
            "Nobody runs jobs: start `caretrail serve`, or `caretrail worker` where CARETRAIL_JOBS=worker."
        )
        return failed("jobs", told, advice)
    due = "; ".join(f"{job.name} {_instant(job.due_at)}" for job in jobs)
    return ok("jobs", f"due next: {due}" if due else "none is planned")


def interval(cron: str, at: datetime) -> timedelta:
    """Return how long it is between the next two instants of a time-table."""
    following = next_due(cron, at)
    return next_due(cron, following) - following


def _why(job: JobFacts) -> str:
    if job.last is None or job.last.outcome == "ok":
        return ""
    why = job.last.result.get("detail") or job.last.result.get("why") or ""
    return f"; the last run {_WORDS.get(job.last.outcome, job.last.outcome)}" + (f": {why}" if why else "")


_WORDS = {"fail": "failed", "lost": "was lost", "stopped": "was stopped"}


def _age(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.1f} hours"


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
