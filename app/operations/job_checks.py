"""What the doctor says of backups, drills and jobs. Pure: from facts to findings."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from app.backups.job import NAME as BACKUP
from app.backups.offsite_job import NAME as OFFSITE
from app.continuity.job import NAME as CONTINUITY
from app.core.clock import AGREED, parse
from app.jobs.schedule import latest_due, next_due
from app.jobs.works import NEVER
from app.operations.database_facts import JobFacts, RunFacts
from app.operations.finding import Finding, failed, ok, warning
from app.residents.deadlines_job import NAME as DEADLINES
from app.residents.deadlines_job import SOON_DAYS

DRILL = "drill"
_TOLD_OF = {BACKUP, OFFSITE, DRILL, CONTINUITY}
"""Jobs with a finding of their own about their last run."""
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
        continuity(by_name.get(CONTINUITY), at),
        deadlines(by_name.get(DEADLINES)),
        overdue(jobs, at),
    ]
    sending = by_name.get(OFFSITE)
    return [*found, offsite(sending, at)] if sending is not None and _recurs(sending) else found


def backup(job: JobFacts | None, at: datetime) -> Finding:
    """Say whether the last good backup is young enough, and still where it was put."""
    if job is None:
        return failed("backup", "none is recorded or planned", _BY_HAND)
    if job.last is None and job.due_at > at:
        told = "none is recorded since this database was made or brought back"
        return warning("backup", f"{told}; the next is due {_instant(job.due_at)}", _BY_HAND)
    if job.last_good is None:
        return failed("backup", f"none is recorded{_why(job)}", _BY_HAND)
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
    if age < -AGREED:
        return _to_come(what, good, advice)
    told = f"the last good one is {_age(age)} old"
    if age > max(FRESH, SLACK * interval(job.cron, at)):
        return failed(what, f"{told}{_why(job)}", advice)
    path = good.result.get("path")
    if path is not None and not Path(path).exists():
        return failed(what, f"{told}, and {path} is not there any more", advice)
    if job.last is not None and job.last.outcome != "ok":
        return warning(what, f"{told}{_why(job)}", advice)
    return ok(what, told)


def _to_come(what: str, good: RunFacts, advice: str) -> Finding:
    """Tell of a run nobody knows the age of."""
    told = f"the last good one is of {_instant(good.ended_at)}, which is still to come"
    return failed(what, f"{told}: the clock was ahead then, and nobody knows how old it is", advice)


def drill(job: JobFacts | None, at: datetime) -> Finding:
    """Say whether it is known that backups can be brought back."""
    advice = "Run `caretrail backup drill --identity FILE`, with the identity brought for it."
    if job is None or (job.last is None and job.due_at > at):
        return warning("drill", "no restore was drilled yet", advice)
    if job.last is None or job.last_good is None:
        return failed("drill", f"no restore ever went well{_why(job)}", advice)
    age = at - job.last_good.ended_at
    if age < -AGREED:
        return _to_come("drill", job.last_good, advice)
    told = f"the last good one is {_age(age)} old"
    if job.last.outcome not in ("ok", "stopped") or age > DRILLED_WITHIN:
        return failed("drill", f"{told}{_why(job)}", advice)
    return ok("drill", told)


def continuity(job: JobFacts | None, at: datetime) -> Finding:
    """Say whether the home has something to go on with when nothing can be shown."""
    advice = "Run `caretrail continuity pack`, and look at what it says."
    if job is None or (job.last is None and not _recurs(job)):
        told = "no emergency pack is made: nobody is named who opens them"
        return warning("continuity", told, "Name somebody in the file CARETRAIL_CONTINUITY_RECIPIENTS names.")
    if job.last is None and job.due_at > at:
        return warning("continuity", f"none yet; the first is due {_instant(job.due_at)}", advice)
    if job.last_good is None:
        return failed("continuity", f"none was ever made for every home{_why(job)}", advice)
    found = _aged("continuity", job, job.last_good, at, advice)
    if found.result == "failed" and not _recurs(job):
        return warning("continuity", f"{found.told}; none is planned any more", advice)
    packs = job.last_good.result.get("packs", ()) if found.result == "ok" else ()
    away = [path for path in (pack.get("path") for pack in packs) if path and not Path(path).exists()]
    if away:
        told = f"{found.told}, and {len(away)} of its files are not there any more: {away[0]}"
        return warning("continuity", told, "Put the stick back, unless somebody prints from it now.")
    return found


def deadlines(job: JobFacts | None) -> Finding:
    """Say how many records wait for a review, and how many people for a copy."""
    if job is None or job.last_good is None:
        return ok("deadlines", "not counted yet" + (f"; due {_instant(job.due_at)}" if job else ""))
    told = {name: int(job.last_good.result.get(name, 0)) for name in ("unreviewed", "soon", "late")}
    requests = "caretrail residents access-request list"
    waiting = (
        (told["late"], "requests for access are LATE", requests),
        (told["soon"], f"requests for access are due within {SOON_DAYS} days", requests),
        (told["unreviewed"], "records' time is over and nobody reviewed them", "caretrail residents due"),
    )
    found = [(f"{count} {what}", look) for count, what, look in waiting if count]
    if not found:
        return ok("deadlines", "no request is nearly due, no record waits for a review")
    advice = "Look with " + " and ".join(sorted({f"`{look}`" for _, look in found})) + "."
    return warning("deadlines", "; ".join(what for what, _ in found), advice)


def overdue(jobs: Sequence[JobFacts], at: datetime) -> Finding:
    """Say whether somebody runs what is due, and whether what no other check tells of goes well."""
    late = [job for job in jobs if not job.held and at - job.due_at > LATE]
    if late:
        told = ", ".join(f"{job.name} was due {_instant(job.due_at)}" for job in late)
        advice = (
            "Nobody runs jobs: start `caretrail serve`, or `caretrail worker` where CARETRAIL_JOBS=worker."
        )
        return failed("jobs", told, advice)
    if far := [job for job in jobs if _recurs(job) and job.due_at > latest_due(job.cron, at)]:
        told = ", ".join(f"{job.name} waits for {_instant(job.due_at)}" for job in far)
        advice = "The clock was ahead when they last ran: start what runs them anew, which plans them again."
        return failed("jobs", f"{told}, later than by its time-table", advice)
    others = (job for job in jobs if job.name not in _TOLD_OF and _recurs(job))
    if broken := [job for job in others if job.last is not None and job.last.outcome in ("fail", "lost")]:
        told = ", ".join(f"{job.name}{_why(job)}" for job in broken)
        return failed("jobs", told, "Look for the job and its run in the log.")
    due = "; ".join(f"{job.name} {_due(job)}" for job in jobs)
    return ok("jobs", f"due next: {due}" if due else "none is planned")


def _recurs(job: JobFacts) -> bool:
    """Say whether somebody plans it, and does not only run it by hand."""
    return job.due_at < parse(NEVER)


def _due(job: JobFacts) -> str:
    return _instant(job.due_at) if _recurs(job) else "when asked"


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
    hours = max(age.total_seconds(), 0) / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.1f} hours"


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
