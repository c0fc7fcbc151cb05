"""Sessions behind the door: one's own, and those of others."""

from app.access.visit import System, Visited
from app.core.errors import (
    CredentialsRefusedError,
    ForbiddenError,
    HiddenError,
    NotFoundError,
    OtpRequiredError,
    SecondFactorRequiredError,
    SessionEndedError,
    SessionIdleError,
    SessionLockedError,
    ShiftOverError,
    TooManyAttemptsError,
)
from app.core.identifiers import new_id
from app.identity import table
from app.identity.ending import EndSession, ListSessions
from app.identity.own_session import LockSession, PrepareUnlock, ReadSession, SignOut, StepUp, Unlock
from app.identity.shift_rows import NewShift
from app.identity.shifts import CreateShift
from tests.support.world import PASSWORD, Person, World

READ = "GET /v1/sessions/current"
OUT = "DELETE /v1/sessions/current"
LOCK = "POST /v1/sessions/current/lock"
UNLOCK = "POST /v1/sessions/current/unlock"
STEP_UP = "POST /v1/sessions/current/step-up"
LIST = "GET /v1/sessions"
END = "DELETE /v1/sessions/{session_id}"
WRONG = "not the password at all"


def unlock(world: World, who: Person, password: str = PASSWORD, otp: str | None = None):
    """Unlock as the HTTP layer does, in two turns."""
    prepared = world.do(PrepareUnlock(), UNLOCK, who)
    if not isinstance(prepared, Visited):
        return prepared
    stored = prepared.answer.payload
    return world.do(Unlock(stored, world.hashes.check(stored, password), otp), UNLOCK, who)


def test_signed_out_is_signed_out(world, carer):
    """After signing out the session is refused on the next request, whatever its token says."""
    world.answer(SignOut(), OUT, carer)

    assert world.entry()["obj"] == {"t": "session", "id": carer.session.id}
    assert isinstance(world.refusal(ReadSession(), READ, carer), SessionEndedError)
    assert isinstance(world.refusal(SignOut(), OUT, carer), SessionEndedError)
    assert world.entry()["why"] == "signed-out"


def test_locked_session_unlocks_or_signs_out_and_nothing_else(world, carer):
    """A locked session answers `session-locked` until its own user unlocks it with the password."""
    world.answer(LockSession(), LOCK, carer)

    assert isinstance(world.refusal(ReadSession(), READ, carer), SessionLockedError)
    assert isinstance(world.refusal(LockSession(), LOCK, carer), SessionLockedError)
    shown = unlock(world, carer).answer.payload
    assert shown["id"] == carer.session.id
    world.answer(ReadSession(), READ, carer)
    world.answer(LockSession(), LOCK, carer)
    world.answer(SignOut(), OUT, carer)


def test_idle_session_wakes_with_the_password(world, carer):
    """An idle session answers `session-idle` until it is unlocked, and is awake from then on."""
    world.pass_time(minutes=10)

    assert isinstance(world.refusal(ReadSession(), READ, carer), SessionIdleError)
    assert isinstance(unlock(world, carer), Visited)
    world.pass_time(minutes=9)
    world.answer(ReadSession(), READ, carer)


def test_idle_session_stays_idle_when_the_clock_is_set_back(world, carer):
    """A clock that steps back revives nothing: what was idle is idle until it is unlocked."""
    world.pass_time(minutes=10)
    assert isinstance(world.refusal(ReadSession(), READ, carer), SessionIdleError)

    world.pass_time(minutes=-11)

    assert isinstance(world.refusal(ReadSession(), READ, carer), SessionIdleError)
    assert isinstance(unlock(world, carer), Visited)


def test_unlocking_makes_one_entry(world, carer):
    """Unlocking takes two turns and makes one entry, right or wrong."""
    world.answer(LockSession(), LOCK, carer)
    before = len(world.entries())

    unlock(world, carer, WRONG)
    unlock(world, carer)

    new = world.entries()[before:]
    assert [(e["act"], e["out"], e.get("why")) for e in new] == [
        ("auth.unlock", "deny", "wrong-password"),
        ("auth.unlock", "ok", None),
    ]
    assert {e["obj"]["id"] for e in new} == {carer.session.id}


def test_five_wrong_passwords_end_the_session(world, carer):
    """Failures to unlock survive their refusal: the fifth ends the session, for the right password too."""
    world.answer(LockSession(), LOCK, carer)

    for count in range(1, 6):
        assert isinstance(unlock(world, carer, WRONG), CredentialsRefusedError)
        assert [row["unlock_failures"] for row in world.rows(table.session)] == [count]
    error = unlock(world, carer)

    assert (type(error), world.entry()["why"]) == (SessionEndedError, "wrong-passwords")


