"""How long a claim of a job's run holds, if nobody prolongs it. Pure."""

from datetime import datetime, timedelta

from app.core.clock import parse
from app.jobs.schedule import AGREED

LEASE = timedelta(seconds=60)


def holds(until: str | None, at: datetime) -> bool:
    """Say whether a run is somebody's.

    A lease that ends later than any given by now is of a clock that ran ahead: it holds nothing, or the job
    would wait until that hour comes.
    """
    return until is not None and at < parse(until) <= at + LEASE + AGREED
