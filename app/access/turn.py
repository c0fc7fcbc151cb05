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
from contextlib import suppress
from datetime import datetime

from sqlalchemy import Connection, Engine, Executable
from sqlalchemy.exc import IntegrityError

from app.access.agent import Agent
from app.access.attempt import Attempt
from app.access.instants import Instants
from app.access.integrity import Alarms
from app.access.neighbours import Neighbours
from app.access.opened import Opened, PendingChange
from app.access.overtaking import OvertakenError, append_unless_overtaken
from app.access.receipt import Receipt
from app.access.register import Register
from app.access.scarcity import Scarcity
from app.access.source import Sources
from app.access.transaction import (
    CommitUnknownError,
    StaleRowError,
    Transaction,
    WithdrawnError,
    is_the_databases,
    may_try_again,
    said_of,
    wants_another_server,
)
from app.access.visit import Visit
from app.access.witness import ServerSetBackError, Witness
from app.access.work import Facts
from app.audit import log as trail
from app.audit.entry import Draft, Stamp
from app.audit.guard_file import Guards
from app.core.clock import Clock
from app.core.entropy import Entropy
from app.core.errors import AuditUnavailableError, CaretrailError, OutcomeUnknownError
from app.storage import together
from app.storage.engine import cut
from app.storage.guard import carrying
from app.storage.reserve import Reserve
from app.vault.keyring import Keyring, OutlivedKeyError

logger = logging.getLogger(__name__)

