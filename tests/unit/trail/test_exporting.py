"""The export."""

import asyncio
import base64
import csv
import hashlib
import io
import json
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from sqlalchemy import text

from app.access.visit import System
from app.audit import log, verify
from app.audit.entry import Draft
from app.identity.table import account
from app.trail import export_files, exporting
from tests.support import chains
from tests.unit.trail.stories import exported, last_two, lines_of, serving, story


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Chunks smaller than the trail, so that what spans two of them is tested."""
    monkeypatch.setattr(exporting, "LINES_AT_ONCE", 7)
    monkeypatch.setattr(exporting, "NAMES_AT_ONCE", 2)


# --- the formats --------------------------------------------------------------------------------


def test_jsonl_is_the_exact_lines_before_the_export(any_world, notary, guards):
    """The lines come out byte for byte, up to but not including the export's own entry."""
    auditor = story(any_world)
    before = lines_of(any_world)

    assert exported(any_world, auditor, notary, guards, "jsonl").splitlines() == before
    assert last_two(any_world) == [("audit.export", "ok"), ("audit.export.end", "ok")]


def test_a_stream_is_two_entries_and_its_chunks_none(world, notary, guards):
    """An export makes one entry at its start and one at its end, tied together, with the number of lines."""
    auditor, served = story(world), []
    size = len(world.entries())
    exported(world, auditor, notary, guards, "zip", served)
    start, end = world.entries()[size:]

    assert start["obj"] == end["obj"]
    assert start["obj"]["t"] == "audit_export"
    assert start["n"] == end["n"] == size
    assert len(served) > 2 * size // 7


def test_csv_is_the_verifiers_own(world, notary, guards):
    """The table has the verifier's columns, the names that were in force, and a row for each resident."""
    auditor = story(world)
    events = world.entries()
    table = list(csv.DictReader(io.StringIO(exported(world, auditor, notary, guards, "csv").decode())))

    assert len(table) == sum(len(e.get("subs", [""])) for e in events)
    cook = next(row for row in table if row["actor_role"] == "kitchen" and row["actor_name"])
    assert cook["actor_name"].startswith("'=Cook"), "safe to open in a spreadsheet"


def test_fhir_is_the_verifiers_own(any_world, notary, guards):
    """Each line becomes an AuditEvent for each resident, which leads back to the line by number and leaf."""
    auditor = story(any_world)
    lines = lines_of(any_world)
    stream = exported(any_world, auditor, notary, guards, "fhir")
    told = [json.loads(row)["extension"][0]["extension"] for row in stream.splitlines()]
    expected = [
        (any_world.org, str(seq), verify.leaf_hash(line).hex())
        for seq, line in enumerate(lines)
        for _ in json.loads(line)["e"].get("subs", [""])
    ]

    assert len(expected) > len(lines)
    assert [tuple(part["valueString"] for part in parts) for parts in told] == expected
    assert notary.origin(any_world.org).encode() in stream


@pytest.fixture
def opened_zip(world, notary, guards):
    """A whole zip of a story, opened."""
    return zipfile.ZipFile(io.BytesIO(exported(world, story(world), notary, guards)))


