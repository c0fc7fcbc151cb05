"""The throttle behind the door: reserving, giving back, telling the trail, forgetting."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.access.visit import System, Visited
from app.audit import table as trail
from app.core.errors import CredentialsRefusedError, OtpRequiredError
from app.core.identifiers import SYSTEM
from app.identity import table
from app.identity.own_session import StepUp
from app.identity.signing_in import ReserveSignIn, SignIn
from app.identity.throttle import ACCOUNT, SOURCE, Counter, admit
from app.identity.throttle_subjects import Subject
from app.identity.throttling import FOLD_THROTTLED, FoldThrottled, Hold, withdrawn
from tests.support.world import SIGN_IN, Person, World

WRONG = "not the password at all"
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def carer(world: World) -> Person:
    return world.person("carer", signed_in=False)


def throttled(world: World, username: str, password: str = WRONG, **more) -> bool:
    """Try to sign in; say whether the throttle refused it."""
    outcome = world.try_sign_in(username, password, **more)
    if isinstance(outcome, Visited) and outcome.stamp is None:
        assert outcome.answer.payload.held.refused
        return True
    return False


def fail(world: World, username: str, times: int, **more) -> None:
    for _ in range(times):
        assert not throttled(world, username, **more)


def counters(world: World) -> dict[str, int]:
    return {row["kind"]: len(row["failures"].split()) for row in world.rows(table.throttle)}


def fold(world: World) -> dict[str, int]:
    """Run the housekeeping of a second, which has no entry of its own."""
    answer = world.answer(FoldThrottled(), FOLD_THROTTLED, System("housekeeping", SYSTEM))
    assert world.visit.stamp is None
    return answer.payload


def test_ten_failures_and_then_a_wait(world, carer):
    """After ten failures in five minutes even the right password waits, and no Argon2 is spent on it."""
    fail(world, carer.username, 10)

    assert throttled(world, carer.username, carer.password, otp=world.otp(carer))
    outcome = world.try_sign_in(carer.username)
    assert outcome.answer.payload.held.retry_after_s == 300


def test_wait_ends_by_itself(world, carer):
    """An account is never locked for good: when the wait is over the right password opens it."""
    fail(world, carer.username, 10)

    world.pass_time(minutes=5)

    assert isinstance(world.try_sign_in(carer.username, otp=world.otp(carer)), Visited)
    assert not throttled(world, carer.username)


def test_reserved_attempts_count_before_they_are_checked(world, carer):
    """Of thirty attempts under way at once, ten get a password check and twenty are refused."""
    reserved = [world.answer(ReserveSignIn(carer.username), SIGN_IN).payload for _ in range(30)]

    assert [r.held.refused for r in reserved] == [False] * 10 + [True] * 20


def test_success_gives_its_own_attempt_back_and_no_other(world, carer):
    """A sign-in forgets its own attempt; failures of others in the same minutes stay counted."""
    fail(world, carer.username, 4)

    world.sign_in(carer)

    assert counters(world) == {"account": 4, "source": 4}


def test_right_credentials_that_fall_short_are_no_failure(world, carer):
    """A right password without its code, and a right one off shift, are not counted; a wrong code is."""
    off_shift = world.person("agency_carer", shift_hours=0, signed_in=False)

    for _ in range(12):
        assert isinstance(world.try_sign_in(carer.username), OtpRequiredError)
    assert not throttled(world, off_shift.username, off_shift.password, otp=world.otp(off_shift))
    assert {row["failures"] for row in world.rows(table.throttle)} == {""}
    world.try_sign_in(carer.username, otp="000000")
    assert sum(row["failures"] != "" for row in world.rows(table.throttle)) == 2


def test_thief_of_the_password_cannot_end_the_waits_of_the_code(world, carer):
    """Asking with the right password and no code leaves earlier waits as they were."""
    for _ in range(10):
        world.try_sign_in(carer.username, otp="000000")
    world.pass_time(minutes=5)

    assert isinstance(world.try_sign_in(carer.username), OtpRequiredError)
    assert isinstance(world.try_sign_in(carer.username, otp="000000"), OtpRequiredError)
    assert throttled(world, carer.username, carer.password)


def test_owner_with_two_steps_gets_in_after_an_attack(world, carer):
    """A client that sends the password first and the code second signs in as soon as the wait is over."""
    fail(world, carer.username, 10)
    world.pass_time(minutes=5)

    assert isinstance(world.try_sign_in(carer.username), OtpRequiredError)
    assert isinstance(world.try_sign_in(carer.username, otp=world.otp(carer)), Visited)


def test_unknown_names_are_slowed_alike(world):
    """A name nobody has is throttled like one somebody has, in every spelling."""
    for n in range(10):
        assert not throttled(world, " No.Body " if n % 2 else "no.body")

    assert throttled(world, "NO.BODY")


def test_source_is_slowed_whatever_names_it_tries(world, carer):
    """Fifty failures from one address stop it for every name; other addresses go on."""
    for n in range(50):
        assert not throttled(world, f"name{n}", address="198.51.100.7")

    assert throttled(world, "one-more", address="198.51.100.7")
    assert throttled(world, carer.username, carer.password, address="198.51.100.7")
    assert isinstance(
        world.try_sign_in(carer.username, address="198.51.100.8", otp=world.otp(carer)), Visited
    )


def test_refusal_reserves_nothing_of_the_account(world, carer):
    """An attempt that the account's counter refuses is none of its failures, nor at first of its source's."""
    fail(world, carer.username, 10)

    assert throttled(world, carer.username)

    assert counters(world) == {"account": 10, "source": 10}


def test_nothing_readable_is_stored(world, carer):
    """The throttle's rows hold neither names nor addresses."""
    fail(world, carer.username, 1)
    fail(world, "no.body", 1)

    rows = repr(world.rows(table.throttle))

    assert carer.id in rows
    for plain in (carer.username, "no.body", "192.0.2.1"):
        assert plain not in rows


