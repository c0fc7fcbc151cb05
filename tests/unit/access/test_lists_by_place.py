"""Lists hold for each resident what is held at that resident's place."""

from collections.abc import Iterator

import pytest

from app.access.visit import System
from app.residents.admission import AdmitResident
from app.residents.recording import MakeRecord
from app.residents.records import ListRecords
from tests.support.world import World

RECORDS = "/v1/residents/{resident_id}/records"


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    with World.at(tmp_path) as world:
        yield world


def resident_with_records(world: World, home: str) -> str:
    """Admit somebody who has one note and one medicine."""
    cli, identity = System("cli", world.org), {"given_name": "Ada", "family_name": "Marlow"}
    admitted = AdmitResident(home, None, None, identity, {"date_of_birth": "1940-01-01"}, "2026-01-01")
    resident = world.answer(admitted, "POST /v1/residents", cli).payload["id"]
    for category in ("daily_note", "medication"):
        work = MakeRecord(resident, category, world.later(minutes=-5), {"text": "plain"})
        world.answer(work, f"POST {RECORDS}", cli)
    return str(resident)


def test_who_has_another_role_at_each_home_lists_at_each_by_its_role(world):
    """A carer of one home who is a nurse at another reads medicines there, and none here."""
    both = world.person(
        assignments=[
            {"role": "carer", "home_id": world.home},
            {"role": "nurse", "home_id": world.other_home},
        ]
    )
    listed = []
    for home in (world.home, world.other_home):
        work = ListRecords(resident_with_records(world, home), None, None, None, 50, None)
        items = world.answer(work, f"GET {RECORDS}", both).payload["items"]
        listed.append(sorted(item["category"] for item in items))

    assert [["daily_note"], ["daily_note", "medication"]] == listed
