"""Whom a caller may see is found, however many others there are whom they may not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.access.visit import System
from app.core.errors import InvalidRequestError
from app.http.residents import look_up_of
from app.http.shapes import SearchIn
from app.residents import register
from app.residents.admission import AdmitResident
from app.residents.register import SearchResidents
from app.residents.subject_lookup import SubjectLookup
from tests.support.world import World
from tests.unit.trail.stories import admit

SEARCH, LOOK_UP = "POST /v1/residents/search", "POST /v1/audit/subject-lookup"
NAMED = SearchResidents(family_name="Example")


@pytest.fixture
def crowded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[World, str]]:
    """One of a name at a home; at another, later, one more of that name than a search shows at most."""
    monkeypatch.setattr(register, "MOST_FOUND", 3)
    with World.at(tmp_path) as world:
        mine = admit(world, world.home)
        for _ in range(4):
            admit(world, world.other_home)
        yield world, mine


def test_others_take_nobodys_place(crowded: tuple[World, str]) -> None:
    """A nurse of the one home finds the one there, and so does whoever reads that home's trail."""
    world, mine = crowded
    found = world.answer(NAMED, SEARCH, world.person("nurse"))
    looked_up = world.answer(SubjectLookup(family_name="Example"), LOOK_UP, world.person("deputy_manager"))

    assert [mine] == [one["id"] for one in found.payload["items"]]
    assert {"resident_ids": [mine]} == looked_up.payload


def test_named_residents_of_a_crowded_home_are_found(crowded: tuple[World, str]) -> None:
    """Somebody who cares for one person of a home only finds that one behind all others of the name."""
    world, mine = crowded
    for _ in range(4):
        admit(world, world.home)
    carer = world.person(assignments=[{"role": "nurse", "home_id": world.home, "resident_ids": [mine]}])

    found = world.answer(NAMED, SEARCH, carer)

    assert [mine] == [one["id"] for one in found.payload["items"]]


@pytest.mark.parametrize("where", ["everywhere", "at the crowded home"])
def test_a_list_does_not_end_unseen(crowded: tuple[World, str], where: str) -> None:
    """Where there are more than are shown, the caller is told to say more, and nobody is disclosed."""
    world, _ = crowded
    manager = world.person("registered_manager", None if where == "everywhere" else world.other_home)

    refused = world.refusal(NAMED, SEARCH, manager)

    assert isinstance(refused, InvalidRequestError)
    assert "subs" not in world.entry()
    assert "n" not in world.entry()


@pytest.mark.parametrize(
    "written", ["9990000018", " 999\u00a0000  0018", "999–000–0018", "９９９０００００１８"]
)
def test_an_nhs_number_is_found_however_it_is_typed(each_world: World, written: str) -> None:
    """Spaces and hyphens of any kind and the width of digits do not count, in a search and in a look-up."""
    identity = {"given_name": "Ada", "family_name": "Example"}
    identifiers = {"date_of_birth": "1938-04-05", "nhs_number": "9990000018"}
    work = AdmitResident(each_world.home, None, None, identity, identifiers, "2026-01-05")
    cli = System("cli", each_world.org)
    there = each_world.answer(work, "POST /v1/residents", cli).payload["id"]
    asked = look_up_of(SearchIn(nhs_number=written))

    found = each_world.answer(SearchResidents(*asked), SEARCH, each_world.person("nurse")).payload
    manager = each_world.person("deputy_manager")
    looked_up = each_world.answer(SubjectLookup(*asked), LOOK_UP, manager).payload

    assert [there] == [one["id"] for one in found["items"]]
    assert {"resident_ids": [there]} == looked_up