# --- telling the trail -------------------------------------------------------------------------


def test_refused_attempts_are_folded_into_one_entry(world, carer):
    """Attempts refused by the throttle make no entry until their minute is over, then one with the count."""
    fail(world, carer.username, 10)
    before = len(world.entries())
    for _ in range(7):
        assert throttled(world, carer.username)

    assert fold(world)["folded"] == 0
    world.pass_time(seconds=59)
    assert fold(world)["folded"] == 0
    assert len(world.entries()) == before
    world.pass_time(seconds=1)
    assert fold(world)["folded"] == 1
    assert fold(world)["folded"] == 0

    (entry,) = world.entries()[before:]
    assert (entry["act"], entry["out"], entry["n"]) == ("auth.throttled", "deny", 7)
    assert entry["obj"] == {"t": "user", "id": carer.id}
    assert (entry["actor"], entry["homes"]) == ({"id": "system:throttle", "kind": "system"}, [world.home])


def test_refusals_of_unknown_names_and_sources_go_to_the_system(world):
    """What concerns no known account is told in the system's chain; a source by its keyed digest."""
    fail(world, "no.body", 10, address="")
    assert throttled(world, "no.body", address="")
    for n in range(50):
        throttled(world, f"name{n}", address="198.51.100.7")
    attempt = world.entry()
    assert throttled(world, "one-more", address="198.51.100.7")
    world.pass_time(minutes=1)

    assert fold(world)["folded"] == 2

    told = [entry for entry in world.entries(SYSTEM) if entry["act"] == "auth.throttled"]
    assert [entry["n"] for entry in told] == [1, 1]
    assert [entry["src"] for entry in told if "src" in entry] == [attempt["src"]]
    assert all("obj" not in entry for entry in told)


def test_every_refused_attempt_is_told_once(world, carer):
    """Over many minutes the counts of the folded entries add up to the attempts refused."""
    refused = 0
    for _ in range(40):
        refused += throttled(world, carer.username)
        world.pass_time(seconds=20)
        fold(world)
    world.pass_time(minutes=2)
    fold(world)

    told = [entry["n"] for entry in world.entries() if entry["act"] == "auth.throttled"]
    assert refused > 20
    assert sum(told) == refused
    assert len(told) > 1


