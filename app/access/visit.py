"""A visit: one attempt waiting at the door, from its credential to its answer."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.access.operation import Operation
from app.access.work import Answer, Repeat, Work
from app.audit.entry import Stamp
from app.core.errors import CaretrailError


@dataclass(frozen=True, slots=True)
class Session:
    """A verified access token: which session it names. Whether that still lives, the turn finds out.

    `user_id` is whose it was when the token was issued; None where a caller within the service has no token.
    """

    id: str
    org: str
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Stranger:
    """Nobody yet: a sign-in."""


@dataclass(frozen=True, slots=True)
class System:
    """The service itself, or a command of an operator."""

    name: str
    org: str


Credential = Session | Stranger | System


@dataclass(slots=True, eq=False)
class Visit:
    """One attempt.

    Attributes:
        purpose: Why, from the contract's list.
        reason: Free text from `Audit-Reason`; sealed, never logged.
        request_id: Echoed and recorded.
        address: Where it came from; only a keyed digest is recorded.
        background: No activity: it does not keep an idle session awake.
        repeat: The idempotency key of the call, if it has one.
        bytes: The size of its body; a turn takes a bounded number.
        future: Where the door answers; None for commands, which look at `outcome`.
        outcome: What came of it, set by the turn after the commit.
        stamp: Where its entry stands; None without one.
        at: The instant of its turn.
        fate: Whether it may still be taken back, or its commit has begun.
        left: It was answered already; a late release must not count twice.
    """

    credential: Credential
    operation: Operation
    work: Work
    request_id: str = ""
    purpose: str = "care"
    reason: str | None = None
    address: str = ""
    background: bool = False
    repeat: Repeat | None = None
    bytes: int = 0
    future: "asyncio.Future[Visited] | None" = None
    outcome: "Visited | CaretrailError | None" = None
    stamp: Stamp | None = None
    at: datetime | None = None
    fate: Literal["open", "committing", "withdrawn"] = "open"
    left: bool = False

    @property
    def keys(self) -> set[object]:
        """Return what no two visits of a turn have in common: the row it changes, its idempotency key."""
        repeat = (self.operation.route, self.repeat.key) if self.repeat else None
        return {key for key in (self.work.touches(), repeat) if key}


_FATES = threading.Lock()
"""Two threads decide a fate: the one that serves, and the loop that answers everyone who waits too long."""


def withdraw(visit: Visit) -> bool:
    """Take back a visit that is answered 503, so that it is never carried out after all.

    False when its commit has begun: then nobody knows yet what comes of it.
    """
    with _FATES:
        if visit.fate == "open":
            visit.fate = "withdrawn"
        return visit.fate == "withdrawn"


def commit_begins(visits: Sequence[Visit]) -> bool:
    """Let nobody take these visits back from here on. False when one was taken back already."""
    with _FATES:
        if any(visit.fate == "withdrawn" for visit in visits):
            return False
        for visit in visits:
            visit.fate = "committing"
        return True


@dataclass(slots=True)
class Visited:
    """An answer with the receipt of its entry (None only where no entry is due)."""

    answer: Answer
    stamp: Stamp | None
    at: datetime


class VisitRefusedError(Exception):
    """A refusal together with the receipt of its entry. Carries the error to answer with."""

    def __init__(self, error: CaretrailError, stamp: Stamp | None) -> None:
        self.error = error
        self.stamp = stamp
        super().__init__(error.slug)
