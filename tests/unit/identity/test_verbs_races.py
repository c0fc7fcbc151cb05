"""What may happen once happens once, however many processes are asked for it at the same moment."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from threading import Barrier, get_ident
from typing import Any

import pytest

from app.access.opened import Opened
from app.access.visit import System, Visited
from app.access.work import Answer, Work
from app.core.errors import (
    ConflictError,
    CredentialsRefusedError,
    OtpRequiredError,
    SessionEndedError,
    VersionConflictError,
)
from app.http.incidents_shapes import IncidentIn
from app.identity import factors, table
from app.identity.accounts import AmendAccount, DeactivateAccount
from app.identity.new_accounts import CreateAccount
from app.identity.own_credentials import ConfirmTotp, OfferTotp
from app.identity.own_session import LockSession, PrepareUnlock, ReadSession, Unlock
from app.identity.signing_in import ReserveSignIn, SignIn
from app.incidents.containment import Contain
from app.incidents.opening import OpenIncident
from tests.support import postgresql
from tests.support.world import SIGN_IN, Person, World

PROCESSES = 4
CREATE = "POST /v1/users"
AMEND = "PATCH /v1/users/{user_id}"
UNLOCK = "POST /v1/sessions/current/unlock"


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request, tmp_path) -> Iterator[World]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/world.db"
    else:
        server = request.getfixturevalue("postgresql_url")
        worker = request.getfixturevalue("worker_id")
        url = postgresql.make_database(server, f"races_{worker}").superuser
    with World(url) as world:
        yield world


def race(world: World, attempts: Sequence[Callable[[World], Any]]) -> list[Any]:
    """Make attempts as several processes do, all beginning at the same moment."""
    worlds = [world.beside() for _ in range(PROCESSES)]
    start = Barrier(PROCESSES)

    def run(n: int) -> list[Any]:
        start.wait()
        return [attempt(worlds[n]) for attempt in attempts[n::PROCESSES]]

    with ThreadPoolExecutor(PROCESSES) as pool:
        return [outcome for outcomes in pool.map(run, range(PROCESSES)) for outcome in outcomes]


def count(outcomes: Sequence[Any]) -> dict[str, int]:
    """Count outcomes: `Visited`, or the kind of error."""
    names = [type(outcome).__name__ for outcome in outcomes]
    return {name: names.count(name) for name in set(names)}


def test_parallel_attempts_get_ten_checks(world):
    """Of 40 attempts in four processes at once exactly ten get their password checked."""
    carer = world.person("carer", signed_in=False)

    def reserve(beside: World) -> Any:
        return beside.answer(ReserveSignIn(carer.username), SIGN_IN, address="192.0.2.9").payload

    reserved = race(world, [reserve] * 40)

    assert sum(not r.held.refused for r in reserved) == 10
    assert {row["kind"]: row["refused"] for row in world.rows(table.throttle)} == {"account": 30, "source": 0}


def test_one_code_opens_one_session(world):
    """Eight sign-ins with one code at once make one session."""
    carer = world.person("carer", signed_in=False)
    otp = world.otp(carer)
    reserved = [world.answer(ReserveSignIn(carer.username), SIGN_IN).payload for _ in range(8)]

    outcomes = race(world, [lambda beside, r=r: beside.do(SignIn(r, True, otp), SIGN_IN) for r in reserved])

    assert count(outcomes) == {Visited.__name__: 1, OtpRequiredError.__name__: 7}
    assert len(world.rows(table.session)) == 1


def test_one_recovery_code_opens_one_session(world):
    """Eight sign-ins with one recovery code at once make one session."""
    carer = world.person("carer", factor=False)
    carer.totp_secret = world.answer(OfferTotp("x"), "POST /v1/users/me/totp", carer).payload["secret"]
    confirm = ConfirmTotp(world.otp(carer))
    code, *_ = world.answer(confirm, "POST /v1/users/me/totp/confirm", carer).payload["recovery_codes"]
    reserved = [world.answer(ReserveSignIn(carer.username), SIGN_IN).payload for _ in range(8)]

    outcomes = race(
        world, [lambda beside, r=r: beside.do(SignIn(r, True, None, code), SIGN_IN) for r in reserved]
    )

    assert count(outcomes) == {Visited.__name__: 1, OtpRequiredError.__name__: 7}


def test_one_user_name_makes_one_account(world):
    """Eight creations with one user name at once make one account and seven conflicts."""
    manager = world.person("registered_manager", None)
    work = CreateAccount("wanted.name", "Somebody", "staff", [], "$hash", "once")

    outcomes = race(world, [lambda beside: beside.do(work, CREATE, manager)] * 8)

    assert count(outcomes) == {Visited.__name__: 1, ConflictError.__name__: 7}
    assert len(world.rows(table.account)) == 2


def test_one_idempotency_key_makes_one_account(world):
    """A creation repeated in parallel with one key makes one account, and shows its password once.

    A repetition that overlaps the first is told of a conflict, one that comes after it the same answer.
    """
    manager = world.person("registered_manager", None)
    work = CreateAccount("wanted.name", "Somebody", "staff", [], "$hash", "once")

    outcomes = race(world, [lambda beside: beside.do(work, CREATE, manager, key="k")] * 8)

    assert set(count(outcomes)) <= {Visited.__name__, ConflictError.__name__}
    shown = [o.answer.payload["initial_password"] for o in outcomes if isinstance(o, Visited)]
    assert shown.count("once") == 1
    assert set(shown) <= {"once", None}
    assert len(world.rows(table.account)) == 2


def test_one_version_is_changed_once(world):
    """Of eight changes on one version one is written, the others are told of the conflict."""
    manager = world.person("registered_manager", None)
    carer = world.person("carer", signed_in=False)
    works = [AmendAccount(carer.id, 1, f"Name {n}") for n in range(8)]

    outcomes = race(world, [lambda beside, w=w: beside.do(w, AMEND, manager) for w in works])

    assert count(outcomes) == {Visited.__name__: 1, VersionConflictError.__name__: 7}


@pytest.mark.parametrize("attempt", range(3))
def test_no_session_outlives_a_deactivation(world, attempt):
    """Signing in while one is deactivated leaves no session that ever acts."""
    manager = world.person("registered_manager", None)
    carer = world.person("carer", signed_in=False, factor=False)
    reserved = [world.answer(ReserveSignIn(carer.username), SIGN_IN).payload for _ in range(7)]
    sign_ins = [lambda beside, r=r: beside.do(SignIn(r, True), SIGN_IN) for r in reserved]
    leave = DeactivateAccount(carer.id, "left")
    sign_ins.insert(attempt, lambda beside: beside.do(leave, "POST /v1/users/{user_id}/deactivate", manager))

    outcomes = race(world, sign_ins)

    assert set(count(outcomes)) <= {Visited.__name__, CredentialsRefusedError.__name__}
    sessions = [row for row in world.rows(table.session) if row["user_id"] == carer.id]
    assert all(row["end_reason"] == "deactivated" for row in sessions)


def test_parallel_wrong_passwords_end_the_session(world):
    """Eight wrong passwords at once count as five, and the session is over."""
    carer = world.person("carer")
    world.answer(LockSession(), "POST /v1/sessions/current/lock", carer)
    stored = world.answer(PrepareUnlock(), UNLOCK, carer).payload

    outcomes = race(world, [lambda beside: beside.do(Unlock(stored, False), UNLOCK, carer)] * 8)

    assert count(outcomes) == {CredentialsRefusedError.__name__: 5, SessionEndedError.__name__: 3}
    late = world.refusal(ReadSession(), "GET /v1/sessions/current", carer)
    assert isinstance(late, SessionEndedError)


def _deactivates(_world: World, _who: Person, whom: Person) -> tuple[Work, str]:
    return DeactivateAccount(whom.id, "left"), "POST /v1/users/{user_id}/deactivate"


def _demotes(world: World, _who: Person, whom: Person) -> tuple[Work, str]:
    home = world.open_home(whom.org, "Small House")
    return AmendAccount(whom.id, 1, None, [{"role": "carer", "home_id": home}]), AMEND


def _contains(world: World, who: Person, whom: Person) -> tuple[Work, str]:
    given = IncidentIn(kind="other", what_happened="x").model_dump(mode="json", exclude={"home_id"})
    shown = world.answer(OpenIncident(None, given), "POST /v1/incidents", who).payload
    work = Contain(shown["id"], [whom.id], deactivate=True, reason="seen with a list")
    return work, "POST /v1/incidents/{incident_id}/containment"


@pytest.mark.parametrize("how", [_deactivates, _demotes, _contains])
def test_two_keepers_do_not_end_each_other(world, how):
    """Of two who manage users for the whole organisation and end each other at once, one stays."""
    pairs = []
    for n in range(4):
        org = world.found(f"Care {n}")
        pairs.append([world.person("registered_manager", None, org=org) for _ in range(2)])
    ends = [(who, *how(world, who, whom)) for a, b in pairs for who, whom in ((a, b), (b, a))]

    outcomes = race(
        world, [lambda beside, who=w, work=k, row=r: beside.do(work, row, who) for w, k, r in ends]
    )

    assert count(outcomes)[Visited.__name__] == 4
    wide = '[{"role":"registered_manager","home_id":null}]'
    kept = [(row["org"], row["active"] and row["assignments"] == wide) for row in world.rows(table.account)]
    assert [1] * 4 == [kept.count((a.org, True)) for a, _ in pairs]


DEACTIVATE = "POST /v1/users/{user_id}/deactivate"
CONTAIN = "POST /v1/incidents/{incident_id}/containment"
OVERLAP_S = 1.0
"""Longer than the other process takes, if nothing holds it up."""


def _deactivate(world: World, whom: Person) -> tuple[Any, Work, str]:
    return System("cli", world.org), DeactivateAccount(whom.id, "left"), DEACTIVATE


def _demote(world: World, whom: Person) -> tuple[Any, Work, str]:
    lesser = [{"role": "carer", "home_id": world.home}]
    return System("cli", world.org), AmendAccount(whom.id, 1, None, lesser), AMEND


def _contain(world: World, whom: Person) -> tuple[Any, Work, str]:
    deputy = world.person("deputy_manager")
    given = IncidentIn(kind="other", what_happened="x").model_dump(mode="json", exclude={"home_id"})
    incident = world.answer(OpenIncident(world.home, given), "POST /v1/incidents", deputy).payload["id"]
    return deputy, Contain(incident, [whom.id], deactivate=True, reason="seen with a list"), CONTAIN


@pytest.mark.parametrize("how", [_deactivate, _demote, _contain])
def test_the_last_two_keepers_are_not_ended_by_others_at_once(world, monkeypatch, how):
    """Two who are no keepers themselves, of whom each ends another keeper: the second finds the last one.

    No entry of the one concerns the other or who does it, so that nothing but the lock tells them apart.
    """
    both = [{"role": "registered_manager", "home_id": where} for where in (None, world.home)]
    keepers = [world.person(assignments=both, signed_in=False) for _ in range(2)]
    (who, work, operation), second = (how(world, keeper) for keeper in keepers)
    beside, perform = world.beside(), type(work).perform
    later: list[Any] = []

    def overlapped(self: Work, opened: Opened) -> Answer:
        answer = perform(self, opened)
        if self is work and not later:
            later.append(pool.submit(beside.do, second[1], second[2], second[0]))
            wait(later, OVERLAP_S)
        return answer

    monkeypatch.setattr(type(work), "perform", overlapped)
    with ThreadPoolExecutor(1) as pool:
        first = world.do(work, operation, who)
    refused = later[0].result()

    assert isinstance(first, Visited), first
    assert (ConflictError, "nobody-left") == (type(refused), refused.why)
    kept = {row["id"]: (row["active"], row["version"]) for row in world.rows(table.account)}
    assert [2, 1] == [kept[keeper.id][1] for keeper in keepers]
    assert kept[keepers[1].id][0]


def _unlocks(world: World, carer: Person, otp: str) -> tuple[Any, Work, str]:
    stored = world.answer(PrepareUnlock(), UNLOCK, carer).payload
    return carer, Unlock(stored, True, otp), UNLOCK


def _signs_in(world: World, carer: Person, otp: str) -> tuple[Any, Work, str]:
    reservation = world.answer(ReserveSignIn(carer.username), SIGN_IN).payload
    return None, SignIn(reservation, True, otp), SIGN_IN


@pytest.mark.parametrize("second", [_unlocks, _signs_in])
@pytest.mark.parametrize("first", [_unlocks, _signs_in])
def test_a_code_used_after_the_look_at_it_opens_nothing_more(world, monkeypatch, first, second):
    """One code for two sessions of an account: used up between another process's look at it and its use.

    Unlocking is done again when an entry of its own account came between; of a sign-in only the row decides.
    """
    carer = world.person("carer")
    world.pass_time(minutes=1)
    again = replace(carer)
    world.sign_in(again)
    world.pass_time(minutes=31)
    otp = world.otp(again)
    (who, work, operation), between = first(world, carer, otp), second(world, again, otp)
    beside, look, here = world.beside(), factors.step_of, get_ident()
    later: list[Any] = []

    def overlapped(*given: Any) -> int | None:
        step = look(*given)
        if get_ident() == here and not later:
            later.append(pool.submit(beside.do, between[1], between[2], between[0]))
            wait(later, OVERLAP_S)
        return step

    monkeypatch.setattr(factors, "step_of", overlapped)
    with ThreadPoolExecutor(1) as pool:
        outcomes = [world.do(work, operation, who)]
    outcomes.append(later[0].result())

    assert count(outcomes) == {Visited.__name__: 1, OtpRequiredError.__name__: 1}
