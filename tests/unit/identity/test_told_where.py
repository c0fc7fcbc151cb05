"""Who may do something, but not there, is told that it is about the place: not that their role forbids it."""

import pytest

from app.core.errors import ForbiddenError
from app.identity.new_accounts import CreateAccount
from app.identity.shift_rows import NewShift
from app.identity.shifts import CreateShift
from tests.support.world import World

USERS, SHIFTS = "POST /v1/users", "POST /v1/users/{user_id}/shifts"


def creation(kind: str, *assignments: dict[str, str], shift: NewShift | None = None) -> CreateAccount:
    """A new account."""
    return CreateAccount("n.newby", "Nadia Newby", kind, list(assignments), "$hash", "once", shift)  # type: ignore[arg-type]


def detail_of(world: World, work, operation: str, who) -> str:
    error = world.refusal(work, operation, who)
    assert isinstance(error, ForbiddenError)
    return error.detail


@pytest.mark.parametrize("elsewhere", ["another home", "everywhere"])
def test_an_assignment_wider_than_ones_own(world: World, elsewhere: str) -> None:
    """A manager of one home is told to stay within it, or whom to ask; of the other home nothing is told."""
    manager = world.person("registered_manager")
    where = {"role": "carer", "home_id": world.other_home if elsewhere == "another home" else None}
    told = detail_of(world, creation("staff", where), USERS, manager)

    assert told.startswith("You do not manage users as far as this assignment reaches. Name a home")
    assert "ask somebody who manages users there" in told


@pytest.mark.parametrize("first", [True, False])
def test_a_shift_where_one_enters_none(world: World, first: bool) -> None:
    """At another home and in another unit alike, for a new account and for one that is there."""
    when = NewShift(world.later(), world.later(hours=8))
    if first:
        asked = creation("staff", {"role": "it_admin", "home_id": world.home}, shift=when)
        told = [detail_of(world, asked, USERS, world.person("it_admin"))]
    else:
        roles = ({"role": "agency_carer", "unit": "Garden"}, {"role": "agency_nurse"})
        known = world.person(
            assignments=[{"home_id": world.home, **role} for role in roles], signed_in=False, shift_hours=0
        )
        nurse = world.person(assignments=[{"role": "nurse", "home_id": world.home, "unit": "Garden"}])
        asked_for = [(world.other_home, "agency_carer"), (world.home, "agency_nurse")]
        told = [
            detail_of(world, CreateShift(known.id, home, role, when), SHIFTS, nurse)
            for home, role in asked_for
        ]

    assert {"You do not enter shifts there. Ask somebody who enters them at that home or unit."} == set(told)


def test_an_admission_to_nowhere(world: World) -> None:
    """Whoever admits agency staff is told to name the home."""
    told = detail_of(world, creation("agency"), USERS, world.person("nurse"))

    assert told == "You admit agency staff to a home of yours: name it, with their role, under assignments."
