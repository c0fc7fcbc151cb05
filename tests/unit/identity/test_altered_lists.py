"""Homes, roles and shifts that were changed behind the service's back are not listed as if they were true."""

import pytest
from sqlalchemy import text

from app.access.visit import System
from app.identity import table
from app.identity.directory import ListRoles, ReadMe
from app.identity.ending import EndSession
from app.identity.homes import ListHomes
from app.identity.shifts import ListShifts
from tests.unit.trail.state_scene import Scene, household

HOMES = "GET /v1/homes"
ME = "GET /v1/users/me"
ROLES = "GET /v1/roles"
SHIFTS = "GET /v1/users/{user_id}/shifts"
LISTS = {
    "home": (HOMES, lambda _: ListHomes()),
    "role": (ROLES, lambda _: ListRoles()),
    "shift": (SHIFTS, lambda scene: ListShifts(scene.ids["agency"])),
}


@pytest.fixture
def scene(each_world) -> Scene:
    """A household on each database."""
    return household(each_world)


@pytest.mark.parametrize(
    ("kind", "named", "altered"),
    [
        ("home", "home", "UPDATE home SET name = 'Forged House' WHERE id = :home"),
        ("home", "home", "UPDATE home SET created_at = '2020' WHERE id = :home"),
        ("role", "kitchen", "UPDATE role SET about = 'forged' WHERE name = 'kitchen'"),
        ("role", "kitchen", "UPDATE role SET version = 7 WHERE name = 'kitchen'"),
        ("shift", "shift", "UPDATE shift SET ends_at = '2030-01-01T00:00:00.000000Z' WHERE id = :shift"),
        ("shift", "shift", "UPDATE shift SET agency = 'Forged Agency' WHERE id = :shift"),
    ],
)
def test_a_list_with_an_altered_row_is_refused_and_told_of(scene, kind, named, altered):
    """As of residents and accounts: the list is refused, and the trail names the row, once."""
    world = scene.world
    manager = world.person("registered_manager", None)
    operation, work = LISTS[kind]
    world.answer(work(scene), operation, manager)
    scene.tamper(altered)
    since = len(world.entries())

    refused = [world.refusal(work(scene), operation, manager) for _ in range(2)]

    assert [("integrity", "state-broken")] * 2 == [(one.slug, one.why) for one in refused]
    told = [entry["obj"] for entry in world.entries()[since:] if entry["act"] == "integrity.fail"]
    assert [{"t": kind, "id": scene.ids.get(named, named)}] == told


@pytest.mark.parametrize(
    "forged",
    [
        "home_id = :elsewhere",
        "role = 'agency_nurse'",
        "ends_at = '2030-01-01T00:00:00.000000Z'",
        "cancelled = FALSE, version = 7",
    ],
)
def test_nobody_acts_in_a_shift_that_was_altered(each_world, forged):
    """Of an agency worker the shift says where and until when: not as forged, and not as it was."""
    world = each_world
    places = [("agency_carer", home) for home in (world.home, world.other_home)]
    places.append(("agency_nurse", world.home))
    agency = world.person(assignments=[{"role": role, "home_id": home} for role, home in places])
    [row] = world.rows(table.shift)
    statement = text(f"UPDATE shift SET {forged} WHERE id = :id")
    named = {"id": row["id"]} | ({"elsewhere": world.other_home} if ":elsewhere" in forged else {})
    world.answer(ReadMe(), ME, agency)
    world.looking(lambda c: c.execute(statement, named))
    since = len(world.entries())

    refused = world.refusal(ReadMe(), ME, agency)

    assert ("integrity", "state-broken") == (refused.slug, refused.why)
    told = [entry["obj"] for entry in world.entries()[since:] if entry["act"] == "integrity.fail"]
    assert [{"t": "shift", "id": row["id"]}] == told
    manager = world.person("registered_manager", None)
    world.answer(EndSession(agency.session.id), "DELETE /v1/sessions/{session_id}", manager)


def test_a_home_the_caller_does_not_see_keeps_nothing_from_them(scene):
    """Who works at one home is shown it, whatever became of the row of another."""
    world = scene.world
    cook = world.person("kitchen")
    scene.tamper("UPDATE home SET name = 'Forged House' WHERE id = :there", there=world.other_home)

    assert [world.home] == [one["id"] for one in world.answer(ListHomes(), HOMES, cook).payload["items"]]
    assert "state-broken" == world.refusal(ListHomes(), HOMES, System("cli", world.org)).why
