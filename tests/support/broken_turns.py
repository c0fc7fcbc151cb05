"""Turns that are broken on purpose. A test that does not notice them proves nothing."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, bindparam, update
from sqlalchemy.dialects import postgresql, sqlite

from app.access.attempt import Attempt
from app.access.door import MOST_VISITS
from app.access.transaction import Transaction
from app.access.turn import Turn
from app.access.visit import Visit
from app.audit.entry import Stamp
from app.identity import repeats
from app.identity.table import idempotency
from app.residents import correcting, recording
from app.residents.table import record, record_version
from app.storage.guard import _READING

DIALECTS: dict[str, Any] = {"postgresql": postgresql, "sqlite": sqlite}


class ShiftedResults(Turn):
    """Everybody gets the answer of the one before them."""

    def serve(self, visits: list[Visit]) -> None:
        """Serve, then hand out the answers one place further."""
        super().serve(visits)
        told = [(v.outcome, v.stamp, v.at) for v in visits]
        for visit, (outcome, stamp, at) in zip(visits, told[-1:] + told[:-1], strict=True):
            visit.outcome, visit.stamp, visit.at = outcome, stamp, at


class ShiftedFacts(Turn):
    """Everybody is taken for the one before them."""

    def serve(self, visits: list[Visit]) -> None:
        """Serve with the facts one place further."""
        gather = self._register.gather

        def shifted(connection: Any, asking: Any, at: Any) -> list[Any]:
            facts = gather(connection, asking, at)
            return facts[-1:] + facts[:-1]

        register: Any = self._register
        register.gather = shifted
        super().serve(visits)
        register.gather = gather


class RefusalUndone(Turn):
    """What a refusal wrote - a counted failure - is rolled back with it."""

    def _attend(
        self, connection: Connection, attempts: Sequence[Attempt], at: datetime, *, poisoned: bool
    ) -> None:
        if connection.info[_READING]:  # no transaction is begun: nothing was written that could be undone
            return super()._attend(connection, attempts, at, poisoned=poisoned)
        for attempt in attempts:
            savepoint = connection.begin_nested()
            super()._attend(connection, [attempt], at, poisoned=poisoned)
            if attempt.opened and attempt.answer is not None and attempt.answer.refusal is not None:
                savepoint.rollback()
                attempt.opened.pending.clear()
            else:
                savepoint.commit()
        return None


class Forgetful(Turn):
    """Attempts that came out in one way leave no entry."""

    forgotten = ""

    def _record(
        self, connection: Connection, transaction: Transaction, attempts: list[Attempt], at: datetime
    ) -> list[Stamp | None]:
        kept = [a for a in attempts if a.error is None or a.error.outcome != self.forgotten]
        stamps = iter(super()._record(connection, transaction, kept, at))
        return [next(stamps) if attempt in kept else None for attempt in attempts]


class FailuresForgotten(Forgetful):
    """An attempt that failed leaves no entry."""

    forgotten = "fail"


class RefusalsForgotten(Forgetful):
    """An attempt that was refused leaves no entry."""

    forgotten = "deny"


# --- facts that decide what may happen once -----------------------------------------------------


def crowd(waiting: deque[Visit]) -> list[Visit]:
    """Take from the front, as the door does, but let two visits change one row or use one key.

    The door keeps such visits apart. The conditional writes must hold without that, or two processes
    could do together what one of them never does.
    """
    taken = [waiting.popleft()]
    while waiting and not taken[0].work.alone and not waiting[0].work.alone and len(taken) < MOST_VISITS:
        taken.append(waiting.popleft())
    return taken


def let_facts_decide_repeats(monkeypatch: Any) -> None:
    """Keep an answer whether or not another was kept for that key in the meantime."""
    for name, dialect in DIALECTS.items():
        statement = dialect.insert(idempotency).values({c.name: bindparam(c.name) for c in idempotency.c})
        kept = statement.on_conflict_do_update(
            index_elements=["org", "user_id", "route", "key"], set_={"answer": statement.excluded.answer}
        )
        monkeypatch.setitem(repeats._REMEMBER, name, kept)


def show_repeats_unseen(monkeypatch: Any) -> None:
    """Give a stored answer again to whoever may still make the call, whatever became of what it shows."""
    monkeypatch.setattr(repeats, "look", lambda _opened, told: told)


def let_facts_decide_versions(monkeypatch: Any, dialect: str) -> None:
    """Write the next version whatever the version of the row is by now."""
    anyhow = (
        update(record)
        .where(
            record.c.org == bindparam("of"),
            record.c.resident_id == bindparam("whose"),
            record.c.id == bindparam("which"),
            bindparam("was", type_=Integer) > 0,
        )
        .values({name: bindparam(name) for name in correcting._WRITTEN})
    )
    statement = DIALECTS[dialect].insert(record_version)
    over = statement.on_conflict_do_update(
        index_elements=["org", "resident_id", "record_id", "version"],
        set_={"body": statement.excluded.body},
    )
    monkeypatch.setattr(correcting, "_UPDATE", anyhow)
    monkeypatch.setattr(recording, "_INSERT_VERSION", over)
