"""Signing in: the order of what is checked, the entry of each attempt, the session that comes of it."""

from datetime import timedelta

import pyotp
import pytest

from app.access.visit import Visited
from app.audit import table as trail
from app.core.errors import (
    CaretrailError,
    CredentialsRefusedError,
    OffShiftError,
    OtpRequiredError,
    PasswordChangeRequiredError,
    SecondFactorRequiredError,
    SessionEndedError,
    SessionIdleError,
    TooManyAttemptsError,
)
from app.core.identifiers import SYSTEM
from app.identity import table
from app.identity.accounts import AmendAccount, DeactivateAccount
from app.identity.directory import ListRoles, ReadMe
from app.identity.own_session import ReadSession
from app.identity.shifts import CancelShift
from app.identity.signing_in import ReserveSignIn, SignIn
from tests.support.world import PASSWORD, SIGN_IN, Person, World

SESSION = "GET /v1/sessions/current"
WRONG = "not the password at all"


@pytest.fixture
def carer(world: World) -> Person:
    return world.person("carer", signed_in=False)


def refused(world: World, username: str, password: str = PASSWORD, **more) -> tuple[type, str]:
    outcome = world.try_sign_in(username, password, **more)
    assert isinstance(outcome, CaretrailError)
    return type(outcome), outcome.why


def failures(world: World) -> list[int]:
    return [len(row["failures"].split()) for row in world.rows(table.throttle)]


def test_signing_in_starts_a_session(world, carer):
    """Name, password and code start a session whose entry names the person, their role and the device."""
    device = world.device("shared_tablet", "tablet-7")

    signed_in = world.sign_in(carer, device=device)

    assert signed_in.body == {
        "session": {
            "id": signed_in.session_id,
            "user_id": carer.id,
            "device": {"id": "tablet-7", "kind": "shared_tablet"},
            "shift_id": None,
            "started_at": "2026-03-02T09:00:00.000000Z",
            "idle_timeout_s": 120,
            "ends_at": "2026-03-02T21:00:00.000000Z",
            "ends_because": "lifetime",
            "second_factor_at": "2026-03-02T09:00:00.000000Z",
        },
        "user": {
            "id": carer.id,
            "username": carer.username,
            "display_name": carer.display_name,
            "kind": "staff",
            "assignments": [{"role": "carer", "home_id": world.home}],
        },
        "password_change_required": False,
        "second_factor_enrolled": True,
    }
    assert (signed_in.started_at, signed_in.ends_at) == (world.now, world.now + timedelta(hours=12))
    entry = world.entry()
    assert (entry["act"], entry["out"], entry["dev"]) == ("auth.login", "ok", "tablet-7")
    assert entry["obj"] == {"t": "session", "id": signed_in.session_id}
    assert entry["sess"] == signed_in.session_id
    assert (entry["actor"]["id"], entry["actor"]["roles"]) == (carer.id, ["carer"])
    assert entry["homes"] == [world.home]
    world.answer(ReadSession(), SESSION, carer)


def test_every_spelling_of_a_name_signs_in(world, carer):
    """Case and surrounding spaces of a user name do not count."""
    spelled = f"  {carer.username.upper()} "

    assert isinstance(world.try_sign_in(spelled, otp=world.otp(carer)), Visited)


def test_wrong_name_password_and_deactivated_are_told_alike(world, carer):
    """An unknown name, a wrong password and a deactivated account get one answer; the trail knows which."""
    manager = world.person("registered_manager", None)
    gone = world.person("carer", signed_in=False)
    deactivate = DeactivateAccount(gone.id, "left")
    world.answer(deactivate, "POST /v1/users/{user_id}/deactivate", manager)

    attempts = [
        world.try_sign_in("nobody.here"),
        world.try_sign_in(carer.username, WRONG, otp=world.otp(carer)),
        world.try_sign_in(gone.username, otp=world.otp(gone)),
    ]

    assert {type(a) for a in attempts} == {CredentialsRefusedError}
    assert {a.detail for a in attempts} == {CredentialsRefusedError.detail}
    assert [a.why for a in attempts] == ["unknown-name", "wrong-password", "inactive"]


def test_attempt_of_a_known_name_stands_in_its_chain(world, carer):
    """A failed attempt names the account tried, in its organisation's chain, without role or object."""
    refused(world, carer.username, WRONG)

    entry = world.entry()
    assert (entry["act"], entry["out"], entry["why"]) == ("auth.login", "deny", "wrong-password")
    assert world.visit.stamp.org == world.org
    assert entry["actor"]["id"] == carer.id
    assert entry["actor"]["name_seq"] == world.rows(table.account)[0]["name_seq"]
    assert (entry.get("obj"), entry["actor"].get("roles"), entry.get("sess")) == (None, None, None)
    assert entry["homes"] == [world.home]


