"""Somebody stays who manages users for the whole organisation."""

import pytest

from app.access.visit import System, Visited
from app.core.errors import ConflictError
from app.identity.accounts import AmendAccount, DeactivateAccount
from tests.support.world import Person, World

AMEND = "PATCH /v1/users/{user_id}"
DEACTIVATE = "POST /v1/users/{user_id}/deactivate"


@pytest.fixture
def last(world: World) -> Person:
    """The last who manages users for the whole organisation; a deputy reaches them at a home."""
    both = [{"role": "registered_manager", "home_id": where} for where in (None, world.home)]
    return world.person(assignments=both)


def test_the_last_keeper_is_not_deactivated(world, last):
    """Who manages users for the whole organisation is deactivated only while another one does."""
    deputy = world.person("deputy_manager")
    leave = DeactivateAccount(last.id, "left")

    refused = world.refusal(leave, DEACTIVATE, deputy)
    assert isinstance(refused, ConflictError)
    assert (world.entry()["out"], world.entry()["why"]) == ("fail", "nobody-left")

    world.person("it_admin", None)
    assert not world.answer(leave, DEACTIVATE, deputy).payload["active"]


@pytest.mark.parametrize(
    "assignment",
    [
        {"role": "registered_manager", "home_id": "here"},
        {"role": "auditor", "home_id": None},
        {"role": "carer", "home_id": "here"},
    ],
)
def test_others_do_not_keep_users(world, last, assignment):
    """Neither a manager of one home nor another role for the whole organisation stands in for them."""
    where = world.home if assignment["home_id"] else None
    other = world.person(assignments=[assignment | {"home_id": where}])
    deputy = world.person("deputy_manager")

    assert isinstance(world.refusal(DeactivateAccount(last.id, "left"), DEACTIVATE, deputy), ConflictError)
    assert isinstance(world.do(DeactivateAccount(other.id, "left"), DEACTIVATE, last), Visited)


def test_the_last_keeper_keeps_the_role(world, last):
    """The assignment that lets somebody manage all users is not taken from the last who has it."""
    cli = System("cli", world.org)
    lesser = [{"role": "registered_manager", "home_id": world.home}]

    refused = world.refusal(AmendAccount(last.id, 1, None, lesser), AMEND, cli)
    assert isinstance(refused, ConflictError)

    wider = [{"role": role, "home_id": None} for role in ("it_admin", "auditor")]
    assert world.answer(AmendAccount(last.id, 1, None, wider), AMEND, cli).version == 2
    world.person("it_admin", None)
    assert world.answer(AmendAccount(last.id, 2, None, lesser), AMEND, cli).version == 3


def test_where_nobody_keeps_users_others_still_leave(world):
    """Where there is no such person at all, a carer is deactivated like everywhere."""
    deputy, carer = world.person("deputy_manager"), world.person("carer", signed_in=False)

    assert not world.answer(DeactivateAccount(carer.id, "left"), DEACTIVATE, deputy).payload["active"]
