"""How long a claim holds, if nobody prolongs it: of a job's run, and of whatever else is leased. Pure."""

from datetime import datetime, timedelta

from app.core.clock import AGREED, parse

LEASE = timedelta(seconds=60)
"""Of a job's run."""


def latest_end(at: datetime, lease: timedelta) -> datetime:
    """Return when a lease given by now ends at the latest, whichever machine's clock gave it.

    One that ends later is of a clock that ran ahead: it holds nothing, or what it is for would wait until
    that hour comes.
    """
    return at + lease + AGREED


def holds(until: str | None, at: datetime, lease: timedelta = LEASE) -> bool:
    """Say whether what is leased for so long at a time is somebody's."""
    return until is not None and at < parse(until) <= latest_end(at, lease)
