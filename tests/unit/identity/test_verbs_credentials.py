"""One's own credentials behind the door: password, authenticator, recovery codes."""

from dataclasses import dataclass

import pyotp

from app.access.opened import Opened
from app.access.visit import Visited
from app.access.work import Answer, Work
from app.core.errors import (
    ConflictError,
    CredentialsRefusedError,
    InvalidRequestError,
    OtpRequiredError,
    SecondFactorRequiredError,
    SessionEndedError,
    StepUpRequiredError,
    TooManyAttemptsError,
)
from app.identity import table
from app.identity.directory import ListRoles
from app.identity.factors import note_step
from app.identity.own_credentials import (
    ChangePassword,
    ConfirmTotp,
    OfferTotp,
    PreparePassword,
    new_initial_password,
)
from app.identity.own_session import ReadSession, StepUp
from tests.support.world import PASSWORD, Person, World

CHANGE = "PUT /v1/users/me/password"
OFFER = "POST /v1/users/me/totp"
CONFIRM = "POST /v1/users/me/totp/confirm"
STEP_UP = "POST /v1/sessions/current/step-up"
READ = "GET /v1/sessions/current"
NEW = "seven dry hats under a bridge"


def change(world: World, who: Person, current: str = PASSWORD, new: str | None = NEW, problem=None):
    """Change the password as the HTTP layer does, in two turns."""
    prepared = world.answer(PreparePassword(), CHANGE, who).payload
    right = None if prepared.held.refused else world.hashes.check(prepared.password_hash, current)
    new_hash = world.hashes.hash(new) if right and new is not None else None
    return world.do(ChangePassword(prepared, right, new_hash, problem), CHANGE, who)


def enrol(world: World, who: Person) -> list[str]:
    """Set up an authenticator and return its recovery codes."""
    who.totp_secret = world.answer(OfferTotp("Caretrail"), OFFER, who).payload["secret"]
    who.last_step = 0
    return world.answer(ConfirmTotp(world.otp(who)), CONFIRM, who).payload["recovery_codes"]


def step_up(world: World, who: Person) -> None:
    world.answer(StepUp(world.otp(who)), STEP_UP, who)


# --- the password -------------------------------------------------------------------------------


def test_changed_password_ends_other_sessions(world, carer):
    """The session that changes the password goes on, every other of the user ends at once."""
    other = carer.session
    world.sign_in(carer)
    stranger = world.person("carer")

    assert isinstance(change(world, carer), Visited)

    entry = world.entry()
    assert (entry["act"], entry["obj"]) == ("user.password", {"t": "user", "id": carer.id, "ver": 2})
    assert {c["f"] for c in entry["chg"]} == {"password", "sessions_ended"}
    assert isinstance(world.refusal(ReadSession(), READ, other), SessionEndedError)
    world.answer(ReadSession(), READ, carer)
    world.answer(ReadSession(), READ, stranger)


def test_new_password_is_the_password(world, carer):
    """After a change only the new password signs in."""
    change(world, carer)
    world.pass_time(seconds=30)

    assert isinstance(world.try_sign_in(carer.username), CredentialsRefusedError)
    assert isinstance(world.try_sign_in(carer.username, NEW, otp=world.otp(carer)), Visited)


def test_changing_makes_one_entry(world, carer):
    """Changing a password takes two turns and makes one entry, whatever comes of it."""
    before = len(world.entries())

    change(world, carer, "wrong password here")
    change(world, carer, new=None, problem=InvalidRequestError(("/new_password", "Too short.")))
    change(world, carer)

    told = [(e["out"], e.get("why")) for e in world.entries()[before:]]
    assert told == [("deny", "wrong-password"), ("fail", "invalid-request"), ("ok", None)]


def test_wrong_current_passwords_are_counted(world, carer):
    """A stolen session is no place to try passwords: the tenth wrong one stops the account's attempts."""
    for _ in range(10):
        assert isinstance(change(world, carer, "wrong password here"), CredentialsRefusedError)

    error = change(world, carer)

    assert (type(error), error.retry_after) == (TooManyAttemptsError, 300)
    assert (world.entry()["act"], world.entry()["why"]) == ("user.password", "too-many-attempts")
    assert world.try_sign_in(carer.username).answer.payload.held.refused


def test_weak_new_password_is_no_failure(world, carer):
    """Refusing the new password says why, keeps the old one, and gives the attempt back."""
    problem = InvalidRequestError(("/new_password", "Too short."))

    for _ in range(11):
        assert change(world, carer, new=None, problem=problem) is problem

    world.pass_time(seconds=30)
    world.sign_in(carer)