def test_reason_of_an_attempt_is_the_organisations(world, carer):
    """A reason given with a sign-in is sealed under the key of the account's organisation."""
    reserved = world.answer(ReserveSignIn(carer.username), SIGN_IN).payload

    world.answer(SignIn(reserved, True, world.otp(carer)), SIGN_IN, reason="covering tonight")

    assert "reason_h" in world.entry()
    (kept,) = [row for row in world.rows(trail.value) if row["side"] == "r"]
    assert (kept["org"], kept["owner"]) == (world.org, world.org)


def test_attempt_of_an_unknown_name_stands_in_the_systems_chain(world):
    """A name nobody has leaves an entry in the system's chain that does not repeat it."""
    refused(world, "nobody.here")

    assert world.visit.stamp.org == SYSTEM
    assert world.entry()["actor"] == {"id": "unknown", "kind": "user"}
    assert "nobody.here" not in repr(world.entries(SYSTEM))


def test_each_attempt_makes_one_entry(world, carer):
    """An attempt takes two turns and makes one entry, right or wrong."""
    before = len(world.entries())

    refused(world, carer.username, WRONG)
    world.sign_in(carer)

    assert len(world.entries()) == before + 2


def test_code_is_asked_for_only_after_a_right_password(world, carer):
    """Whether somebody has a second factor is told only to those who know the password."""
    assert refused(world, carer.username, WRONG) == (CredentialsRefusedError, "wrong-password")
    assert refused(world, carer.username) == (OtpRequiredError, "otp-missing")
    assert refused(world, carer.username, otp="000000") == (OtpRequiredError, "otp-wrong")


def test_code_works_once(world, carer):
    """A one-time code that opened a session opens no second one, within its 30 seconds or later."""
    otp = world.otp(carer)
    assert isinstance(world.try_sign_in(carer.username, otp=otp), Visited)

    assert refused(world, carer.username, otp=otp) == (OtpRequiredError, "otp-wrong")
    world.pass_time(seconds=30)
    assert refused(world, carer.username, otp=otp) == (OtpRequiredError, "otp-wrong")
    assert isinstance(world.try_sign_in(carer.username, otp=world.otp(carer)), Visited)


def test_older_code_than_the_last_used_opens_nothing(world, carer):
    """Once a step is used, the codes of earlier steps are worth nothing, used or not."""
    totp = pyotp.TOTP(carer.totp_secret)
    before = totp.generate_otp(totp.timecode(world.now) - 1)
    world.sign_in(carer)

    assert refused(world, carer.username, otp=before) == (OtpRequiredError, "otp-wrong")


def test_code_with_a_wrong_password_is_not_used_up(world, carer):
    """A code is looked at only after a right password, so a wrong one leaves it good."""
    otp = world.otp(carer)

    refused(world, carer.username, WRONG, otp=otp)

    assert isinstance(world.try_sign_in(carer.username, otp=otp), Visited)


def test_password_changed_between_the_turns_does_not_count(world, carer):
    """A verdict on a hash that is no longer the account's opens nothing."""
    reserved = world.answer(ReserveSignIn(carer.username), SIGN_IN).payload
    stale = type(reserved)(reserved.index, reserved.held, world.hashes.hash("an older password"))

    error = world.refusal(SignIn(stale, True, world.otp(carer)), SIGN_IN)

    assert (type(error), error.why) == (CredentialsRefusedError, "wrong-password")


def test_full_password_queue_is_no_failure(world, carer):
    """An attempt whose password could not be checked is slowed down, recorded, and not counted."""
    reserved = world.answer(ReserveSignIn(carer.username), SIGN_IN).payload

    error = world.refusal(SignIn(reserved, None), SIGN_IN)

    assert (type(error), error.retry_after) == (TooManyAttemptsError, 2)
    assert (world.entry()["why"], failures(world)) == ("password-queue-full", [0])


# --- shifts -----------------------------------------------------------------------------------


def test_being_off_shift_is_told_only_after_every_factor(world):
    """Somebody of an agency learns that they are off shift when password and code were right, not before."""
    person = world.person("agency_carer", shift_hours=0, signed_in=False)

    assert refused(world, person.username, WRONG) == (CredentialsRefusedError, "wrong-password")
    assert refused(world, person.username) == (OtpRequiredError, "otp-missing")
    assert refused(world, person.username, otp="000000") == (OtpRequiredError, "otp-wrong")
    assert refused(world, person.username, otp=world.otp(person)) == (OffShiftError, "off-shift")
    assert (world.entry()["out"], world.entry()["why"]) == ("deny", "off-shift")


