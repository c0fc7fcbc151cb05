"""A new one-time password by the operator, and whom it does not let in."""

import pytest

from app.access.visit import System
from app.core.errors import ConflictError
from app.identity.accounts import DeactivateAccount, ReactivateAccount
from app.identity.ended_again import SUSPEND, EndAgain
from app.identity.resetting import RESET, ResetAccount
from app.identity.signing_in import ReserveSignIn
from app.identity.table import throttle
from tests.support.world import PASSWORD, SIGN_IN, World

DEACTIVATE = "POST /v1/users/{user_id}/deactivate"
REACTIVATE = "POST /v1/users/{user_id}/reactivate"


@pytest.fixture
def world(tmp_path):
    """A provider."""
    with World.at(tmp_path) as made:
        yield made


@pytest.fixture
def person(world):
    """Somebody who was deactivated."""
    made = world.person("carer", signed_in=False)
    world.answer(DeactivateAccount(made.id, "left us"), DEACTIVATE, System("cli", world.org))
    return made


def work(person, *, reactivate=False):
    return ResetAccount(person.id, "hash", "lost phone", reactivate)


def suspend(world, person):
    """Do what a recovery does to an account whose password changed after the backup."""
    world.answer(EndAgain(person.id, credentials=True, again=1), SUSPEND, System("cli", world.org))


def test_whoever_was_deactivated_is_not_let_in_by_a_reset(world, person):
    """A reset of a deactivated account is refused, says what to do, and changes nothing."""
    refused = world.refusal(work(person), RESET, System("cli", world.org))

    assert isinstance(refused, ConflictError)
    assert "deactivated" == refused.why
    assert "--reactivate" in refused.detail
    assert ("user.reset", "fail") == (world.entry()["act"], world.entry()["out"])
    suspend(world, person)
    again = world.refusal(work(person), RESET, System("cli", world.org))
    assert "deactivated" == again.why, "a restore that suspends the account as well changes nothing about it"


def test_it_is_let_in_where_that_is_said(world, person):
    """With `reactivate` the operator undoes the deactivation; the entry names the field."""
    shown = world.answer(work(person, reactivate=True), RESET, System("cli", world.org)).payload

    assert shown["active"] is True
    assert "active" in {change["f"] for change in world.entry()["chg"]}


def test_whoever_is_inactive_since_a_restore_is_let_in(world, person):
    """An account that was reactivated, or never deactivated, and then suspended by a recovery is let in."""
    cli = System("cli", world.org)
    world.answer(ReactivateAccount(person.id, "came back"), REACTIVATE, cli)
    other = world.person("carer", signed_in=False)
    for one in (person, other):
        suspend(world, one)

        assert world.answer(work(one), RESET, cli).payload["active"] is True


def test_whoever_is_reset_may_sign_in_at_once(world):
    """An operator vouches for them: waits that others earned for the account are over."""
    made = world.person("carer", signed_in=False)
    for _ in range(11):
        outcome = world.try_sign_in(made.username, "not the password at all")
    assert outcome.answer.payload.held.refused

    world.answer(
        ResetAccount(made.id, world.hashes.hash(PASSWORD), "lost phone"), RESET, System("cli", world.org)
    )

    assert not world.answer(ReserveSignIn(made.username), SIGN_IN).payload.held.refused
    (account,) = [row for row in world.rows(throttle) if row["kind"] == "account"]
    assert 1 == account["refused"], "the refused attempt is still to be told of"
