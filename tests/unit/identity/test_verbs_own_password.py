"""Changing one's own password: what it does to waits, to idle sessions and to sessions that ended."""

import pytest

from app.access.visit import Visited
from app.core.errors import CredentialsRefusedError, OtpRequiredError, SessionEndedError, SessionIdleError
from app.identity import table
from app.identity.own_credentials import ChangePassword, PreparePassword
from app.identity.own_session import ReadSession, SignOut
from tests.support.world import PASSWORD, Person, World

CHANGE = "PUT /v1/users/me/password"
READ = "GET /v1/sessions/current"
NEW = "seven dry hats under a bridge"
WRONG = "not the password at all"


def change(world: World, who: Person, current: str = PASSWORD):
    """Change the password as the HTTP layer does, in two turns."""
    prepared = world.answer(PreparePassword(), CHANGE, who).payload
    assert not prepared.held.refused
    right = world.hashes.check(prepared.password_hash, current)
    return world.do(ChangePassword(prepared, right, world.hashes.hash(NEW) if right else None), CHANGE, who)


def waits(world: World) -> dict[str, int]:
    return {row["kind"]: row["waits"] for row in world.rows(table.throttle)}


def test_changing_the_password_does_not_end_the_waits_of_the_code(world, carer):
    """A right password and no code leaves earlier waits as they were, in a session as at the sign-in."""
    for _ in range(10):
        assert isinstance(world.try_sign_in(carer.username, otp="000000"), OtpRequiredError)
    world.pass_time(minutes=5)
    assert waits(world) == {"account": 1, "source": 0}

    assert isinstance(change(world, carer), Visited)

    assert waits(world) == {"account": 1, "source": 0}
    assert isinstance(world.try_sign_in(carer.username, NEW, otp="000000"), OtpRequiredError)
    refused = world.try_sign_in(carer.username, NEW, otp="000000")
    assert refused.answer.payload.held.refused


def test_wrong_passwords_keep_no_session_awake(world, carer):
    """Who stands at a session left open and tries passwords does not keep it from falling asleep."""
    for _ in range(3):
        world.pass_time(minutes=3)
        assert isinstance(change(world, carer, WRONG), CredentialsRefusedError)
    world.pass_time(minutes=1)

    assert isinstance(world.refusal(ReadSession(), READ, carer), SessionIdleError)


def test_a_changed_password_keeps_its_session_awake(world, carer):
    """The change itself is activity of the session, as any other call that was carried out."""
    world.pass_time(minutes=9)
    assert isinstance(change(world, carer), Visited)
    world.pass_time(minutes=9)

    world.answer(ReadSession(), READ, carer)


def test_a_session_that_ended_counts_no_attempts(world, carer):
    """Whoever holds the token of an ended session cannot make its owner wait."""
    world.answer(SignOut(), "DELETE /v1/sessions/current", carer)
    before = world.rows(table.throttle)

    for _ in range(11):
        assert isinstance(world.refusal(PreparePassword(), CHANGE, carer), SessionEndedError)

    assert world.rows(table.throttle) == before
    world.pass_time(seconds=30)
    assert isinstance(world.try_sign_in(carer.username, otp=world.otp(carer)), Visited)


@pytest.mark.parametrize("role", ["registered_manager", "it_admin", None])
def test_whoever_is_bound_to_no_home_may_use_the_name_of_none(world, role):
    """Roles for the whole organisation, and accounts without any yet, could work at each of its homes."""
    person = world.person(role, None) if role else world.person(assignments=[])

    prepared = world.answer(PreparePassword(), CHANGE, person).payload

    assert {"Rosewood House", "Elm Court"} <= set(prepared.forbidden_words)


def test_the_name_of_somebody_elses_home_may_be_used(world, carer):
    """Only what an attacker would try first is forbidden."""
    prepared = world.answer(PreparePassword(), CHANGE, carer).payload

    assert "Rosewood House" in prepared.forbidden_words
    assert "Elm Court" not in prepared.forbidden_words