def test_problem_of_the_new_password_is_told_only_to_its_owner(world, carer):
    """With a wrong current password nothing is said about the new one."""
    problem = InvalidRequestError(("/new_password", "Too short."))

    assert isinstance(change(world, carer, "wrong password here", None, problem), CredentialsRefusedError)


def test_what_a_new_password_is_judged_by(world, carer):
    """The user's names, those of their homes, and the second factor are handed out for the judgement."""
    prepared = world.answer(PreparePassword(), CHANGE, carer).payload

    assert prepared.forbidden_words == (carer.username, carer.display_name, "Rosewood House")
    assert prepared.second_factor
    assert carer.username not in repr(prepared)


def test_people_of_the_whole_organisation_leave_out_all_its_homes(world):
    """Somebody bound to no home is judged by their own names and those of every home."""
    auditor = world.person("auditor", None)

    prepared = world.answer(PreparePassword(), CHANGE, auditor).payload

    assert prepared.forbidden_words[:2] == (auditor.username, auditor.display_name)
    assert sorted(prepared.forbidden_words[2:]) == ["Elm Court", "Rosewood House"]


def test_full_password_queue_changes_and_counts_nothing(world, carer):
    """A change whose current password could not be checked is slowed down and is no failure."""
    prepared = world.answer(PreparePassword(), CHANGE, carer).payload

    error = world.refusal(ChangePassword(prepared, None), CHANGE, carer)

    assert (type(error), error.why) == (TooManyAttemptsError, "password-queue-full")
    assert {row["failures"] for row in world.rows(table.throttle)} == {""}


def test_stale_verdict_changes_nothing(world, carer):
    """A verdict on a password that was changed meanwhile is worth nothing."""
    prepared = world.answer(PreparePassword(), CHANGE, carer).payload
    change(world, carer)

    late = world.do(ChangePassword(prepared, True, world.hashes.hash("another one")), CHANGE, carer)

    assert isinstance(late, CredentialsRefusedError)
    world.pass_time(seconds=30)
    assert isinstance(world.try_sign_in(carer.username, NEW, otp=world.otp(carer)), Visited)


def test_initial_passwords_are_long_and_differ(world):
    """An initial password has four groups of five letters that are not misread, and comes once."""
    made = {new_initial_password(world.entropy) for _ in range(50)}

    assert len(made) == 50
    assert all(len(password) == 23 and not set(password) & set("il01o") for password in made)


# --- each code once ---------------------------------------------------------------------------------


@dataclass
class NoteSteps(Work):
    """Note steps as used, one after the other; answers which were new."""

    steps: tuple[int, ...]
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Note them for the caller's account."""
        return Answer([note_step(opened, opened.facts.account, step) for step in self.steps])


def test_used_steps_only_rise(world):
    """The conditional write takes a step that is newer than any before, and no other."""
    person = world.person("carer", factor=False)

    answer = world.answer(NoteSteps((5, 5, 4, 6, 6)), READ, person)

    assert answer.payload == [True, False, False, True, False]
    assert [row["otp_step"] for row in world.rows(table.one_time)] == [6]


# --- the authenticator --------------------------------------------------------------------------


def test_both_steps_upgrade_the_same_session(world):
    """Choosing a password and enrolling an authenticator make a first session a full one, step by step."""
    person = world.person("carer", factor=False, first_sign_in=True)

    assert isinstance(change(world, person), Visited)
    assert isinstance(world.refusal(ListRoles(), "GET /v1/roles", person), SecondFactorRequiredError)
    enrol(world, person)

    world.answer(ListRoles(), "GET /v1/roles", person)
    shown = world.answer(ReadSession(), READ, person).payload
    assert (shown["password_change_required"], shown["second_factor_enrolled"]) == (False, True)
    assert shown["second_factor_at"] == world.later()


def test_offer_is_a_secret_for_an_authenticator(world):
    """The offer shows the secret and the address for a QR code, and seals it."""
    person = world.person("carer", factor=False)

    offer = world.answer(OfferTotp("Caretrail"), OFFER, person).payload

    assert pyotp.parse_uri(offer["otpauth_uri"]).secret == offer["secret"]
    assert f"Caretrail:{person.username}" in offer["otpauth_uri"]
    assert offer["secret"] not in repr(world.rows(table.account)) + repr(world.entries())


def test_wrong_code_confirms_nothing(world):
    """A wrong code is invalid input and confirms nothing; without an offer there is nothing to confirm."""
    person = world.person("carer", factor=False)

    assert isinstance(world.refusal(ConfirmTotp("000000"), CONFIRM, person), ConflictError)
    world.answer(OfferTotp("Caretrail"), OFFER, person)
    assert isinstance(world.refusal(ConfirmTotp("000000"), CONFIRM, person), InvalidRequestError)
    assert [row["totp_confirmed"] for row in world.rows(table.account)] == [False]