def test_the_zip_holds_what_the_contract_says(world, notary, opened_zip):
    """The files are those of the contract; the manifest lists each with digest and size."""
    manifest = json.loads(opened_zip.read("manifest.json"))
    names = ["events.jsonl", "names.jsonl", "events.csv", "fhir.ndjson", "checkpoints.note", "README.txt"]
    names.append("verify.py")

    assert opened_zip.namelist() == [*names, "manifest.json", "manifest.sig"]
    assert list(manifest["files"]) == names
    for name in names:
        data = opened_zip.read(name)
        assert manifest["files"][name] == {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    count = manifest["count"]
    assert {key: manifest[key] for key in list(manifest) if key not in ("files", "checkpoint")} == {
        "format": "caretrail-export/1",
        "organisation": world.org,
        "first": 0,
        "last": count - 1,
        "count": count,
        "filter": None,
        "keys": notary.vkeys(world.org),
        "made_at": "2026-03-02T09:00:00.000000Z",
        "software": export_files.software(),
    }
    assert manifest["checkpoint"]["size"] == count


def test_the_last_checkpoint_covers_the_last_line(world, notary, opened_zip):
    """The checkpoints end with one over exactly the lines that are exported."""
    notes = verify.split_notes(opened_zip.read("checkpoints.note"))
    said = verify.read_checkpoint(verify.open_note(notes[-1], notary.keys(world.org)))

    assert said.size == len(opened_zip.read("events.jsonl").splitlines())


def test_names_prove_themselves(opened_zip):
    """Each name comes with the salt that gives the hash in its identity entry."""
    events = [json.loads(line)["e"] for line in opened_zip.read("events.jsonl").splitlines()]
    names = [json.loads(line) for line in opened_zip.read("names.jsonl").splitlines()]
    hashes = {
        entry["seq"]: hashlib.sha256(base64.b64decode(entry["salt"]) + entry["name"].encode()).hexdigest()
        for entry in names
    }

    assert hashes == {seq: e["name_h"] for seq, e in enumerate(events) if e["act"] == "identity.set"}
    assert len(names) == 3


# --- the verifier -------------------------------------------------------------------------------


def run_verifier(path: Path, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-I", verify.__file__, str(path), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_verifier_vouches_for_the_zip(any_world, notary, guards, tmp_path):
    """`verify.py` finds a whole export intact with the key, and cannot vouch for it without."""
    path = tmp_path / "export.zip"
    path.write_bytes(exported(any_world, story(any_world), notary, guards))
    [vkey] = notary.vkeys(any_world.org)
    checked = run_verifier(path, "--key", vkey)

    assert (checked.returncode, checked.stderr) == (0, "")
    assert run_verifier(path).returncode == 2
    stolen = zipfile.ZipFile(path).read("verify.py")
    assert stolen == Path(verify.__file__).read_bytes()


def test_an_erased_name_is_told_of_and_the_rest_verifies(world, notary, guards, tmp_path):
    """When a person's key is gone, the name is not in the export, and the export is still intact."""
    auditor = story(world)
    carer = next(row for row in world.rows(account) if row["name_seq"] is not None)
    world.looking(
        lambda c: c.execute(
            text("UPDATE account SET wrapped_key = x'00' WHERE id = :id"), {"id": carer["id"]}
        )
    )
    path = tmp_path / "export.zip"
    path.write_bytes(exported(world, auditor, notary, guards))

    assert run_verifier(path, "--key", *notary.vkeys(world.org)).returncode == 0
    assert verify.ERASED in zipfile.ZipFile(path).read("events.csv").decode()


@pytest.mark.parametrize("tamper", ["events.jsonl", "events.csv", "fhir.ndjson", "names.jsonl", "README.txt"])
def test_the_verifier_finds_a_changed_file(world, notary, guards, tmp_path, tamper):
    """A byte changed in any file of the export is found."""
    original = zipfile.ZipFile(io.BytesIO(exported(world, story(world), notary, guards)))
    path = tmp_path / "changed.zip"
    with zipfile.ZipFile(path, "w") as changed:
        for name in original.namelist():
            data = original.read(name)
            middle = len(data) // 2
            changed.writestr(name, data[:middle] + b"~" + data[middle + 1 :] if name == tamper else data)

    assert run_verifier(path, "--key", *notary.vkeys(world.org)).returncode == 1


def test_a_command_exports_the_chain_of_the_system(world, notary, guards, tmp_path):
    """A command acts as the service itself and can export any chain, also one without lines."""
    path = tmp_path / "system.zip"
    path.write_bytes(exported(world, System("cli", "system"), notary, guards))

    assert run_verifier(path, "--key", *notary.vkeys("system")).returncode == 0
    assert [e["act"] for e in world.entries("system")][-2:] == ["audit.export", "audit.export.end"]
    assert json.loads(zipfile.ZipFile(path).read("manifest.json"))["last"] is None


# --- large --------------------------------------------------------------------------------------


def test_memory_stays_constant(world, notary, guards, monkeypatch):
    """An export of a long trail holds a chunk of it in memory, not the trail."""
    monkeypatch.setattr(exporting, "LINES_AT_ONCE", 100)
    auditor = story(world)

    def fill(connection):
        drafts = [Draft(world.org, chains.event(n)) for n in range(6_000)]
        log.append(connection, drafts, world.now)

    world.looking(fill)
    total = sum(map(len, lines_of(world)))

    async def run() -> int:
        export = await exporting.begin(serving(world, auditor), notary, guards, "zip")
        tracemalloc.start()
        async for _ in export.stream():
            pass
        return tracemalloc.get_traced_memory()[1]

    peak = asyncio.run(run())
    tracemalloc.stop()
    assert peak < total / 2
