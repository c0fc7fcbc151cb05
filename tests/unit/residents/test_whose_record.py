"""A record is that of its resident: asked for as another's it is not there, and that is an entry."""

import pytest

from app.access.visit import System
from app.core.errors import NotFoundError
from app.residents.correcting import AmendRecord, RemoveRecord
from app.residents.recording import MakeRecord
from app.residents.records import ListVersions, ReadRecord
from app.residents.table import record, record_version

RECORDS = "/v1/residents/{resident_id}/records"
ONE = f"{RECORDS}/{{record_id}}"
ASKED = {
    "read": (f"GET {ONE}", lambda whose, which, _: ReadRecord(whose, which)),
    "amended": (
        f"PUT {ONE}",
        lambda whose, which, when: AmendRecord(whose, which, 1, when, {"text": "of another"}, "a slip"),
    ),
    "removed": (f"DELETE {ONE}", lambda whose, which, _: RemoveRecord(whose, which, 1)),
    "versions": (f"GET {ONE}/versions", lambda whose, which, _: ListVersions(whose, which)),
}


@pytest.mark.parametrize("asked", ASKED)
def test_a_record_of_one_resident_is_not_found_with_another(provider, asked):
    """Whoever may do it to both is told that there is none, and nothing changes; with its own it is done."""
    world = provider.world
    one, other = provider.admit(left_on=None), provider.admit(left_on=None, number=None)
    occurred = world.later(minutes=-5)
    note = MakeRecord(other, "daily_note", occurred, {"text": "slept"})
    made = world.answer(note, f"POST {RECORDS}", System("cli", world.org)).payload["id"]
    before = [world.rows(table) for table in (record, record_version)]
    operation, work = ASKED[asked]

    refused = world.refusal(work(one, made, occurred), operation, provider.manager)
    entry = world.entry()

    assert isinstance(refused, NotFoundError)
    assert ("record", made) == (entry["obj"]["t"], entry["obj"]["id"])
    assert ([one], "fail") == (entry["subs"], entry["out"])
    assert before == [world.rows(table) for table in (record, record_version)]
    world.answer(work(other, made, occurred), operation, provider.manager)
