"""A dose names a medicine that is there, and nobody records one before it is given."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaitingError
from contextlib import suppress

import pytest

from app.access.door import share_a_turn
from app.access.operations import OPERATIONS
from app.access.visit import Session, System, Visit, Visited
from app.core.errors import AuditUnavailableError, ConflictError, InvalidRequestError
from app.residents import correcting, recording
from app.residents.correcting import AmendRecord, RemoveRecord
from app.residents.recording import MakeRecord
from app.residents.table import record
from tests.http.bodies import body_of

MAKE = "POST /v1/residents/{resident_id}/records"
AMEND = "PUT /v1/residents/{resident_id}/records/{record_id}"
REMOVE = "DELETE /v1/residents/{resident_id}/records/{record_id}"
DOSE = "medication_administration"
ON_POSTGRESQL = pytest.mark.parametrize("each_world", ["postgresql"], indirect=True)
A_MOMENT_S, AT_MOST_S = 0.5, 60


@pytest.fixture
def cli(provider):
    """Who does everything here."""
    return System("cli", provider.world.org)


@pytest.fixture
def resident(provider):
    """Somebody who lives here."""
    return provider.admit(left_on=None)


@pytest.fixture
def medicine(provider, resident, cli):
    """The id of a medicine of theirs that no dose is recorded of."""
    work = MakeRecord(
        resident, "medication", provider.world.later(minutes=-9), body_of("medication", "Sample")
    )
    return provider.world.answer(work, MAKE, cli).payload["id"]


def dose(world, resident, medicine, **given):
    """Return the recording of a dose, given some minutes ago."""
    body = body_of(DOSE, "x", medication_id=medicine) | {"given_at": world.later(minutes=-4)} | given
    return MakeRecord(resident, DOSE, world.later(minutes=-4), body)


def pointers(refused):
    assert isinstance(refused, InvalidRequestError), refused
    return [pointer for pointer, _ in refused.errors]


# --- a medicine that is there -----------------------------------------------------------------------


def test_no_dose_is_recorded_of_a_medicine_that_was_removed(provider, resident, medicine, cli):
    """A dose of a medicine entered in error is refused at the field that names it."""
    world = provider.world
    world.answer(RemoveRecord(resident, medicine, 1), REMOVE, cli, reason="another resident's")

    assert ["/body/medication_id"] == pointers(world.refusal(dose(world, resident, medicine), MAKE, cli))


def beside(monkeypatch, module, name, start) -> list[Future]:
    """Have another process start once, after a check of this one; it gets a moment, or waits for this one."""
    check, started, pool = getattr(module, name), [], ThreadPoolExecutor(1)

    def checked(*given):
        check(*given)
        if not started:
            started.append(pool.submit(start))
            pool.shutdown(wait=False)
            with suppress(StillWaitingError):
                started[0].result(A_MOMENT_S)

    monkeypatch.setattr(module, name, checked)
    return started


def live_doses(world) -> int:
    return len([row for row in world.rows(record) if row["category"] == DOSE and not row["deleted"]])


@ON_POSTGRESQL
def test_no_dose_is_recorded_while_its_medicine_is_removed(provider, resident, medicine, cli, monkeypatch):
    """A dose that another process records amid the removal of its medicine waits, and is refused."""
    world, other = provider.world, provider.world.beside()
    work = dose(world, resident, medicine)
    started = beside(monkeypatch, correcting, "_refuse_administered", lambda: other.do(work, MAKE, cli))
    removed = world.do(RemoveRecord(resident, medicine, 1), REMOVE, cli, reason="a slip")
    [recorded] = [future.result(AT_MOST_S) for future in started]

    assert isinstance(removed, Visited)
    assert isinstance(recorded, InvalidRequestError | AuditUnavailableError), recorded
    assert 0 == live_doses(world)


@ON_POSTGRESQL
def test_no_medicine_is_removed_while_a_dose_of_it_is_recorded(
    provider, resident, medicine, cli, monkeypatch
):
    """A removal that another process begins amid the recording of a dose waits, and is refused."""
    world, other = provider.world, provider.world.beside()
    work = RemoveRecord(resident, medicine, 1)
    started = beside(
        monkeypatch, recording, "_require_medication", lambda: other.do(work, REMOVE, cli, reason="a slip")
    )
    recorded = world.do(dose(world, resident, medicine), MAKE, cli)
    [removed] = [future.result(AT_MOST_S) for future in started]

    assert isinstance(recorded, Visited)
    assert isinstance(removed, ConflictError | AuditUnavailableError), removed
    assert [False] == [row["deleted"] for row in world.rows(record) if row["id"] == medicine]
    assert 1 == live_doses(world)


@pytest.mark.parametrize(
    ("operation", "work"),
    [
        (MAKE, MakeRecord("r", "daily_note", "2026-03-02T08:30:00Z", {"text": "slept"})),
        (MAKE, MakeRecord("r", DOSE, "2026-03-02T08:30:00Z", body_of(DOSE, "x", medication_id="m"))),
        (REMOVE, RemoveRecord("r", "a dose of it", 1)),
    ],
    ids=["note", "dose", "removal"],
)
def test_a_removal_shares_its_turn_with_nobody(operation, work):
    """What is removed takes a turn of its own, so that all that came before it is written when it looks."""
    visits = [
        Visit(Session("s", "o"), OPERATIONS[REMOVE], RemoveRecord("r", "m", 1)),
        Visit(Session("s", "o"), OPERATIONS[operation], work),
    ]

    for order in (visits, visits[::-1]):
        waiting = deque(order)
        assert [[order[0]], [order[1]]] == [share_a_turn(waiting) for _ in range(2)]


# --- not before it is given ---------------------------------------------------------------------------


@pytest.mark.parametrize(("microseconds", "taken"), [(0, True), (1, False)])
@pytest.mark.parametrize("what", ["given", "refused"])
def test_no_dose_is_recorded_before_its_time(provider, resident, medicine, cli, microseconds, taken, what):
    """The instant of a dose lies at most five minutes from now, as that of anything recorded."""
    world = provider.world
    given_at = world.later(minutes=5, microseconds=microseconds)
    outcome = world.do(dose(world, resident, medicine, given_at=given_at, outcome=what), MAKE, cli)

    if taken:
        assert isinstance(outcome, Visited)
        return
    assert ["/body/given_at"] == pointers(outcome)
    assert (("/body/given_at", "Must not lie more than 5 minutes in the future."),) == tuple(outcome.errors)


@pytest.mark.parametrize(("microseconds", "taken"), [(0, True), (1, False)])
def test_no_dose_is_amended_to_a_time_to_come(provider, resident, medicine, cli, microseconds, taken):
    """Five minutes from now is the limit for the amendment of a dose, too."""
    world = provider.world
    made = world.answer(dose(world, resident, medicine), MAKE, cli).payload
    body = made["body"] | {"given_at": world.later(minutes=5, microseconds=microseconds)}
    outcome = world.do(AmendRecord(resident, made["id"], 1, made["occurred_at"], body, "a slip"), AMEND, cli)

    assert taken == isinstance(outcome, Visited)
    assert taken or ["/body/given_at"] == pointers(outcome)
