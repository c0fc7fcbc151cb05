"""What another process changes about a resident while they are erased: it comes first, or not at all.

On PostgreSQL, where several processes write at once; each here has a connection and keys of its own.
"""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from sqlalchemy import event

from app.access.visit import System, Visited
from app.core.errors import NotFoundError
from app.identity.table import idempotency
from app.residents.erasing import ApproveErasure
from app.residents.erasure_rows import ErasureRow
from app.residents.holding import HOLD, SetHold
from app.residents.reapplying import AGAIN, EraseAgain, Erased
from app.residents.recording import MakeRecord
from app.residents.retention import RetentionHoldError
from app.residents.table import erasure, record, resident_hold
from tests.unit.residents.conftest import APPROVE

RECORDS = "POST /v1/residents/{resident_id}/records"
ON_POSTGRESQL = pytest.mark.parametrize("each_world", ["postgresql"], indirect=True)
A_MOMENT_S, AT_MOST_S = 0.5, 60


@dataclass
class Gate:
    """Where a process stops until it is let through."""

    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def stop_here(self) -> None:
        """Wait until it is let through."""
        self.reached.set()
        assert self.opened.wait(AT_MOST_S)


def stopping(work, gate):
    """Return a work that stops when it was performed, and before anything of it is written."""

    class Stopping(type(work)):
        def perform(self, opened):
            answer = super().perform(opened)
            if not gate.reached.is_set():
                gate.stop_here()
            return answer

    return Stopping(**vars(work))


@pytest.fixture
def beside():
    """A thread in which another process works."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def hold(resident):
    return SetHold(resident, held=True, reason="an inquiry")


def begun(pool, gate, *visit, **more) -> Future:
    """Have a visit served in the other thread, up to the gate."""
    future = pool.submit(*visit, **more)
    assert gate.reached.wait(AT_MOST_S)
    return future


@ON_POSTGRESQL
def test_a_hold_not_written_yet_finds_nobody(provider, beside):
    """A hold that another process decided on before the erasure, and writes after it, is refused."""
    resident, gate = provider.admit(), Gate()
    asked, other = provider.ask(resident), provider.world.beside()
    work, cli = stopping(hold(resident), gate), System("cli", provider.world.org)
    holding = begun(beside, gate, other.do, work, HOLD, cli)
    approved = provider.approve(asked["id"])
    gate.opened.set()

    assert isinstance(approved, Visited)
    assert isinstance(holding.result(AT_MOST_S), NotFoundError)
    assert [] == provider.world.rows(resident_hold)
    assert [] == provider.findings()


@ON_POSTGRESQL
def test_a_hold_waits_for_an_erasure_that_has_begun(provider, beside):
    """While an erasure is being carried out nobody puts a hold; afterwards there is nobody to hold."""
    resident, gate = provider.admit(), Gate()
    asked, other = provider.ask(resident), provider.world.beside()
    work = stopping(ApproveErasure(asked["id"]), gate)
    erasing = begun(beside, gate, other.do, work, APPROVE, provider.manager)
    with ThreadPoolExecutor(1) as third:
        holding = third.submit(provider.world.do, hold(resident), HOLD, System("cli", provider.world.org))
        threading.Event().wait(A_MOMENT_S)
        early = holding.done()
        gate.opened.set()

        assert not early
        assert isinstance(erasing.result(AT_MOST_S), Visited)
        assert isinstance(holding.result(AT_MOST_S), NotFoundError)
    assert [] == provider.world.rows(resident_hold)


@ON_POSTGRESQL
@pytest.mark.parametrize("again", [False, True])
def test_an_erasure_waits_for_a_hold_that_is_being_written(provider, beside, again):
    """A hold that was written and not committed yet is waited for; then the approval is refused.

    What a ledger says was erased is erased again all the same.
    """
    resident, gate = provider.admit(), Gate()
    asked, other = provider.ask(resident), provider.world.beside()

    def after_the_write(_connection, _cursor, statement, *_):
        if statement.startswith("INSERT INTO resident_hold"):
            gate.stop_here()

    event.listen(other.engine, "after_cursor_execute", after_the_write)
    holding = begun(beside, gate, other.do, hold(resident), HOLD, System("cli", provider.world.org))
    with ThreadPoolExecutor(1) as third:
        erasing = third.submit(_erase, provider, asked["id"], again=again)
        threading.Event().wait(A_MOMENT_S)
        early = erasing.done()
        gate.opened.set()

        assert not early
        assert isinstance(holding.result(AT_MOST_S), Visited)
        outcome = erasing.result(AT_MOST_S)
    assert isinstance(outcome, Visited if again else RetentionHoldError), outcome


def _erase(provider, asked, *, again):
    if not again:
        return provider.approve(asked)
    [found] = provider.world.rows(erasure)
    told = {name: found[name] for name in ErasureRow._fields}
    done = ErasureRow(**told)._replace(
        status="approved", approved_by=provider.manager.id, approved_at=provider.world.later(), records=1
    )
    return provider.world.do(EraseAgain(Erased(1, done)), AGAIN, System("cli", provider.world.org))


@ON_POSTGRESQL
def test_an_answer_kept_for_a_repeat_does_not_outlive_whom_it_is_about(provider, beside):
    """A note that was made while its resident was erased is refused, and nothing is kept of it."""
    resident, gate = provider.admit(left_on=None), Gate()
    nurse = provider.world.person("nurse")
    asked, other = provider.ask(resident, "never_our_record"), provider.world.beside()
    note = stopping(MakeRecord(resident, "daily_note", provider.world.later(minutes=-5), {"text": "x"}), gate)
    noting = begun(beside, gate, other.do, note, RECORDS, nurse, key="once")
    approved = provider.approve(asked["id"])
    gate.opened.set()

    assert isinstance(approved, Visited)
    assert isinstance(noting.result(AT_MOST_S), NotFoundError)
    assert 1 == len(provider.world.rows(record)), "the one from before"
    assert [] == [row for row in provider.world.rows(idempotency) if row["answer"]]