@pytest.mark.parametrize(
    ("since", "hours", "running"), [(1, 8, True), (0, 8, True), (-1, 8, False), (9, 0, False)]
)
def test_agency_signs_in_inside_a_shift(world, since, hours, running):
    """A shift lets in from its first instant until before its last."""
    person = world.person("agency_carer", shift_hours=0, signed_in=False)
    world.shift(person, since=since, hours=hours)

    outcome = world.try_sign_in(person.username, otp=world.otp(person))

    assert isinstance(outcome, Visited) is running


def test_session_of_the_shift_that_ends_last(world):
    """With several shifts a session is for the one named, else for the one that ends last."""
    person = world.person("agency_carer", shift_hours=0, signed_in=False)
    short, long = world.shift(person, hours=2), world.shift(person, hours=6)

    assert world.sign_in(person).body["session"]["shift_id"] == long
    named = world.sign_in(person, shift_id=short).body["session"]
    assert (named["shift_id"], named["ends_at"]) == (short, "2026-03-02T11:00:00.000000Z")
    world.pass_time(minutes=1)
    assert refused(world, person.username, otp=world.otp(person), shift_id="no such") == (
        OffShiftError,
        "off-shift",
    )


def test_agency_acts_with_the_shift_only(world):
    """Somebody assigned to two homes acts in the role and at the home of the shift and nowhere else."""
    person = world.person(
        assignments=[
            {"role": "agency_carer", "home_id": world.home},
            {"role": "agency_nurse", "home_id": world.other_home},
        ],
        signed_in=False,
        shift_hours=0,
    )
    world.shift(person)

    acting = world.sign_in(person).body["user"]["assignments"]

    assert acting == [{"role": "agency_carer", "home_id": world.home}]
    world.answer(ReadSession(), SESSION, person)
    assert (world.entry()["actor"]["roles"], world.entry()["homes"]) == (["agency_carer"], [world.home])


def test_shift_without_its_assignment_lets_nobody_in(world):
    """A shift whose assignment was taken away, or that was cancelled, is none."""
    manager = world.person("registered_manager", None)
    person = world.person("agency_carer", signed_in=False)
    other = world.person("agency_carer", shift_hours=0, signed_in=False)
    shift_id = world.shift(other)
    world.answer(AmendAccount(person.id, 1, None, []), "PATCH /v1/users/{user_id}", manager)
    cancel = CancelShift(other.id, shift_id)
    world.answer(cancel, "DELETE /v1/users/{user_id}/shifts/{shift_id}", manager)

    for one in (person, other):
        assert refused(world, one.username, otp=world.otp(one)) == (OffShiftError, "off-shift")


def test_staff_need_no_shift(world):
    """Staff sign in without a shift; naming one that runs ends the session with it."""
    carer = world.person("carer", signed_in=False)
    shift_id = world.shift(carer, hours=3)

    assert world.sign_in(carer).body["session"]["ends_because"] == "lifetime"
    with_shift = world.sign_in(carer, shift_id=shift_id).body["session"]
    assert (with_shift["shift_id"], with_shift["ends_because"]) == (shift_id, "shift")


# --- what comes of it --------------------------------------------------------------------------


def test_caps_and_lifetime_shorten_a_session(world, carer):
    """An administrator's cap on a device and a shorter lifetime bound the session."""
    caps = {"mobile": timedelta(minutes=1)}

    session = world.sign_in(
        carer, device=world.device("mobile"), caps=caps, lifetime=timedelta(hours=2)
    ).body["session"]

    assert (session["idle_timeout_s"], session["ends_at"]) == (60, "2026-03-02T11:00:00.000000Z")
    world.pass_time(minutes=1)
    assert isinstance(world.refusal(ReadSession(), SESSION, carer), SessionIdleError)
    world.pass_time(hours=2)
    assert isinstance(world.refusal(ReadSession(), SESSION, carer), SessionEndedError)


def test_unready_sessions_do_little(world):
    """Until password and second factor are the user's own, a session reads itself and nothing else."""
    new = world.person("carer", factor=False, first_sign_in=True)
    own = world.person("carer", factor=False)

    for person, wanted in ((new, PasswordChangeRequiredError), (own, SecondFactorRequiredError)):
        assert isinstance(world.refusal(ListRoles(), "GET /v1/roles", person), wanted)
        world.answer(ReadMe(), "GET /v1/users/me", person)
        shown = world.answer(ReadSession(), SESSION, person).payload
        assert (shown["password_change_required"], shown["second_factor_enrolled"]) == (
            person is new,
            False,
        )
