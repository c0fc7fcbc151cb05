"""What holds inside a turn: taken back is never done, kept open is shut, half a work is nothing.

On both databases, with the real turn.
"""

import asyncio
import threading
from dataclasses import dataclass, field

import pytest
from sqlalchemy import text

from app.access.door import Door
from app.access.opened import Opened
from app.access.visit import Visit, Visited, VisitRefusedError, withdraw
from app.access.work import Answer, Work
from app.core.errors import AuditUnavailableError, ConflictError
from app.residents.recording import MakeRecord
from app.residents.records import ReadRecord
from app.residents.table import record
from app.vault.keyring import ReceiptMissingError
from tests.door.conftest import NOTES, RECORD, Ward, outcomes

ME = "GET /v1/users/me"


# --- taken back ---------------------------------------------------------------------------------------


@dataclass
class TakenBackNote(MakeRecord):
    """A note that is written although its writer was answered meanwhile."""

    def perform(self, opened: Opened) -> Answer:
        """Write it, as the watch answers everyone."""
        answer = super().perform(opened)
        assert withdraw(opened.visit)
        return answer


@dataclass
class TakenBackReading(ReadRecord):
    """A reading whose reader was answered meanwhile."""

    def perform(self, opened: Opened) -> Answer:
        """Read, as the watch answers everyone."""
        answer = super().perform(opened)
        assert withdraw(opened.visit)
        return answer


@pytest.mark.parametrize("changing", [False, True])
def test_who_was_answered_meanwhile_is_not_carried_out(ward, changing):
    """A visit taken back while its turn ran leaves no row and no entry, nor do those of its turn."""
    before, rows = len(ward.entries()), len(ward.rows(record))
    note = TakenBackNote(ward.resident, "daily_note", ward.later(minutes=-5), {"text": "lost"})
    taken = (
        ward.visit_of(note, NOTES)
        if changing
        else ward.visit_of(TakenBackReading(ward.resident, ward.notes[0]), f"GET {RECORD}")
    )
    visits = [ward.reading(1), taken, ward.reading(2)]

    ward.turn.serve(visits)

    assert [AuditUnavailableError] * 3 == [type(visit.outcome) for visit in visits]
    assert (before, rows) == (len(ward.entries()), len(ward.rows(record)))
    again = [ward.reading(1)]
    ward.turn.serve(again)
    assert (["ok"], before + 1) == (outcomes(again), len(ward.entries()))


@dataclass
class Waits(Work):
    """A work that goes on when it is told to."""

    begun: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    def perform(self, _opened: Opened) -> Answer:
        """Wait."""
        self.begun.set()
        self.go.wait(10)
        return Answer("late")


async def after_everyone_was_answered(ward: Ward) -> list[object]:
    """Let one be served and one wait, have both answered, and let one more come before the turn ends."""
    waits = Waits()
    door = Door(ward.turn, deadline_s=60)
    door.open()
    inside = [asyncio.ensure_future(door.visit(ward.visit_of(waits, ME)))]
    await asyncio.to_thread(waits.begun.wait, 10)
    inside.append(asyncio.ensure_future(door.visit(ward.reading(0))))
    await asyncio.sleep(0)
    door._answer_everyone()  # as the watch does when a turn is late
    newcomer = asyncio.ensure_future(door.visit(ward.reading(1)))
    await asyncio.sleep(0)
    waits.go.set()
    found = await asyncio.gather(*inside, newcomer, return_exceptions=True)
    await door.close()
    assert door._thread is not None
    door._thread.join(10)
    return list(found)


def test_who_was_answered_while_waiting_harms_nobody_of_the_next_turn(ward):
    """A visit answered before its turn began is left out of it; who shares that turn is served."""
    before = len(ward.entries())
    ward.turn.close()

    *answered, newcomer = asyncio.run(after_everyone_was_answered(ward))

    assert [VisitRefusedError] * 2 == [type(one) for one in answered]
    assert [AuditUnavailableError] * 2 == [type(one.error) for one in answered]
    assert isinstance(newcomer, Visited)
    assert ["record.read"] == [entry["act"] for entry in ward.entries()[before:]]


# --- kept open ----------------------------------------------------------------------------------------


@dataclass
class KeptOpen(ReadRecord):
    """A reading that keeps what it was given."""

    kept: list[Opened] = field(default_factory=list)

    def perform(self, opened: Opened) -> Answer:
        """Read, and keep."""
        self.kept.append(opened)
        return super().perform(opened)


@dataclass
class Refused(Work):
    """A work whose statement the database refuses: its turn is rolled back."""

    def perform(self, opened: Opened) -> Answer:
        """Ask for what is not there."""
        opened.execute(text("SELECT * FROM nowhere"))
        return Answer(None)


def test_what_was_opened_is_shut_when_the_turn_is_over(ward):
    """What is kept of a turn unseals nothing after it, whether it was committed or rolled back."""
    work = KeptOpen(ward.resident, ward.notes[0])
    visits = [ward.visit_of(work, f"GET {RECORD}"), ward.visit_of(Refused(), ME)]

    ward.turn.serve(visits)

    assert ["ok", "internal-error"] == outcomes(visits)
    rolled_back, committed = work.kept
    for opened in (rolled_back, committed):
        with pytest.raises(ReceiptMissingError):
            opened.owner_key(ward.resident, opened.facts.resident.wrapped_key)


# --- half a work --------------------------------------------------------------------------------------


@dataclass
class HalfDone(Work):
    """A work that writes with SQL of its own, and then finds that it may not."""

    home_id: str
    changes = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Rename a home, then refuse."""
        opened.execute(text("UPDATE home SET name = 'half done' WHERE id = :id"), {"id": self.home_id})
        raise ConflictError(why="half-done")


def test_a_work_that_refuses_after_it_wrote_leaves_nothing(ward):
    """What a work wrote before it raised is taken back, its entry says that it failed; others are made."""
    before, rows = len(ward.entries()), len(ward.rows(record))
    half: Visit = ward.visit_of(HalfDone(ward.home), ME)
    visits = [ward.reading(0), half, ward.visit_of(ward.new_note("kept"), NOTES)]

    ward.turn.serve(visits)

    assert ["ok", "conflict", "ok"] == outcomes(visits)
    named = ward.looking(lambda c: c.execute(text("SELECT name FROM home")).scalars().all())
    assert ["Elm Court", "Rosewood House"] == sorted(named)
    assert rows + 1 == len(ward.rows(record))
    told = [(entry["act"], entry["out"], entry.get("why")) for entry in ward.entries()[before:]]
    assert [
        ("record.read", "ok", None),
        ("user.read", "fail", "half-done"),
        ("record.create", "ok", None),
    ] == told
