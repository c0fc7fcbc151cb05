"""What a page of a list costs does not depend on how many there are whom the caller may not see."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import orjson
import pytest
from sqlalchemy import Table, event, insert

from app.access import sifting
from app.access.visit import System
from app.access.work import Answer
from app.identity.directory import ListAccounts
from app.identity.table import account
from app.residents.leaving import DischargeResident
from app.residents.register import ListResidents, SearchResidents
from app.residents.table import resident
from tests.support.world import Person, World
from tests.unit.trail.stories import admit

USERS, RESIDENTS, SEARCH = "GET /v1/users", "GET /v1/residents", "POST /v1/residents/search"
DISCHARGE = "POST /v1/residents/{resident_id}/discharge"
OTHERS = 600
COUNTED = count(1)


@contextmanager
def counted(world: World) -> Iterator[list[str]]:
    """Yield the statements that read pages of a list meanwhile."""
    statements: list[str] = []

    def executing(_connection, _cursor, statement, _parameters, _context, _many):
        if "created_at DESC" in statement:
            statements.append(statement)

    event.listen(world.engine, "before_cursor_execute", executing)
    yield statements
    event.remove(world.engine, "before_cursor_execute", executing)


def cloned(world: World, table: Table, like: str, many: int, **otherwise: str) -> None:
    """Write rows like another, newer than it. Nobody may be shown them: their boxes are not theirs."""
    [row] = [row for row in world.rows(table) if row["id"] == like]
    rows = []
    for number in (next(COUNTED) for _ in range(many)):
        own = {"id": f"clone-{number:06}", "created_at": f"2027-01-01T00:00:00.{number:06}Z"}
        index = {"username_index": number.to_bytes(32)} if table is account else {}
        rows.append(row | own | index | otherwise)
    if rows:
        world.looking(lambda connection: connection.execute(insert(table), rows))


def assigned(*places: tuple[str, str | None]) -> str:
    """Return assignments of a carer as an account keeps them."""
    return orjson.dumps([{"role": "carer", "home_id": home, "unit": unit} for home, unit in places]).decode()


def test_the_first_page_of_a_new_homes_manager_is_read_at_once(each_world: World) -> None:
    """Hundreds of users of other homes cost nothing, and whom there is to see is seen."""
    manager = each_world.person("deputy_manager")
    cloned(each_world, account, manager.id, OTHERS, assignments=assigned((each_world.other_home, None)))

    with counted(each_world) as statements:
        page = each_world.answer(ListAccounts(1), USERS, manager).payload

    assert ([manager.id], None) == ([one["id"] for one in page["items"]], page["next_cursor"])
    assert 1 == len(statements)


def test_a_list_of_residents_nobody_may_see_any_more_is_empty_at_once(each_world: World) -> None:
    """Who left long ago is left out by the database for those who may not see them, and for others is not."""
    left = admit(each_world, each_world.home)
    cli = System("cli", each_world.org)
    each_world.answer(DischargeResident(left, "2026-01-06", "moved"), DISCHARGE, cli)
    carer, nurse = each_world.person("carer", None), each_world.person("nurse", None)
    work = ListResidents(None, "discharged", 1, None)
    seen = each_world.answer(work, RESIDENTS, nurse).payload["items"]
    cloned(each_world, resident, left, OTHERS)

    with counted(each_world) as statements:
        page = each_world.answer(work, RESIDENTS, carer).payload

    assert {"items": [], "next_cursor": None} == page
    assert ([left], 1) == ([one["id"] for one in seen], len(statements))


@pytest.mark.parametrize("listed", ["list", "search"])
def test_who_cares_for_one_person_finds_that_one_at_once(each_world: World, listed: str) -> None:
    """A whole home of that name lies before the one resident somebody was assigned."""
    mine = admit(each_world, each_world.home)
    named = [{"role": "nurse", "home_id": each_world.home, "resident_ids": [mine]}]
    nurse = each_world.person(assignments=named)
    cloned(each_world, resident, mine, OTHERS)
    asks: dict[str, Callable[[], Answer]] = {
        "list": lambda: each_world.answer(ListResidents(None, None, 1, None), RESIDENTS, nurse),
        "search": lambda: each_world.answer(SearchResidents(family_name="Example"), SEARCH, nurse),
    }

    with counted(each_world) as statements:
        found = asks[listed]().payload["items"]

    assert ([mine], 1) == ([one["id"] for one in found], len(statements))


# --- what only the policy can tell ----------------------------------------------------------------


@pytest.fixture
def manager(each_world: World) -> Person:
    """The manager of a unit."""
    return each_world.person(
        assignments=[{"role": "deputy_manager", "home_id": each_world.home, "unit": "North"}]
    )


@pytest.fixture
def elsewhere(each_world: World) -> str:
    """Assignments that name the manager's home and unit, and no place in it."""
    return assigned((each_world.home, "South"), (each_world.other_home, "North"))


def test_what_is_looked_at_for_one_page_is_bounded(each_world, manager, elsewhere) -> None:
    """A page ends empty and goes on, and the next shows whom the first did not come to."""
    cloned(each_world, account, manager.id, sifting.MOST_LOOKED_AT + 500, assignments=elsewhere)

    with counted(each_world) as statements:
        first = each_world.answer(ListAccounts(1), USERS, manager).payload
        taken = len(statements)
        second = each_world.answer(ListAccounts(1, first["next_cursor"]), USERS, manager).payload

    assert ([], True) == (first["items"], first["next_cursor"] is not None)
    assert ([manager.id], None) == ([one["id"] for one in second["items"]], second["next_cursor"])
    assert (1 + 10, 1 + 3) == (taken, len(statements) - taken)


def test_everybody_takes_one_place_of_one_page(each_world, manager, elsewhere, monkeypatch) -> None:
    """Wherever pages end, full or not, each who may be seen is on one of them, newest first."""
    monkeypatch.setattr(sifting, "AT_ONCE", 3)
    monkeypatch.setattr(sifting, "MOST_LOOKED_AT", 6)
    unit = [{"role": "carer", "home_id": each_world.home, "unit": "North"}]
    wanted = [manager.id]
    for between in range(9):
        each_world.pass_time(seconds=1)
        at = each_world.later()
        cloned(each_world, account, manager.id, between, assignments=elsewhere, created_at=at)
        each_world.pass_time(seconds=1)
        wanted.append(each_world.person(assignments=unit, signed_in=False).id)

    pages = [each_world.answer(ListAccounts(2), USERS, manager).payload]
    while pages[-1]["next_cursor"] is not None:
        pages.append(each_world.answer(ListAccounts(2, pages[-1]["next_cursor"]), USERS, manager).payload)

    assert wanted[::-1] == [one["id"] for page in pages for one in page["items"]]
    assert {0, 1, 2} == {len(page["items"]) for page in pages}
