"""What an attempt wants done: a question for the policy, then the work itself.

A work is plain data plus two pure-looking methods. `question` says what is needed, from the facts
gathered for the whole turn. `perform` does it with what `Opened` hands over, and cannot reach
anything else. The turn never lets an exception of one work touch another.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from app.access.agent import Agent
from app.access.operation import Operation
from app.access.policy import Question
from app.core.errors import CaretrailError

if TYPE_CHECKING:
    from app.access.opened import Opened


@dataclass(slots=True)
class Answer:
    """What a work hands back: JSON values, or None for an empty answer.

    Attributes:
        payload: The body.
        status: The HTTP status; None takes the operation's.
        version: The ETag, where the answer has one.
        replay: The body for a repeated Idempotency-Key, where it differs (a password shown once).
        refusal: An error to answer with although what was written stays written: a counted failure.
    """

    payload: Any = None
    status: int | None = None
    version: int | None = None
    replay: Any = None
    refusal: CaretrailError | None = None


@dataclass(slots=True)
class Facts:
    """What the turn gathered for one attempt. Facts decide permission, never uniqueness.

    Rows are named tuples of the packages that own them, which this one does not know; None where nothing was
    asked for, or nothing is there.

    Attributes:
        agent: Who asks; None for somebody unknown, who gets no entry.
        refusal: Why this session may do nothing now.
        asleep: It is locked or idle: unlocking and signing out are still open to it.
        unready: What is lacking before it may do more than set itself up: a password chosen, a second factor.
        touch: Its last activity is old enough to be written down anew.
        session: `identity.rows.SessionRow` of the token.
        account: `identity.rows.AccountRow` of whose session it is.
        shift: `identity.rows.ShiftRow` it is bound to.
        resident: `residents.rows.ResidentRow` of `Work.looks_at`.
        record: `residents.rows.RecordRow` of that resident.
        stored: `identity.rows.StoredRow` of an earlier call with the same idempotency key.
        head: `audit.stored.HeadRow` of the chain, with the first visit of the turn that goes to it.
    """

    agent: Agent | None = None
    refusal: CaretrailError | None = None
    asleep: bool = False
    unready: CaretrailError | None = None
    touch: bool = False
    session: Any = None
    account: Any = None
    shift: Any = None
    resident: Any = None
    record: Any = None
    stored: Any = None
    head: Any = None


class Work:
    """One thing to do. Subclasses are dataclasses; the class attributes say how the turn treats them.

    Attributes:
        changes: It changes something, so it goes after the reads of its turn.
        alone: It takes a turn of its own: accounts, sessions, roles, shifts, documents, imports.
        own_sql: It writes with SQL of its own and so runs inside a savepoint.
        silent: It makes no entry where it succeeds: a piece of a stream, a reserved sign-in attempt.
        chunk: A piece of a stream whose entry stands: silent even where it is refused, for the end says so.
        closing: It ends something begun: it runs even when the session is over.
        activity: It keeps an idle session awake; the preparation of a call that may be refused does not.
    """

    changes: bool = False
    alone: bool = False
    own_sql: bool = False
    silent: bool = False
    chunk: bool = False
    closing: bool = False
    activity: bool = True

    def looks_at(self) -> tuple[str | None, str | None]:
        """Return the ids of the resident and the record whose rows the turn has to gather."""
        return getattr(self, "resident_id", None), getattr(self, "record_id", None)

    def asked(self) -> tuple[str, str | None] | None:
        """Return type and id of the object as asked, for the entry's `obj`."""
        return None

    def touches(self) -> str | None:
        """Return the id of the row it changes: one change of a row in a turn."""
        return None

    def question(self, operation: Operation, _agent: Agent, _facts: Facts, _at: datetime) -> Question:
        """Return what must be held. The default is what the operation's row says."""
        return Question(anywhere=operation.anywhere, organisation_wide=operation.scope == "organisation")

    def perform(self, opened: "Opened") -> Answer:
        """Do it, or raise a `CaretrailError`."""
        raise NotImplementedError

    def look_again(self, opened: "Opened", told: Any) -> Any:
        """Look at what a stored answer shows as it is now; return what of it the caller may be shown now.

        `question` was asked again before; this is for what `perform` would judge, and for what the answer
        shows. Only an answer with a body is looked at. There is no default: whoever adds an operation that
        may be repeated says what its answer shows.

        Raises:
            NotFoundError: As reading it would: it is not there for this caller any more.
            ForbiddenError: As reading it would.
        """
        raise NotImplementedError


@dataclass
class Refused(Work):
    """Input that was refused before the door. It still has to be recognised, decided and recorded."""

    problem: CaretrailError
    object_asked: tuple[str, str | None] | None = None
    category: str | None = None
    """What the request named: who may never use it is told so, and nothing of the input."""

    def asked(self) -> tuple[str, str | None] | None:
        """Return the object the refused request named, if its path names one."""
        return self.object_asked

    def question(self, operation: Operation, agent: Agent, facts: Facts, at: datetime) -> Question:
        """Want what the operation wants, for the category that was named if it knows it."""
        wanted = super().question(operation, agent, facts, at)
        named = tuple(a for a in wanted.anywhere if any(p.startswith(f"{self.category}:") for p in a))
        return replace(wanted, anywhere=named or wanted.anywhere)

    def perform(self, _opened: "Opened") -> Answer:
        """Answer with the problem."""
        raise self.problem


@dataclass(slots=True)
class Repeat:
    """An Idempotency-Key as presented: keyed digests of the key and of the request, in hex."""

    key: str
    request: str
