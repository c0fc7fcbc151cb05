"""Everything held about a resident is read in pieces, none of them twice and none left out."""

import asyncio

from app.access.visit import System
from app.core.errors import NotFoundError
from app.exchange import subject_reading
from app.exchange.subject_works import EXPORT, BeginCopy
from app.residents.leaving import RemoveResident
from app.residents.recording import MakeRecord
from tests.support.world import World
from tests.unit.residents.conftest import Provider
from tests.unit.trail.stories import serving


def test_records_are_read_to_the_last_one(tmp_path, monkeypatch):
    """Over several pieces, with instants that are alike, each record comes once and in order."""
    monkeypatch.setattr(subject_reading, "RECORDS_AT_ONCE", 2)
    with World.at(tmp_path) as world:
        provider, cli = Provider(world), System("cli", world.org)
        resident = provider.admit(left_on=None)
        for number in range(4):
            note = MakeRecord(resident, "daily_note", world.later(minutes=-3), {"text": f"note {number}"})
            world.answer(note, "POST /v1/residents/{resident_id}/records", cli)

        async def read():
            found = subject_reading.records(serving(world, cli), resident, "daily_note")
            return [item async for item in found]

        items = asyncio.run(read())
        texts = [item["versions"][0]["body"]["text"] for item in items]
        assert ["slept well", "note 0", "note 1", "note 2", "note 3"] == texts


def test_nobody_erased_is_copied_and_who_was_entered_in_error_is(tmp_path):
    """An erased resident is not there; one entered in error is held, and so is told of."""
    with World.at(tmp_path) as world:
        provider, cli = Provider(world), System("cli", world.org)
        gone, wrong = provider.admit(), provider.admit(left_on=None, number=None)
        provider.erase(gone)
        world.answer(RemoveResident(wrong, 1), "DELETE /v1/residents/{resident_id}", provider.manager)

        assert isinstance(world.refusal(BeginCopy(gone, "x"), EXPORT, cli), NotFoundError)
        assert world.answer(BeginCopy(wrong, "x"), EXPORT, cli).payload["deleted"]
