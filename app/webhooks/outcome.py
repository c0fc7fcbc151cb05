"""What came of an attempt, and what follows from it: taken, again later, given up.

Source: Standard Webhooks 1.0.0, "Deliverability and reliability", whose example schedule this is.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, Literal

OK: Final = "ok"
PAUSES: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""How long to wait after each attempt that failed; after the last of them it is given up."""
MOST_TRIES: Final = len(PAUSES) + 1
LONGEST_ASKED: Final = timedelta(hours=24)
"""How long an endpoint may ask to be left alone for."""
JITTER: Final = 0.1
"""A pause is up to so much longer, so that not everything that failed together comes back together."""

Status = Literal["done", "dead", "due"]


@dataclass(frozen=True, slots=True)
class Came:
    """What came of an attempt.

    Attributes:
        outcome: `ok`, `status` (it answered something else), or what went wrong on the way.
        status: The HTTP status, if there was an answer.
        took_ms: How long it took.
        answer: SHA-256 of what was answered, up to a limit.
        retry_after: What the answer said of when to come again, as it stands.
    """

    outcome: str
    status: int | None = None
    took_ms: int = 0
    answer: bytes | None = None
    retry_after: str | None = None

    @property
    def gone(self) -> bool:
        """Say whether the endpoint wants no more messages, ever."""
        return self.status == HTTPStatus.GONE


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of a message, and when it is due if it is due again."""

    status: Status
    due_at: datetime


def step_after(came: Came, tries: int, at: datetime, chance: float) -> Step:
    """Return what follows from an attempt.

    Args:
        came: What came of it.
        tries: How many there were, with this one.
        at: When it ended.
        chance: From 0 to 1, for the jitter.
    """
    if came.outcome == OK:
        return Step("done", at)
    if came.gone or tries >= MOST_TRIES:
        return Step("dead", at)
    pause = PAUSES[tries - 1]
    return Step("due", at + max(pause + pause * JITTER * chance, _asked(came, at)))


def _asked(came: Came, at: datetime) -> timedelta:
    """Return how long the answer asks to be left alone, within bounds; nothing where it says nothing."""
    said = (came.retry_after or "").strip()
    if said.isascii() and said.isdigit():
        wanted = timedelta(seconds=min(int(said[:9]), LONGEST_ASKED.total_seconds()))
    else:
        wanted = _until(said, at)
    return max(timedelta(0), min(wanted, LONGEST_ASKED))


def _until(date: str, at: datetime) -> timedelta:
    try:
        then = parsedate_to_datetime(date)
        return (then if then.tzinfo else then.replace(tzinfo=UTC)) - at
    except (ValueError, TypeError, OverflowError):
        return timedelta(0)