RETRIES = 3
MOST_OVERTAKEN = 10


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
        reserve: Reserve | None = None,
        guards: Guards | None = None,
    ) -> None:
        self._engine = engine
        self._scarcity = Scarcity(reserve)
        self._witness = Witness(guards)
        self._keyring = keyring
        self._register = register
        self._instants = Instants(clock)
        self._entropy = entropy
        self._sources = Sources(address_key)
        self._alarms = Alarms()
        self._neighbours = Neighbours()
        self._connection: Connection | None = None

    # --- serving, and what a failure means ----------------------------------------------------

    def serve(self, visits: list[Visit]) -> None:
        """Serve all visits and set the outcome of each. Never raises."""
        for _ in range(RETRIES):
            visits = self._scarcity.admitted(visits)
            if not visits:
                return
            try:
                self._undisturbed(visits)
            except CommitUnknownError as unknown:
                self._answer_all(visits, OutcomeUnknownError(), unknown)
            except (WithdrawnError, ServerSetBackError):
                self._answer_all(visits, AuditUnavailableError(), None)
            except Exception as failed:  # noqa: BLE001 - rolled back: nobody may be answered from it
                if may_try_again(failed) or self._scarcity.relieved(failed):
                    continue
                if is_the_databases(failed):
                    self._answer_all(visits, AuditUnavailableError(), failed)
                else:
                    self._apart(visits, failed)
            return
        self._answer_all(visits, AuditUnavailableError(), None)

    def _apart(self, visits: list[Visit], failed: Exception) -> None:
        """Try each attempt alone; one that fails again is recorded as failed and nothing more."""
        if not isinstance(failed, StaleRowError | OutlivedKeyError | AuditUnavailableError | IntegrityError):
            logger.error("turn-rolled-back", exc_info=failed)
        for visit in visits:
            self._alone(visit)

    def _alone(self, visit: Visit) -> None:
        for poisoned in (False, True):
            try:
                self._undisturbed([visit], poisoned=poisoned)
            except CommitUnknownError as unknown:
                self._answer_all([visit], OutcomeUnknownError(), unknown)
            except (WithdrawnError, ServerSetBackError):
                self._answer_all([visit], AuditUnavailableError(), None)
            except AuditUnavailableError as away:  # whoever keeps the root key, above all
                self._answer_all([visit], away, None)
            except Exception as again:  # noqa: BLE001 - see above
                self._answer_all([visit], AuditUnavailableError(), again)
                if not is_the_databases(again):
                    continue  # it is the attempt that is bad, not the state of the database
            return

    def _undisturbed(self, visits: list[Visit], *, poisoned: bool = False) -> None:
        """Do one transaction, and again where another process ended something meanwhile."""
        for _ in range(MOST_OVERTAKEN):
            with suppress(OvertakenError):
                return self._transact(visits, poisoned=poisoned)
        raise AuditUnavailableError(why="overtaken")

    def _answer_all(self, visits: list[Visit], error: CaretrailError, cause: Exception | None) -> None:
        if cause is not None:
            logger.error("turn-failed", extra={"visits": len(visits)} | said_of(cause))
            self._drop_broken(cause)
        for visit in visits:
            visit.outcome, visit.stamp = error, None

    def _drop_broken(self, cause: Exception) -> None:
        if self._connection is not None and wants_another_server(cause):
            self._connection.invalidate()
            self.close()

    def close(self) -> None:
        """Let go of the connection: it is of no more use, or no further turn will come."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def abandon(self, older_than: int | None = None) -> None:
        """Cut the connection under a stuck turn, from another thread; its statement then fails."""
        connection = self._connection  # read once: the turn's thread may let go of it meanwhile
        if connection is not None:
            cut(connection, older_than)

    # --- one transaction ----------------------------------------------------------------------

    def _transact(self, visits: list[Visit], *, poisoned: bool) -> None:
        if any(visit.fate == "withdrawn" for visit in visits):
            raise WithdrawnError
        connection = self._connected()
        at = self._instants.next()  # 1
        attempts: list[Attempt] = []
        self._keyring.turn_begins()
        with carrying(connection, self):
            transaction = Transaction(connection, visits)
            try:
                if any(v.work.changes or v.work.own_sql or v.work.alone for v in visits):
                    transaction.begin()
                facts = self._register.gather(connection, visits, at)  # 2, 3
                attempts = [Attempt(v, f) for v, f in zip(visits, facts, strict=True)]
                attempts.sort(key=lambda attempt: attempt.visit.work.changes)
                self._attend(connection, attempts, at, poisoned=poisoned)  # 4, 5
                self._write(connection, transaction, attempts, at)
                stamps = self._record(connection, transaction, attempts, at)  # 6
            except BaseException:
                transaction.rollback()
                raise
            finally:
                for attempt in attempts:
                    if attempt.receipt is not None:
                        attempt.receipt.close()
            transaction.commit()  # 7
        self._alarms.committed()
        self._witness.saw(stamps)
        for attempt, stamp in zip(attempts, stamps, strict=True):
            attempt.settle(stamp, at)

    def _attend(
        self, connection: Connection, attempts: Sequence[Attempt], at: datetime, *, poisoned: bool
    ) -> None:
        def open_for(visit: Visit, agent: Agent, facts: Facts, receipt: Receipt) -> Opened:
            return Opened(visit, agent, facts, at, connection, self._keyring, self._entropy, receipt)

        for attempt in attempts:
            attempt.attend(connection, open_for, self._register.replay, poisoned=poisoned)

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed or self._connection.invalidated:
            self.close()
            self._connection = self._witness.connect(self._engine)
        return self._connection

    # --- writing ------------------------------------------------------------------------------

    def _write(
        self, connection: Connection, transaction: Transaction, attempts: list[Attempt], at: datetime
    ) -> None:
        changing = [attempt.facts for attempt in attempts if attempt.changes]
        if changing:
            transaction.begin()
            if not self._register.keep(connection, changing):
                raise StaleRowError("somebody was erased meanwhile")
        awake = [attempt.facts.session.id for attempt in attempts if attempt.keeps_awake]
        if awake:
            transaction.begin()
            self._register.touch(connection, awake, at)
        grouped: dict[Executable, list[dict[str, object]]] = {}
        for attempt in attempts:
            for change in self._changes(attempt):
                grouped.setdefault(change.statement, []).append(change.parameters)
        if grouped:
            transaction.begin()
        for statement, rows in grouped.items():
            written = together.write(connection, statement, rows)
            if written != len(rows):
                raise StaleRowError(f"{written} of {len(rows)} rows written")

    def _changes(self, attempt: Attempt) -> list[PendingChange]:
        opened, answer = attempt.opened, attempt.answer
        if opened is None or answer is None:
            return []
        if attempt.error is None and attempt.visit.repeat is not None and not attempt.is_replay:
            return [*opened.pending, self._register.remember(opened, answer)]
        return opened.pending

    def _record(
        self, connection: Connection, transaction: Transaction, attempts: list[Attempt], at: datetime
    ) -> list[Stamp | None]:
        """Append one entry for each attempt, and what goes with it. Heads are locked here, last."""
        drafts: list[Draft] = []
        places: list[int | None] = []
        for attempt in attempts:
            own = attempt.drafts(self._sources.of(attempt.visit))
            places.append(len(drafts) if own and not attempt.is_silent else None)
            drafts += own
        drafts += self._alarms.drafts(attempts)
        if any(one.then is not None for one in drafts):
            transaction.begin()
        stamps = self._append(connection, transaction, attempts, drafts, at) if drafts else []
        for one, stamp in zip(drafts, stamps, strict=True):
            if one.then is not None:
                connection.execute(*one.then(stamp.seq))
        if transaction.begun:
            self._refuse_outlived(connection, {one.org for one in drafts})
        return [None if place is None else stamps[place] for place in places]

    def _append(
        self,
        connection: Connection,
        transaction: Transaction,
        attempts: list[Attempt],
        drafts: list[Draft],
        at: datetime,
    ) -> list[Stamp]:
        stamps, head = None, self._neighbours.standing(attempts, drafts)
        if head is not None and transaction.may_be_one_statement and trail.one_statement_stores(drafts):
            with transaction.in_one_statement():
                stamps = trail.append_where_read(connection, drafts, at, head)
            if stamps is None:
                transaction.reopen()
        elif head is not None:
            transaction.begin()
            stamps = trail.append_where_read(connection, drafts, at, head)
        if stamps is None:
            transaction.begin()
            stamps = append_unless_overtaken(connection, drafts, at, attempts)
        self._neighbours.left(stamps, head)
        return stamps

    def _refuse_outlived(self, connection: Connection, locked: set[str]) -> None:
        """Roll back what was sealed under an organisation's key while another process began a newer one."""
        sealed = self._keyring.sealed_for
        if sealed:
            trail.lock(connection, sealed - locked)
            self._keyring.refuse_outlived(connection)
