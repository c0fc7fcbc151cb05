"""The export of lists that name hundreds: in pieces, whatever a line grows to."""

import asyncio
import io
import json
import tracemalloc
import zipfile
from hashlib import sha256

import pytest

from app.audit import log, verify
from app.audit.entry import Draft
from app.core.identifiers import new_id
from app.trail import export_files, exporting
from tests.support import chains
from tests.unit.trail.stories import lines_of, serving, story

LINES = 40
ON_A_LIST = 200
MOST_HELD = 10 * export_files.PIECE_BYTES
"""The lines of a chunk, a piece, its rows, the one before it, and what a turn and a zip take themselves."""


@pytest.fixture
def auditor(world, monkeypatch):
    """Who exports a trail with two chunks of lists of two hundred residents."""
    monkeypatch.setattr(exporting, "LINES_AT_ONCE", LINES)
    residents = [new_id() for _ in range(ON_A_LIST)]
    lists = [Draft(world.org, chains.event(n) | {"subs": residents}) for n in range(2 * LINES)]
    auditor = story(world)
    world.looking(lambda connection: log.append(connection, lists, world.now))
    return auditor


def parts_of(world, auditor, notary, guards, format_):
    """Return an export in the parts it is sent in."""

    async def run():
        export = await exporting.begin(serving(world, auditor), notary, guards, format_)
        return [part async for part in export.stream()]

    return asyncio.run(run())


def rows_of(lines, names, origin):
    """Return the rows of each file as the verifier derives them."""
    told = [(json.loads(line), verify.leaf_hash(line).hex(), names) for line in lines]
    return {
        "events.jsonl": [line + b"\n" for line in lines],
        "events.csv": [verify.CSV_HEADER, *(row for line in told for row in verify.csv_each(*line))],
        "fhir.ndjson": [row for line in told for row in verify.fhir_each(*line, origin)],
    }


def digest(parts):
    return sha256(b"".join(parts)).hexdigest()


def test_the_bytes_are_the_verifiers_own(world, notary, guards, auditor):
    """Alone and in the zip each file is to the byte what the verifier derives; no part is above a piece."""
    origin, before = notary.origin(world.org), lines_of(world)
    packed = zipfile.ZipFile(io.BytesIO(b"".join(parts_of(world, auditor, notary, guards, "zip"))))
    kept = [json.loads(line) for line in packed.read("names.jsonl").splitlines()]
    names = {name["seq"]: name["name"] for name in kept}
    for name, rows in rows_of(before, names, origin).items():
        assert digest([packed.read(name)]) == digest(rows), name

    for name, format_ in (("events.jsonl", "jsonl"), ("events.csv", "csv"), ("fhir.ndjson", "fhir")):
        rows = rows_of(lines_of(world), names, origin)[name]
        parts = parts_of(world, auditor, notary, guards, format_)
        assert digest(parts) == digest(rows), name
        assert max(map(len, parts)) < export_files.PIECE_BYTES + max(map(len, rows))


@pytest.mark.parametrize("format_", ["csv", "fhir", "zip"])
def test_what_is_derived_from_a_chunk_is_never_held_whole(world, notary, guards, auditor, format_):
    """However much is derived from a chunk of lines, a few pieces of it are held at a time."""

    async def run():
        export = await exporting.begin(serving(world, auditor), notary, guards, format_)
        tracemalloc.start()
        async for _ in export.stream():
            pass
        return tracemalloc.get_traced_memory()[1]

    try:
        assert asyncio.run(run()) < MOST_HELD
    finally:
        tracemalloc.stop()
