"""A process that dies in the middle of an approval leaves all of it or nothing."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import event

from app.access.operations import operation
from app.access.visit import System, Visit, Visited
from app.residents.admission import AdmitResident
from app.residents.erasing import ApproveErasure, AskErasure
from app.residents.recording import MakeRecord
from app.residents.table import erasure, resident
from tests.support.served import Database, Deployment
from tests.support.world import Person
from tests.unit.residents.conftest import APPROVE, ASK

DONE, DIED = 0, 9
MOST_STATEMENTS = 40


@pytest.fixture
def deployment(each_database: Database, tmp_path: Path):
    """A deployment on each database, with its keys in files."""
    made = Deployment.on(each_database, tmp_path)
    yield made
    made.close()


def asked_for(world: Deployment) -> tuple[str, Person]:
    """Have an erasure asked for; return its id and who may approve it."""
    cli = System("cli", world.org)
    identity, born = {"given_name": "Ada", "family_name": "Example"}, {"date_of_birth": "1938-04-05"}
    admitted = AdmitResident(world.home, None, None, identity, born, "2012-01-05")
    resident_id = str(world.answer(admitted, "POST /v1/residents", cli).payload["id"])
    note = MakeRecord(resident_id, "daily_note", world.later(minutes=-5), {"text": "slept well"})
    world.answer(note, "POST /v1/residents/{resident_id}/records", cli)
    officer, manager = (world.person(role, None) for role in ("privacy_officer", "registered_manager"))
    made = world.answer(AskErasure(resident_id, "court_order", "x"), ASK, officer)
    return str(made.payload["id"]), manager


def in_another_process(work: Callable[[], int]) -> int:
    """Run something in a process of its own and return how that ended."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def approve_and_die(world: Deployment, asked: str, who: Person, at: int) -> int:
    """Approve, and die before the statement of a number."""
    service = world.assembled()
    statements = 0

    @event.listens_for(service.engine, "before_cursor_execute")
    def count(*_: object) -> None:
        nonlocal statements
        statements += 1
        if statements == at:
            os._exit(DIED)  # nothing is flushed, no handler runs: as kill -9

    visit = Visit(who.session, operation(*APPROVE.split(" ")), ApproveErasure(asked))
    service.turn.serve([visit])
    return DONE if isinstance(visit.outcome, Visited) else 1


def left(world: Deployment) -> tuple[bool, str, bool]:
    """Return whether the key is gone, what the erasure's row says, and whether the entry is there."""
    [one], [row] = world.rows(resident), world.rows(erasure)
    entry = any(e["act"] == "resident.erase" and e["out"] == "ok" for e in world.entries())
    return not one["wrapped_key"], row["status"], entry


def test_an_approval_is_whole_or_not_there(deployment):
    """Killed before any of its statements, an approval left nothing; the next one does all of it."""
    asked, manager = asked_for(deployment)
    ended = []
    for at in range(1, MOST_STATEMENTS):
        deployment.close()
        ended.append(in_another_process(lambda at=at: approve_and_die(deployment, asked, manager, at)))
        if ended[-1] != DIED:
            break
        assert (False, "pending", False) == left(deployment), f"after statement {at}"

    assert [DIED] * (len(ended) - 1) + [DONE] == ended
    assert len(ended) > 8
    assert (True, "approved", True) == left(deployment)
