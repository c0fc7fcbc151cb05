"""A turn: one transaction that serves everyone who is waiting at the door.

Order:  1 fix the instant.  2 recognise the agents and 3 gather the facts (one statement).
        4 decide each attempt.  5 do what is permitted: reads first, then changes.
        6 append one entry for each attempt.  7 commit.
Only then does anyone get an answer. A crash before step 7 leaves nothing: no change, no entry, no
answer. A crash in step 7 leaves the outcome unknown, and nobody is told that it succeeded.

Facts decide permission only. What may happen once - a version, a one-time code, an idempotency key -
is a conditional write whose row count decides; a turn in which one misses is rolled back whole and
each attempt is tried once more alone, so that a poisonous attempt harms only itself.

Source: AUDIT-2 (ASVS 5.0 16.3.2), promises P1 to P4 and P6.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection, Engine, Executable, Transaction
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from app.access.agent import Agent
from app.access.drafting import draft
from app.access.opened import Note, Opened, PendingChange
from app.access.policy import decide
from app.access.receipt import Receipt
from app.access.visit import Visit, Visited
from app.access.work import Answer, Facts
from app.audit import log as trail
from app.audit.entry import Draft, Stamp
from app.core.clock import Clock
from app.core.entropy import Entropy
from app.core.errors import (
    AuditUnavailableError,
    CaretrailError,
    ForbiddenError,
    HiddenError,
    NotFoundError,
    OutcomeUnknownError,
    TokenInvalidError,
)
from app.storage.engine import UNREPLICATED, cut
from app.storage.guard import carrying
from app.vault.keyring import Keyring
from app.vault.sealing import keyed_digest

logger = logging.getLogger(__name__)

RETRIES = 3
_TRY_AGAIN = {"40001", "40P01"}  # serialisation failure, deadlock: nothing happened


class Register(Protocol):
    """What a turn has to know about people and rows; `main` says who knows it."""

    def gather(self, connection: Connection, visits: Sequence[Visit], at: datetime) -> list[Facts]:
        """Return the facts of each visit, in order: steps 2 and 3."""
        ...

    def touch(self, connection: Connection, sessions: Sequence[str], at: datetime) -> None:
        """Note that these sessions were active."""
        ...

    def replay(self, opened: Opened) -> Answer:
        """Return the stored answer of a repeated call, or raise if the request was another."""
        ...

    def remember(self, opened: Opened, answer: Answer) -> PendingChange:
        """Return the write that keeps an answer for a repeat."""
        ...


class StaleRowError(RuntimeError):
    """A conditional write met a row that is no longer as it was gathered."""


class CommitUnknownError(RuntimeError):
    """Contact was lost during COMMIT, or the server said it may not be replicated."""


@dataclass(slots=True)
class Attempt:
    """One visit inside a turn, with what came of it so far."""

    visit: Visit
    facts: Facts
    opened: Opened | None = None
    receipt: Receipt | None = None
    answer: Answer | None = None
    error: CaretrailError | None = None


class Turn:
    """Serves visits, one transaction at a time. Used by one thread only."""

    def __init__(
        self,
        engine: Engine,
        keyring: Keyring,
        register: Register,
        clock: Clock,
        entropy: Entropy,
        address_key: bytes,
    ) -> None:
        self._engine = engine
        self._keyring = keyring
        self._register = register
        self._clock = clock
        self._entropy = entropy
        self._address_key = address_key
        self._connection: Connection | None = None
        self._last: datetime | None = None
        self.committing = False

    # --- serving, and what a failure means ----------------------------------------------------

    def serve(self, visits: list[Visit]) -> None:
        """Serve all visits and set the outcome of each. Never raises."""
        for _ in range(RETRIES):
            try:
                self._transact(visits)
            except CommitUnknownError as unknown:
                self._answer_all(visits, OutcomeUnknownError(why="outcome-unknown"), unknown)
            except OperationalError as broken:
                if getattr(broken.orig, "sqlstate", None) in _TRY_AGAIN:
                    continue
                self._answer_all(visits, AuditUnavailableError(), broken)
            except Exception as failed:  # noqa: BLE001 - rolled back: nobody may be answered from it
                self._apart(visits, failed)
            return
        self._answer_all(visits, AuditUnavailableError(), None)

    def _apart(self, visits: list[Visit], failed: Exception) -> None:
        """Try each attempt alone; one that fails again is recorded as failed and nothing more."""
        if not isinstance(failed, StaleRowError | IntegrityError):
            logger.error("turn-rolled-back", exc_info=failed)
        for visit in visits:
            for poisoned in (False, True):
                try:
                    self._transact([visit], poisoned=poisoned)
                    break
                except CommitUnknownError as unknown:
                    self._answer_all([visit], OutcomeUnknownError(), unknown)
                    break
                except Exception as again:  # noqa: BLE001 - see above
                    self._answer_all([visit], AuditUnavailableError(), again)

    def _answer_all(self, visits: list[Visit], error: CaretrailError, cause: Exception | None) -> None:
        if cause is not None:
            logger.error("turn-failed", extra={"cause": type(cause).__name__, "visits": len(visits)})
            self._drop_broken(cause)
        for visit in visits:
            visit.outcome, visit.stamp = error, None

    def _drop_broken(self, cause: Exception) -> None:
        lost = isinstance(cause, CommitUnknownError) or (
            isinstance(cause, DBAPIError) and cause.connection_invalidated
        )
        if lost and self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None

    def abandon(self) -> None:
        """Cut the connection under a stuck turn, from another thread; its statement then fails."""
        if self._connection is not None and not self._connection.closed:
            cut(self._connection)

    # --- one transaction ----------------------------------------------------------------------

    def _transact(self, visits: list[Visit], *, poisoned: bool = False) -> None:
        connection = self._connected()
        at = self._instant()  # 1
        attempts: list[Attempt] = []
        with carrying(connection, self):
            transaction = connection.begin()
            try:
                facts = self._register.gather(connection, visits, at)  # 2, 3
                attempts = [Attempt(v, f) for v, f in zip(visits, facts, strict=True)]
                attempts.sort(key=_reads_first)
                for attempt in attempts:
                    self._attend(connection, attempt, at, poisoned=poisoned)  # 4, 5
                self._write(connection, attempts, at)
                stamps = self._record(connection, attempts, at)  # 6
            except BaseException:
                transaction.rollback()
                raise
            finally:
                _close_receipts(attempts)
            self._commit(connection, transaction)  # 7
        for attempt, stamp in zip(attempts, stamps, strict=True):
            _settle(attempt, stamp, at)

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed or self._connection.invalidated:
            if self._connection is not None:
                self._connection.close()
            self._connection = self._engine.connect()
        return self._connection

    def _instant(self) -> datetime:
        """Return the instant of this turn; a clock that stepped back never revives what has ended."""
        now = self._clock.now()
        self._last = max(now, self._last or now)
        return self._last

    def _commit(self, connection: Connection, transaction: Transaction) -> None:
        connection.info.pop(UNREPLICATED, None)
        self.committing = True
        try:
            transaction.commit()
        except DBAPIError as error:
            if _surely_rolled_back(error):
                transaction.rollback()
                raise
            raise CommitUnknownError(type(error).__name__) from error
        finally:
            self.committing = False
        if connection.info.pop(UNREPLICATED, False):
            raise CommitUnknownError("committed locally, but might not have been replicated")

    # --- one attempt --------------------------------------------------------------------------

    def _attend(self, connection: Connection, attempt: Attempt, at: datetime, *, poisoned: bool) -> None:
        """Decide and perform. An error of one attempt stays with it, unless it is the database's."""
        visit, facts = attempt.visit, attempt.facts
        agent = facts.agent
        if agent is None:
            attempt.error = TokenInvalidError(why="session-unknown")
            return
        attempt.receipt = Receipt(id(visit), agent.org)
        attempt.opened = Opened(
            visit, agent, facts, at, connection, self._keyring, self._entropy, attempt.receipt
        )
        _note_resident(attempt.opened, facts)
        attempt.error = _refusal(visit, facts) or self._decide(attempt, agent, at)
        if attempt.error is None and poisoned:
            attempt.error = CaretrailError(why="failed-twice")
        if attempt.error is None:
            self._perform(connection, attempt)

    def _decide(self, attempt: Attempt, agent: Agent, at: datetime) -> CaretrailError | None:
        visit, facts = attempt.visit, attempt.facts
        try:
            verdict = decide(agent, visit.work.question(visit.operation, agent, facts, at))
        except CaretrailError as error:
            return error
        match verdict.result:
            case "permitted":
                if facts.resident is not None and attempt.receipt is not None:
                    attempt.receipt.extend(agent.org, facts.resident.id)
                return None
            case "refused":
                return ForbiddenError(why=verdict.why)
            case "hidden":
                return HiddenError(why=verdict.why)
            case "missing":
                return NotFoundError(why=verdict.why)

    def _perform(self, connection: Connection, attempt: Attempt) -> None:
        opened = attempt.opened
        assert opened is not None  # noqa: S101 - set by `_attend`
        work = attempt.visit.work
        try:
            with carrying(connection, attempt.receipt):
                if attempt.visit.repeat is not None and attempt.facts.stored is not None:
                    attempt.answer = self._register.replay(opened)
                elif work.own_sql:
                    with connection.begin_nested():
                        attempt.answer = work.perform(opened)
                else:
                    attempt.answer = work.perform(opened)
                attempt.error = attempt.answer.refusal
        except CaretrailError as error:
            _forget(attempt, error)
        except DBAPIError:
            raise
        except Exception:  # one bad record is one failed visit
            logger.exception("attempt-failed", extra={"act": attempt.visit.operation.act})
            _forget(attempt, CaretrailError(why="error"))

    # --- writing ------------------------------------------------------------------------------

    def _write(self, connection: Connection, attempts: list[Attempt], at: datetime) -> None:
        awake = [
            a.facts.session.id
            for a in attempts
            if a.error is None and a.facts.touch and not a.visit.background and a.facts.session
        ]
        if awake:
            self._register.touch(connection, awake, at)
        grouped: dict[Executable, list[dict[str, object]]] = {}
        for attempt in attempts:
            for change in self._changes(attempt):
                grouped.setdefault(change.statement, []).append(change.parameters)
        for statement, rows in grouped.items():
            options = {"preserve_rowcount": True}
            written = connection.execute(statement, rows, execution_options=options).rowcount
            if written != len(rows):
                raise StaleRowError(f"{written} of {len(rows)} rows written")

    def _changes(self, attempt: Attempt) -> list[PendingChange]:
        opened, answer = attempt.opened, attempt.answer
        if opened is None or answer is None:
            return []
        if attempt.error is None and attempt.visit.repeat is not None and attempt.facts.stored is None:
            return [*opened.pending, self._register.remember(opened, answer)]
        return opened.pending

    def _record(self, connection: Connection, attempts: list[Attempt], at: datetime) -> list[Stamp | None]:
        """Append one entry for each attempt, and what goes with it. Heads are locked here, last."""
        drafts: list[Draft] = []
        places: list[int | None] = []
        for attempt in attempts:
            own = self._draft(attempt)
            places.append(len(drafts) if own else None)
            drafts += own
        stamps = trail.append(connection, drafts, at) if drafts else []
        for one, stamp in zip(drafts, stamps, strict=True):
            if one.then is not None:
                connection.execute(*one.then(stamp.seq))
        return [None if place is None else stamps[place] for place in places]

    def _draft(self, attempt: Attempt) -> list[Draft]:
        opened, error, visit = attempt.opened, attempt.error, attempt.visit
        if opened is None or (visit.work.silent and error is None):
            return []
        out, why = ("ok", None) if error is None else (error.outcome, error.why)
        source = {"rid": visit.request_id} if visit.request_id else {}
        if visit.address:
            source["ip_h"] = keyed_digest(self._address_key, visit.address).hex()[:32]
        main = draft(opened, visit.operation.act, out, why, source)
        return [main, *(opened.also if error is None else ())]