def test_rows_that_say_nothing_are_forgotten(world, carer):
    """A counter whose failures are old is deleted; one that still counts, waits or has news is kept."""
    fail(world, carer.username, 10)
    fail(world, "no.body", 1, address="")
    assert len(world.rows(table.throttle)) == 3

    assert fold(world)["forgotten"] == 0
    world.pass_time(minutes=5)
    assert fold(world)["forgotten"] == 2
    assert [row["user_id"] for row in world.rows(table.throttle)] == [carer.id]
    world.pass_time(minutes=65)
    assert fold(world)["forgotten"] == 1
    assert world.rows(table.throttle) == []


def test_housekeeping_with_nothing_to_do_leaves_no_trace(world):
    """A second in which nothing was refused adds no line to any chain."""
    lines = len(world.rows(trail.event))

    assert fold(world) == {"folded": 0, "forgotten": 0}

    assert len(world.rows(trail.event)) == lines


def test_refusals_with_an_entry_of_their_own_are_not_folded(world, carer):
    """A known session's attempt refused by the throttle has its own entry and is not told a second time."""
    world.sign_in(carer)
    for _ in range(12):
        world.refusal(StepUp("000000"), "POST /v1/sessions/current/step-up", carer)
    world.pass_time(minutes=1)

    assert fold(world)["folded"] == 0


# --- giving back, as a rule of its own ----------------------------------------------------------


def hold(before: Counter, kind="account") -> Hold:
    return Hold(Subject(kind, b"k"), NOW, before.waits, before.blocked_until)


@pytest.mark.parametrize("failures", range(9))
def test_withdrawn_attempt_leaves_the_counter_as_it_was(failures):
    """Up to the last free attempt, giving back undoes exactly what reserving did."""
    before = Counter(failures=(NOW - MINUTE,) * failures, version=3)

    after = withdrawn(admit(before, NOW).counter, hold(before), ACCOUNT)

    assert replace(after, version=3) == before
    assert after.version == 5


def test_withdrawn_tenth_attempt_lifts_the_wait_it_began():
    """The tenth attempt begins a wait; given back, it is the tenth attempt no more."""
    before = Counter(failures=(NOW - MINUTE,) * 9)

    after = withdrawn(admit(before, NOW).counter, hold(before), ACCOUNT)

    assert (len(after.failures), after.waits, after.blocked_until) == (9, 0, None)


def test_withdrawn_attempt_keeps_a_wait_that_others_earned():
    """When enough others failed meanwhile the wait stays."""
    before = Counter(failures=(NOW - MINUTE,) * 9)
    blocked = admit(before, NOW).counter
    crowded = replace(blocked, failures=(NOW - MINUTE, *blocked.failures))

    after = withdrawn(crowded, hold(before), ACCOUNT)

    assert (len(after.failures), after.waits, after.blocked_until) == (10, 1, blocked.blocked_until)


def test_withdrawn_attempt_of_a_waiting_source():
    """After a wait a source has five attempts; one given back does not count towards the next wait."""
    before = Counter(failures=(NOW - MINUTE,) * 4, waits=1, blocked_until=NOW - MINUTE)
    blocked = admit(before, NOW, SOURCE).counter

    after = withdrawn(blocked, hold(before, "source"), SOURCE)

    assert blocked.waits == 2
    assert (after.waits, after.blocked_until, len(after.failures)) == (1, NOW - MINUTE, 4)


def test_refusal_after_the_last_free_attempt_is_committed(world, carer):
    """The attempt that begins the wait is still answered, and the wait holds although it was refused."""
    fail(world, carer.username, 9)
    reserved = world.answer(ReserveSignIn(carer.username), SIGN_IN).payload

    error = world.refusal(SignIn(reserved, False), SIGN_IN)

    assert isinstance(error, CredentialsRefusedError)
    assert throttled(world, carer.username)