def test_failures_are_forgotten_when_unlocked(world, carer):
    """Four wrong passwords and a right one leave five more attempts for the next time."""
    for _ in range(2):
        world.answer(LockSession(), LOCK, carer)
        for _ in range(4):
            assert isinstance(unlock(world, carer, WRONG), CredentialsRefusedError)
        assert isinstance(unlock(world, carer), Visited)


def test_long_sleep_needs_a_code(world, carer):
    """After more than 30 minutes the password alone does not unlock; missing codes do not count, wrong do."""
    world.answer(LockSession(), LOCK, carer)
    world.pass_time(minutes=30, seconds=1)

    missing = unlock(world, carer)
    assert (type(missing), missing.why) == (OtpRequiredError, "otp-missing")
    assert world.rows(table.session)[0]["unlock_failures"] == 0
    wrong = unlock(world, carer, otp="000000")
    assert (type(wrong), wrong.why) == (OtpRequiredError, "otp-wrong")
    assert world.rows(table.session)[0]["unlock_failures"] == 1
    shown = unlock(world, carer, otp=world.otp(carer)).answer.payload
    assert shown["second_factor_at"] == world.later()


def test_code_used_to_unlock_works_nowhere_else(world, carer):
    """A code that unlocked a session neither unlocks it again nor signs in."""
    world.answer(LockSession(), LOCK, carer)
    world.pass_time(minutes=31)
    otp = world.otp(carer)
    assert isinstance(unlock(world, carer, otp=otp), Visited)

    assert isinstance(world.try_sign_in(carer.username, otp=otp), OtpRequiredError)
    assert isinstance(world.refusal(StepUp(otp), STEP_UP, carer), OtpRequiredError)


def test_full_password_queue_unlocks_nothing_and_counts_nothing(world, carer):
    """An unlock whose password could not be checked may be repeated."""
    world.answer(LockSession(), LOCK, carer)
    stored = world.answer(PrepareUnlock(), UNLOCK, carer).payload

    error = world.refusal(Unlock(stored, None), UNLOCK, carer)

    assert isinstance(error, TooManyAttemptsError)
    assert world.rows(table.session)[0]["unlock_failures"] == 0


def test_stale_verdict_unlocks_nothing(world, carer):
    """A verdict on a hash that is no longer the account's counts as a wrong password."""
    world.answer(LockSession(), LOCK, carer)

    error = world.refusal(Unlock(world.hashes.hash("an older password"), True), UNLOCK, carer)

    assert error.why == "wrong-password"


def test_asleep_session_ends_with_its_shift(world):
    """A locked session cannot be unlocked once its shift is over."""
    person = world.person("agency_carer", shift_hours=1)
    world.answer(LockSession(), LOCK, person)
    world.pass_time(hours=1)

    assert isinstance(unlock(world, person), ShiftOverError)


# --- step-up ------------------------------------------------------------------------------------


def test_step_up_notes_a_fresh_second_factor(world, carer):
    """A fresh code is noted in the session, which counts as activity."""
    world.pass_time(minutes=9)

    shown = world.answer(StepUp(world.otp(carer)), STEP_UP, carer).payload

    assert shown["second_factor_at"] == world.later()
    world.pass_time(minutes=9)
    world.answer(ReadSession(), READ, carer)


def test_step_up_takes_each_code_once(world, carer):
    """A code that was used is refused, although it is still the present one."""
    otp = world.otp(carer)
    world.answer(StepUp(otp), STEP_UP, carer)

    assert world.refusal(StepUp(otp), STEP_UP, carer).why == "otp-wrong"


def test_codes_cannot_be_tried_out_at_step_up(world, carer):
    """Ten wrong codes stop the account's attempts, here and at signing in; each has its own entry."""
    before = len(world.entries())
    for _ in range(10):
        assert isinstance(world.refusal(StepUp("000000"), STEP_UP, carer), OtpRequiredError)

    error = world.refusal(StepUp(world.otp(carer)), STEP_UP, carer)

    assert (type(error), error.retry_after) == (TooManyAttemptsError, 300)
    assert len(world.entries()) == before + 11
    assert world.try_sign_in(carer.username).answer.payload.held.refused


def test_right_codes_are_never_too_many(world, carer):
    """Confirming again and again, as the work asks for it, does not slow anybody down."""
    for _ in range(12):
        world.pass_time(seconds=30)
        world.answer(StepUp(world.otp(carer)), STEP_UP, carer)