def _reads_first(attempt: Attempt) -> bool:
    return attempt.visit.work.changes


def _close_receipts(attempts: Sequence[Attempt]) -> None:
    for attempt in attempts:
        if attempt.receipt is not None:
            attempt.receipt.close()


def _refusal(visit: Visit, facts: Facts) -> CaretrailError | None:
    """Return why this session may not act at all now, in the order in which it should be told."""
    if facts.refusal is None or visit.work.closing:
        return None
    if facts.asleep and visit.operation.asleep:
        return None
    return None if facts.unready and visit.operation.unready else facts.refusal


def _note_resident(opened: Opened, facts: Facts) -> None:
    if facts.resident is not None:
        opened.note.subs = [facts.resident.id]
        opened.note.homes = (facts.resident.home_id,)


def _forget(attempt: Attempt, error: CaretrailError) -> None:
    """Drop what a failed work had prepared: nothing of it is written, and its entry claims nothing."""
    attempt.error, attempt.answer = error, None
    opened = attempt.opened
    if opened is not None:
        opened.pending.clear()
        opened.also.clear()
        opened.note = Note(
            object=attempt.visit.work.asked(), reason=attempt.visit.reason, org=opened.note.org
        )
        _note_resident(opened, attempt.facts)


def _settle(attempt: Attempt, stamp: Stamp | None, at: datetime) -> None:
    visit = attempt.visit
    visit.stamp, visit.at = stamp, at
    if attempt.error is not None:
        visit.outcome = attempt.error
    else:
        visit.outcome = Visited(attempt.answer or Answer(), stamp, at)


def _surely_rolled_back(error: DBAPIError) -> bool:
    """Say whether a failed COMMIT surely did not happen: SQLite found no room or no lock for it."""
    text = str(error.orig)
    return "disk is full" in text or "database is locked" in text
