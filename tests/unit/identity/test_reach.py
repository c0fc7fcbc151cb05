"""What a query leaves out of the accounts is nobody whom the caller may read."""

from itertools import combinations, product
from typing import Any

import orjson
import pytest
from sqlalchemy import insert, select

from app.access.agent import EVERYTHING, Agent, Grant
from app.identity.assignments import Assignment, dump_assignments
from app.identity.reach import READERS, may_read, readable_by
from app.identity.rows import AccountRow
from app.identity.table import account
from tests.support.world import World

UNIT = 'Nørth_"100%"'
HERE, THERE = "0190c000-0000-7000-8000-00000000000a", "0190c000-0000-7000-8000-00000000000b"
PLACES = ((None, None), (HERE, None), (THERE, None), (HERE, UNIT), (HERE, "South"), (THERE, UNIT))
MAY = (frozenset(READERS), frozenset(READERS[:1]), frozenset(READERS[1:]), frozenset({"identity:read"}))


@pytest.fixture
def rows(each_world: World) -> list[AccountRow]:
    """Accounts with no assignment, and with any one or two."""
    given = [(), *((place,) for place in PLACES), *combinations(PLACES, 2)]
    [made] = [each_world.person("carer", signed_in=False)]
    [pattern] = [row for row in each_world.rows(account) if row["id"] == made.id]
    rows = [
        pattern | {"id": f"a{n}", "username_index": n.to_bytes(32), "assignments": _kept(places)}
        for n, places in enumerate(given)
    ]
    each_world.looking(lambda c: c.execute(insert(account), rows))
    return [AccountRow(**{name: row[name] for name in AccountRow._fields}) for row in [pattern, *rows]]


def _kept(places: Any) -> str:
    assigned = [Assignment("carer", home, unit) for home, unit in places]
    return orjson.dumps(dump_assignments(assigned)).decode()


def agents(world: World) -> list[Agent]:
    """Return people with no assignment, with one, with two; and the service itself."""
    scopes = [*PLACES, (None, None, frozenset({"r1"})), (HERE, None, frozenset({"r1"}))]
    grants = [Grant("manager", may, *scope) for may, scope in product(MAY, scopes)]
    pairs = [(), *((one,) for one in grants), *combinations(grants, 2), (Grant("system", EVERYTHING),)]
    return [Agent(world.org, "somebody", "user", given) for given in pairs]


def test_the_database_leaves_out_nobody_who_may_be_read(each_world: World, rows: list[AccountRow]) -> None:
    """For whatever assignments on both sides; and it leaves out all others, where no unit limits anything."""

    def wrong(connection: Any) -> list[Agent]:
        found = []
        for agent in agents(each_world):
            left = set(connection.execute(select(account.c.id).where(readable_by(agent))).scalars())
            may = {row.id for row in rows if may_read(agent, row)}
            exact = all(grant.unit is None for grant in agent.grants)
            if not may <= left or (exact and may != left):
                found.append(agent)
        return found

    assert [] == each_world.looking(wrong)
