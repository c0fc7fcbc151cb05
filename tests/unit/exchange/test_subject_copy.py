"""The copy for a resident is of one reading, and held in memory a piece at a time."""

import asyncio
import io
import tempfile
import zipfile
from collections import Counter

import orjson
import pytest
from pypdf import PdfReader

from app.access.categories import CATEGORIES
from app.access.visit import System
from app.audit.checkpoint import Notary
from app.audit.guard_file import Guards
from app.core.clock import spell
from app.exchange import subject_copy
from app.exchange.subject_copy import SubjectCopy
from app.exchange.subject_reading import Shelf
from app.printing import typesetting
from app.residents.correcting import AmendRecord
from app.residents.recording import MakeRecord
from tests.support.world import World
from tests.unit.trail.stories import admit, serving

RECORDS = "POST /v1/residents/{resident_id}/records"
AMEND = "PUT /v1/residents/{resident_id}/records/{record_id}"
NOTES = 30


@pytest.fixture
def world(tmp_path):
    """A provider."""
    with World.at(tmp_path) as made:
        yield made


@pytest.fixture
def resident(world):
    """A resident with some notes."""
    found = admit(world, world.home)
    for n in range(NOTES):
        note(world, found, f"slept well {n}")
    return found


def note(world, resident, text):
    """Write a note about a resident and return its id."""
    work = MakeRecord(resident, "daily_note", world.later(minutes=-5), {"text": text})
    return world.answer(work, RECORDS, System("cli", world.org)).payload["id"]


class Counted(io.BytesIO):
    """A file that counts what is read of it."""

    count = 0

    def read(self, size=-1):
        """Return the next bytes."""
        data = super().read(size)
        self.count += len(data)
        return data


def copied(world, resident, tmp_path, meanwhile=lambda: None):
    """Return the zip, what was read of the log for each piece, and what was served.

    `meanwhile` is called after the first piece.
    """
    notary, served = Notary("care.example", bytes(range(32))), []
    serve = serving(world, System("cli", world.org), served)
    guards = Guards(tmp_path / "guard", notary)

    async def run(scratch, held):
        made = SubjectCopy(serve, notary, guards, world.org, resident, None, scratch, Shelf(held))
        parts, read = [], []
        async for part in made.stream():
            if not parts:
                meanwhile()
            parts.append(part)
            read.append(scratch.count)
            scratch.count = 0
        return parts, read

    with tempfile.TemporaryFile() as held:
        parts, read = asyncio.run(run(Counted(), held))
    return zipfile.ZipFile(io.BytesIO(b"".join(parts))), read, Counter(served)


def test_every_file_tells_of_the_same_versions(world, resident, tmp_path):
    """A note that is amended, and one that is made, while the copy is written are in none of its files."""
    cli, first = System("cli", world.org), note(world, resident, "as it was")

    def meanwhile():
        body = {"text": "as it became"}
        world.answer(AmendRecord(resident, first, 1, spell(world.now), body, "mistyped"), AMEND, cli)
        note(world, resident, "later than the copy")

    archive, _, _ = copied(world, resident, tmp_path, meanwhile)

    assert NOTES + 1 == len(orjson.loads(archive.read("record.json"))["records"])
    for name in ("record.json", "record.html"):
        told = archive.read(name).decode()
        assert "as it was" in told, name
        assert "as it became" not in told, name
        assert "later than the copy" not in told, name


def test_one_character_costs_nobody_their_copy(world, resident, tmp_path):
    """What no font has stands as its number in the PDF; the other files have it as it was written."""
    note(world, resident, "called \u963f\u59e8 \U0001f642")

    archive, _, _ = copied(world, resident, tmp_path)

    [page] = [one.extract_text() for one in PdfReader(io.BytesIO(archive.read("record.pdf"))).pages][:1]
    assert "where this was made: 3." in page.replace("\n", " ")
    for name in ("record.json", "record.html"):
        assert "called \u963f\u59e8 \U0001f642" in archive.read(name).decode(), name
    assert [] == orjson.loads(archive.read("manifest.json"))["not_printed"]


def test_a_copy_without_its_pdf_says_so(world, resident, tmp_path, monkeypatch):
    """When the typesetter refuses, everything else is copied, and what is missing is named."""
    monkeypatch.setattr(typesetting, "_NOTE", '#panic("x")')

    archive, _, _ = copied(world, resident, tmp_path)

    assert "record.pdf" not in archive.namelist()
    assert ["record.pdf"] == orjson.loads(archive.read("manifest.json"))["not_printed"]
    assert "record.pdf: could not be made; record.html holds the same." in archive.read("README.txt").decode()
    assert NOTES == len(orjson.loads(archive.read("record.json"))["records"])


def test_records_are_read_once(world, resident, tmp_path):
    """However many files there are, each category is asked for once."""
    _, _, served = copied(world, resident, tmp_path)

    assert len(CATEGORIES) == served["ReadRecords"]


def test_the_access_log_goes_through_in_pieces(world, resident, tmp_path, monkeypatch):
    """Between two pieces of the copy no more is read of the log than a few times what is read at once."""
    monkeypatch.setattr(subject_copy, "CHUNK", 4096)
    archive, read, _ = copied(world, resident, tmp_path)

    assert archive.getinfo("access-log.zip").file_size > 40_000
    assert 4096 <= max(read) < 20_000