def test_newest_offer_counts(world):
    """A second offer before confirming replaces the first."""
    person = world.person("carer", factor=False)
    first = world.answer(OfferTotp("Caretrail"), OFFER, person).payload["secret"]

    codes = enrol(world, person)

    assert len(codes) == 10
    assert person.totp_secret != first


def test_code_that_confirmed_does_not_sign_in(world):
    """The code that confirmed an authenticator is used up."""
    person = world.person("carer", factor=False)
    person.totp_secret = world.answer(OfferTotp("Caretrail"), OFFER, person).payload["secret"]
    otp = world.otp(person)
    world.answer(ConfirmTotp(otp), CONFIRM, person)

    assert isinstance(world.try_sign_in(person.username, otp=otp), OtpRequiredError)
    world.sign_in(person)


def test_offer_is_confirmed_once(world):
    """A confirmed offer cannot be confirmed again for new recovery codes."""
    person = world.person("carer", factor=False)
    enrol(world, person)

    assert isinstance(world.refusal(ConfirmTotp(world.otp(person)), CONFIRM, person), ConflictError)


def test_second_authenticator_wants_the_first(world, carer):
    """Replacing an authenticator needs a code of it within five minutes; a stolen session is not enough."""
    world.pass_time(minutes=6)

    assert isinstance(world.refusal(OfferTotp("Caretrail"), OFFER, carer), StepUpRequiredError)
    step_up(world, carer)
    world.pass_time(minutes=5)
    world.answer(OfferTotp("Caretrail"), OFFER, carer)


def test_offer_leaves_the_authenticator_in_use(world, carer):
    """Until the new authenticator is confirmed the old one signs in, and no one without it."""
    step_up(world, carer)
    world.answer(OfferTotp("Caretrail"), OFFER, carer)
    world.pass_time(minutes=1)

    assert isinstance(world.try_sign_in(carer.username), OtpRequiredError)
    assert isinstance(world.try_sign_in(carer.username, otp=world.otp(carer)), Visited)


def test_replaced_authenticator_opens_nothing(world, carer):
    """Once a new authenticator is confirmed the old one is worth nothing and other sessions end."""
    other = carer.session
    old = pyotp.TOTP(carer.totp_secret)
    world.sign_in(carer)

    world.pass_time(minutes=1)
    enrol(world, carer)
    world.pass_time(minutes=1)

    old_code = old.at(int(world.now.timestamp()))
    assert isinstance(world.try_sign_in(carer.username, otp=old_code), OtpRequiredError)
    assert isinstance(world.try_sign_in(carer.username, otp=world.otp(carer)), Visited)
    assert isinstance(world.refusal(ReadSession(), READ, other), SessionEndedError)


def test_recovery_code_works_once(world):
    """A recovery code takes the place of the authenticator, in any spelling, one time."""
    person = world.person("carer", factor=False)
    code, other, *_ = enrol(world, person)

    spelled = code.upper().replace("-", " ")
    first = world.try_sign_in(person.username, recovery_code=spelled)

    assert first.answer.payload.body["session"]["second_factor_at"] == world.later()
    again = world.try_sign_in(person.username, recovery_code=code)
    assert (type(again), again.why) == (OtpRequiredError, "recovery-code-wrong")
    assert isinstance(world.try_sign_in(person.username, recovery_code=other), Visited)


def test_recovery_codes_end_with_the_next_ones(world):
    """New recovery codes replace the old ones; none of any is stored readable."""
    person = world.person("carer", factor=False)
    old = enrol(world, person)
    world.pass_time(minutes=1)
    new = enrol(world, person)

    rows = world.rows(table.recovery_code)
    assert len(rows) == 10
    assert not [code for code in old + new if code.replace("-", "") in repr(rows)]
    assert isinstance(world.try_sign_in(person.username, recovery_code=old[0]), OtpRequiredError)
    assert isinstance(world.try_sign_in(person.username, recovery_code=new[0]), Visited)


def test_lost_authenticator_is_replaced_with_a_recovery_code(world):
    """Somebody who signed in with a recovery code may set up a new authenticator in the next minutes."""
    person = world.person("carer", factor=False)
    code, *_ = enrol(world, person)
    world.pass_time(hours=1)
    world.sign_in(person, recovery_code=code, otp=None)

    assert len(enrol(world, person)) == 10


def test_recovery_code_of_somebody_else_opens_nothing(world):
    """A recovery code belongs to one person."""
    one, two = world.person("carer", factor=False), world.person("carer", factor=False)
    codes = enrol(world, one)
    enrol(world, two)

    assert isinstance(world.try_sign_in(two.username, recovery_code=codes[0]), OtpRequiredError)
    assert isinstance(world.try_sign_in(one.username, recovery_code=codes[0]), Visited)
