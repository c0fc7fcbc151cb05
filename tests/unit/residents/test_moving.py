"""A resident moves to another home or unit, as far as whoever moves them is there too."""

import pytest

from app.access.visit import System
from app.core.errors import InvalidRequestError, NotFoundError
from app.core.identifiers import new_id
from app.residents.amending import AmendResident
from app.residents.table import resident

AMEND = "PATCH /v1/residents/{resident_id}"


@pytest.fixture
def lodged(provider):
    """A resident of the unit Rose, and where that is."""
    moved_in = AmendResident(admitted := provider.admit(left_on=None), 1, {"unit": "Rose"})
    provider.world.answer(moved_in, AMEND, System("cli", provider.world.org))
    return admitted


def moved(provider, lodged, who, **patch):
    """Return the refusal of a move, and the row after it."""
    refused = provider.world.refusal(AmendResident(lodged, 2, patch), AMEND, who)
    [row] = provider.world.rows(resident)
    return refused, (row["home_id"], row["unit"], row["version"])


def test_nobody_moves_a_resident_to_a_home_out_of_their_scope(provider, lodged):
    """A home of the same provider where the caller is not, and one there is not, are told alike."""
    world, here = provider.world, (provider.world.home, "Rose", 2)
    nurse = world.person("nurse")

    elsewhere, stays = moved(provider, lodged, nurse, home_id=world.other_home)
    reasons = [world.entry()["why"]]
    nowhere, stays_too = moved(provider, lodged, nurse, home_id=new_id())
    reasons.append(world.entry()["why"])

    assert ["out-of-scope", "home-not-found"] == reasons
    assert [404, 404] == [elsewhere.status, nowhere.status]
    assert isinstance(nowhere, NotFoundError)
    assert (elsewhere.slug, elsewhere.title, elsewhere.detail) == (
        nowhere.slug,
        nowhere.title,
        nowhere.detail,
    )
    assert [here, here] == [stays, stays_too]


@pytest.mark.parametrize("unit", ["Lily", None])
def test_nobody_moves_a_resident_to_a_unit_out_of_their_scope(provider, lodged, unit):
    """Who nurses at one unit names no other of the home, and does not take the resident out of all."""
    world = provider.world
    nurse = world.person(assignments=[{"role": "nurse", "home_id": world.home, "unit": "Rose"}])

    refused, stays = moved(provider, lodged, nurse, unit=unit)

    assert isinstance(refused, InvalidRequestError)
    assert ["/unit"] == [pointer for pointer, _ in refused.errors]
    assert (world.home, "Rose", 2) == stays


def test_who_is_at_both_homes_moves_a_resident(provider, lodged):
    """A manager of the whole organisation does what each of these may not."""
    world = provider.world

    done = world.answer(AmendResident(lodged, 2, {"home_id": world.other_home}), AMEND, provider.manager)

    assert (world.other_home, 3) == (done.payload["home_id"], done.version)
