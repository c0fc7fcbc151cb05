"""The throttle of sign-ins: ten failures in five minutes for an account, then slower, never for good.

An attempt is *reserved* before its password is looked at: it counts as a failure until `succeeded` gives
it back. So a thousand attempts in parallel get ten checks, not a thousand. After the tenth the account
waits 5 minutes, then has one attempt at a time with waits of 10 and 15 minutes; 15 is the ceiling. A
source (an address) has 50 and then 5, because a whole home may stand behind it. No wait is shorter than
the window, which is why no five minutes ever hold more than ten failures, whatever came before.

A counter is one row, found by a keyed digest of the *folded* user name or of the source: every spelling
shares it, and unknown names have one too, so that being slowed down does not tell which names exist. The
attempt's own transaction is committed before the password is checked:

1. read the row, or none;
2. `verdict = admit(counter, at, limit)`;
3. write `verdict.counter`, refused or not: `INSERT ... ON CONFLICT DO NOTHING` when there was no row,
   else `UPDATE ... WHERE key = :key AND version = :version - 1`, with the new counter's version;
4. no row written: another attempt came first. Begin again at 1.

Source: THROTTLE-1 (ASVS 5.0 6.3.1, 6.6.3).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from app.core.clock import parse, spell

WINDOW: Final = timedelta(minutes=5)
LONGEST_WAIT: Final = timedelta(minutes=15)
FORGOTTEN_AFTER: Final = timedelta(hours=1)
"""So long after a wait the next failures are counted as if there had been none before."""
REPORTED_AFTER: Final = timedelta(minutes=1)
"""Refused attempts of a minute become one entry of the trail."""
HAMMERING: Final = 20
"""Refusals of that minute beyond which each counts against its source: no fewer, or one device that tries an
old password again every few seconds by itself would keep a whole home from signing in."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How many failures are let through in a window: at first, and after each wait."""

    failures: int
    then: int


ACCOUNT: Final = Limit(failures=10, then=1)
SOURCE: Final = Limit(failures=50, then=5)


@dataclass(frozen=True, slots=True)
class Counter:
    """What is stored of an account or a source.

    Attributes:
        failures: Instants of the failures, and reserved attempts, of the last five minutes.
        waits: How many waits in a row: the next one is longer.
        blocked_until: The end of the newest wait, over or not.
        refused: Attempts refused since the last entry about them.
        refused_since: The first of those.
        version: Rises with every counter to be stored; the conditional write compares it.
    """

    failures: tuple[datetime, ...] = ()
    waits: int = 0
    blocked_until: datetime | None = None
    refused: int = 0
    refused_since: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an attempt may go on, for how long not, and the counter to be stored either way."""

    allowed: bool
    counter: Counter
    retry_after_s: int = 0


def admit(counter: Counter | None, at: datetime, limit: Limit = ACCOUNT) -> Verdict:
    """Reserve an attempt, or refuse it and count the refusal."""
    known = _as_of(counter or Counter(), at)
    if known.blocked_until is not None and at < known.blocked_until:
        return _refuse(known, known.blocked_until - at, at)
    failures = (*known.failures, at)
    reserved = replace(known, failures=failures, version=known.version + 1)
    if len(failures) >= (limit.then if known.waits else limit.failures):
        waits = known.waits + 1
        reserved = replace(reserved, waits=waits, blocked_until=at + wait_after(waits))
    return Verdict(True, reserved)


def succeeded(counter: Counter, at: datetime, limit: Limit = ACCOUNT) -> Counter:
    """Give back an attempt whose credentials were right, and forget earlier waits.

    Failures of others in the same window stay counted, or guesses hidden between the successes of an
    account's owner would be free.

    Args:
        counter: As it is stored now; other attempts may have come in between.
        at: The instant at which this attempt was admitted.
        limit: The one it was admitted with.
    """
    failures = tuple(_without_one(counter.failures, at))
    blocked_until = counter.blocked_until if len(failures) >= limit.failures else None
    return replace(
        counter, failures=failures, waits=0, blocked_until=blocked_until, version=counter.version + 1
    )


def reported(counter: Counter, at: datetime) -> tuple[int, Counter]:
    """Return how many refusals the next entry tells of, and the counter without them.

    Zero, and the same counter, until a minute has passed since the first of them.
    """
    if counter.refused_since is None or at < counter.refused_since + REPORTED_AFTER:
        return 0, counter
    return counter.refused, replace(counter, refused=0, refused_since=None, version=counter.version + 1)


def is_spent(counter: Counter, at: datetime) -> bool:
    """Say whether the row can be deleted: nothing in it would change a later verdict or an entry."""
    known = _as_of(counter, at)
    return not known.failures and not known.waits and not known.refused


def wait_after(waits: int) -> timedelta:
    """Return how long the n-th wait in a row lasts: 5, 10, then always 15 minutes."""
    return min(waits * WINDOW, LONGEST_WAIT)


def spell_failures(counter: Counter) -> str:
    """Return the instants of the failures as one text, to be stored."""
    return " ".join(spell(failure) for failure in counter.failures)


def read_failures(spelled: str) -> tuple[datetime, ...]:
    """Return the instants in a stored text."""
    return tuple(parse(failure) for failure in spelled.split())


def _refuse(known: Counter, left: timedelta, at: datetime) -> Verdict:
    since = known.refused_since or at
    counter = replace(known, refused=known.refused + 1, refused_since=since, version=known.version + 1)
    return Verdict(False, counter, ceil(left.total_seconds()))


def _as_of(counter: Counter, at: datetime) -> Counter:
    """Return the counter without what no longer counts.

    Instants still to come show that the clock was put back; they are drawn to the present, so that the
    error of a clock never becomes a lock of hours.
    """
    waits, blocked_until, since = counter.waits, counter.blocked_until, counter.refused_since
    if blocked_until is not None:
        blocked_until = min(blocked_until, at + LONGEST_WAIT)
        if at >= blocked_until + FORGOTTEN_AFTER:
            waits, blocked_until = 0, None
    return replace(
        counter,
        failures=tuple(min(failure, at) for failure in counter.failures if failure > at - WINDOW),
        waits=waits,
        blocked_until=blocked_until,
        refused_since=None if since is None else min(since, at),
    )


def _without_one(failures: tuple[datetime, ...], at: datetime) -> Iterator[datetime]:
    left = 1
    for failure in failures:
        if failure == at and left:
            left = 0
        else:
            yield failure