def test_step_up_without_an_authenticator(world):
    """Whoever has no second factor is told to set one up."""
    person = world.person("carer", factor=False)

    assert isinstance(world.refusal(StepUp("000000"), STEP_UP, person), SecondFactorRequiredError)


# --- sessions of others --------------------------------------------------------------------------


def test_sessions_of_somebody_in_reach_are_listed(world, carer):
    """Who may end sessions sees those that live, newest first, page by page."""
    deputy = world.person("deputy_manager")
    first = carer.session.id
    world.pass_time(seconds=30)
    world.sign_in(carer, device=world.device("mobile", "phone-1"))
    ended = world.person("carer")
    world.answer(SignOut(), OUT, ended)

    page = world.answer(ListSessions(carer.id, 1), LIST, deputy).payload
    rest = world.answer(ListSessions(carer.id, 1, page["next_cursor"]), LIST, deputy).payload

    assert [s["id"] for s in page["items"] + rest["items"]] == [carer.session.id, first]
    assert page["items"][0]["device"] == {"id": "phone-1", "kind": "mobile"}
    assert (rest["next_cursor"], world.entry()["n"]) == (None, 1)
    assert world.answer(ListSessions(ended.id), LIST, deputy).payload["items"] == []


def test_ended_by_another(world, carer):
    """A session somebody entitled ends is refused on its next request; ending it again changes nothing."""
    deputy = world.person("deputy_manager")

    world.answer(EndSession(carer.session.id), END, deputy)
    world.answer(EndSession(carer.session.id), END, deputy)

    assert world.entry()["obj"] == {"t": "session", "id": carer.session.id}
    assert isinstance(world.refusal(ReadSession(), READ, carer), SessionEndedError)
    assert world.entry()["why"] == "ended-by-other"


def test_sessions_out_of_reach_are_hidden(world):
    """A session of another home's user, of the organisation's own and an unknown one are not found."""
    deputy = world.person("deputy_manager")
    elsewhere, everywhere = world.person("carer", world.other_home), world.person("auditor", None)
    foreign = world.person("carer", None, org=world.found("Other Care"))

    for person in (elsewhere, everywhere):
        assert type(world.refusal(EndSession(person.session.id), END, deputy)) is HiddenError
        assert type(world.refusal(ListSessions(person.id), LIST, deputy)) is HiddenError
    for session_id in (foreign.session.id, new_id()):
        assert type(world.refusal(EndSession(session_id), END, deputy)) is NotFoundError
    world.answer(ReadSession(), READ, elsewhere)


def test_ending_sessions_needs_the_permission(world, carer):
    """A nurse reads her home's people and ends nobody's session."""
    nurse = world.person("nurse")

    error = world.refusal(EndSession(carer.session.id), END, nurse)

    assert (type(error), error.why) == (ForbiddenError, "no-permission")


def test_a_session_of_a_shift_is_reached_at_the_home_of_the_shift(world):
    """Whoever works at two homes through an agency is signed out of one by nobody of the other."""
    roles = [{"role": "agency_carer", "home_id": home} for home in (world.home, world.other_home)]
    worker = world.person(kind="agency", assignments=roles, signed_in=False)
    when = NewShift(world.later(hours=-1), world.later(hours=8))
    entered = CreateShift(worker.id, world.other_home, "agency_carer", when)
    world.answer(entered, "POST /v1/users/{user_id}/shifts", System("cli", world.org))
    world.sign_in(worker)
    here, there = world.person("deputy_manager"), world.person("deputy_manager", world.other_home)

    assert type(world.refusal(EndSession(worker.session.id), END, here)) is HiddenError
    listed = [world.answer(ListSessions(worker.id), LIST, who).payload["items"] for who in (here, there)]
    assert [[], [worker.session.id]] == [[one["id"] for one in items] for items in listed]
    world.answer(EndSession(worker.session.id), END, there)


def test_a_session_of_staff_is_reached_wherever_it_acts(world):
    """A shift that it names narrows nothing: the manager of the other home sees it and ends it."""
    roles = [{"role": "carer", "home_id": home} for home in (world.home, world.other_home)]
    worker = world.person(assignments=roles, signed_in=False)
    entered = CreateShift(
        worker.id, world.other_home, "carer", NewShift(world.later(hours=-1), world.later(hours=8))
    )
    made = world.answer(entered, "POST /v1/users/{user_id}/shifts", System("cli", world.org)).payload
    world.sign_in(worker, shift_id=made["id"])
    here = world.person("deputy_manager")

    listed = world.answer(ListSessions(worker.id), LIST, here).payload["items"]
    assert [worker.session.id] == [one["id"] for one in listed]
    world.answer(EndSession(worker.session.id), END, here)
