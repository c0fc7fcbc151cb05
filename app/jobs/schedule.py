"""When a job is due: cron text, in UTC. Pure.

UTC on purpose: the hour that a clock change skips or repeats would make a nightly job run never or twice.
"""

from datetime import datetime, timedelta

from cronsim import CronSim, CronSimError

from app.core.clock import AGREED
from app.core.errors import StartRefusedError

MOST_MISSED = 1000
RETRY_AFTER = timedelta(minutes=30)
"""When a failed run is tried again, if the job is not due before that anyway."""


def check_cron(text: str, what: str) -> str:
    """Return cron text that will come due some day.

    Raises:
        StartRefusedError: It is not cron text, or no date ever fits it.
    """
    try:
        next(CronSim(text, datetime(2026, 1, 1)))  # noqa: DTZ001 - any instant will do
    except (CronSimError, StopIteration) as error:
        raise StartRefusedError(
            f"{what} is not a time-table: five fields as in cron are wanted, like `15 2 * * *`"
            " (minute, hour, day, month, weekday; in UTC)"
        ) from error
    return text


def next_due(cron: str, after: datetime) -> datetime:
    """Return the first instant after `after` that the cron text names."""
    return next(CronSim(cron, after))


def latest_due(cron: str, at: datetime) -> datetime:
    """Return the latest instant a job can be due by its time-table, whichever machine's clock gave it.

    One that is due later was planned by a clock that ran ahead, or is due never (`works.NEVER`).
    """
    return next_due(cron, at + AGREED)


def missed(cron: str, due: datetime, at: datetime) -> int:
    """Return how many further runs were due up to `at`, after the one due at `due`; counts to 1,000.

    None were where `due` itself is still to come: it may lie at the end of all time-tables (`works.NEVER`).
    """
    if due > at:
        return 0
    count, walk = 0, CronSim(cron, due)
    while count < MOST_MISSED and next(walk) <= at:
        count += 1
    return count


def due_after(cron: str, at: datetime, *, failed: bool) -> datetime:
    """Return when a job is due after a run that ended at `at`."""
    regular = next_due(cron, at)
    return min(regular, at + RETRY_AFTER) if failed else regular
