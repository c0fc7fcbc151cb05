"""What a query leaves out of the residents is whom the policy refuses: nobody more, and nobody less."""

from datetime import date, timedelta
from itertools import combinations, product
from typing import Any

import pytest
from sqlalchemy import insert, select

from app.access.agent import EVERYTHING, Agent, Grant, Place
from app.access.policy import allowed_at
from app.core.local_time import day_of
from app.residents.reach import residents_within
from app.residents.rows import ResidentRow
from app.residents.table import resident
from tests.support.world import World

BOTH = ("identity:read", "identifiers:read")
HOMES, UNITS, LEFT = ("here", "there"), (None, "North", "South"), (None, 0, 29, 30, 31, 400)
BOX = bytes(32)


@pytest.fixture
def rows(each_world: World) -> list[ResidentRow]:
    """Residents of each home and unit, who live there or left so many days ago."""
    today = day_of(each_world.now)
    made: list[dict[str, Any]] = []
    for n, (home, unit, left) in enumerate(product(HOMES, UNITS, LEFT)):
        place = {"org": each_world.org, "id": f"r{n}", "home_id": home, "unit": unit}
        boxes = dict.fromkeys(("wrapped_key", "identity", "identifiers", "room", "state"), BOX)
        told = {"admitted_on": "2020-01-01", "discharged_on": _day(today, left), "created_at": f"2026-{n}"}
        made.append(place | boxes | told | {"status": "resident", "deleted": False, "version": 1})
    indexes = dict.fromkeys(("family_index", "family_birth_index"), BOX)
    each_world.looking(lambda c: c.execute(insert(resident), [row | indexes for row in made]))
    return [ResidentRow(**row) for row in made]


def _day(today: date, before: int | None) -> str | None:
    return None if before is None else (today - timedelta(days=before)).isoformat()


def grants() -> list[Grant]:
    """Return assignments of every breadth, some with one of the two permissions, some with both."""
    named = frozenset({"r0", "r5", "r17", "r30"})
    scopes = [(None, None), ("here", None), ("here", "North"), ("there", "South"), ("here", None, named)]
    held = [frozenset(BOTH), frozenset(BOTH[:1]), frozenset(BOTH[1:])]
    return [Grant(role, may, *scope) for role, may, scope in product(("carer", "nurse"), held, scopes)]


def agents(world: World) -> list[Agent]:
    """Return people with no assignment, with one, with two; and the service itself."""
    pairs = [(), *((one,) for one in grants()), *combinations(grants(), 2), (Grant("system", EVERYTHING),)]
    return [Agent(world.org, "somebody", "user", given) for given in pairs]


@pytest.mark.parametrize("wanted", [BOTH[:1], BOTH])
def test_the_database_says_of_residents_what_the_policy_says(
    each_world: World, rows: list[ResidentRow], wanted: tuple[str, ...]
) -> None:
    """For whatever two assignments; a month after somebody left it depends on the role."""
    at = each_world.now
    places = {at: {row.id: row.place(at) for row in rows}}
    places[None] = {row.id: Place(row.home_id, row.unit, row.id) for row in rows}

    def differing(connection: Any) -> list[tuple[Any, Agent]]:
        return [
            (left, agent)
            for left, agent in product(places, agents(each_world))
            if _found(connection, agent, wanted, left) != _allowed(agent, wanted, places[left])
        ]

    assert [] == each_world.looking(differing)


def _found(connection: Any, agent: Agent, wanted: tuple[str, ...], left: Any) -> set[str]:
    within = residents_within(agent, wanted, left)
    return set(connection.execute(select(resident.c.id).where(within)).scalars())


def _allowed(agent: Agent, wanted: tuple[str, ...], places: dict[str, Place]) -> set[str]:
    return {which for which, place in places.items() if all(allowed_at(agent, one, place) for one in wanted)}
