"""The verifier with several processes: the same findings in the same words, whatever their number."""

import io
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.audit import verify
from tests.support.sample_export import ANN, RESIDENTS, Sample, actor, event, packed, sample_events
from tests.unit.audit.examining import SAMPLE, with_fhir

READS = [
    event(n, "record.read", actor=actor(ANN, 0, "nurse"), subs=[RESIDENTS[n % 3]], purpose="care")
    for n in range(10, 60)
]
LONG = Sample(events=[*sample_events(), *READS], signed_sizes=(4, 17, 30, 60))
ROOT = Path(__file__).parents[3]
PORTION = 1500
"""Bytes: about four lines, so that the sixty make a row of portions."""


@pytest.fixture
def small_portions(monkeypatch):
    """Have every process examine a few lines at once."""
    monkeypatch.setattr(verify, "CHUNK_BYTES", PORTION)


def told_by(files, processes: int) -> str:
    """Return everything the report says."""
    return verify.verify_export(io.BytesIO(packed(files)), (LONG.vkey,), None, processes).as_json()


def tampered(files) -> list[dict[str, bytes]]:
    """Return exports each of which was changed in one place, sealed anew by somebody with the key."""
    chance = random.Random(7)
    made = []
    for name, count in (("events.jsonl", 16), ("events.csv", 8), ("fhir.ndjson", 6), ("names.jsonl", 3)):
        for at in sorted(chance.sample(range(len(files[name])), count)):
            data = files[name]
            made.append({name: data[:at] + bytes([data[at] ^ chance.randrange(1, 256)]) + data[at + 1 :]})
            made.append({name: data[:at] + data[at + chance.randrange(1, 9) :]})
    lines = files["events.jsonl"].splitlines(keepends=True)
    for at in sorted(chance.sample(range(59), 5)):
        made.append({"events.jsonl": b"".join([*lines[:at], *lines[at + 1 :]])})
        made.append({"events.jsonl": b"".join([*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]])})
        made.append({"events.jsonl": b"".join(lines[:at])})
    return [LONG.sealed(files | change) for change in made]


def compare() -> tuple[int, list[int], list[str]]:
    """Return how many tampered exports there are, which are told of differently, and kinds of findings."""
    verify.CHUNK_BYTES = PORTION
    exports = tampered(with_fhir(LONG.files(), LONG))
    differing, kinds = [], set[str]()
    for number, export in enumerate(exports):
        alone = told_by(export, 1)
        kinds |= {found["kind"] for found in json.loads(alone)["findings"]}
        if {told_by(export, 2), told_by(export, 3)} != {alone}:
            differing.append(number)
    return len(exports), differing, sorted(kinds)


def test_findings_are_the_same_with_any_number_of_processes():
    """Of dozens of tampered exports one, two and three processes tell the same, to the letter."""
    # by a small process: each of its four hundred children is a copy of it, and this one has grown large
    module = "tests.unit.audit.test_verify_processes"
    script = f"import json; from {module} import compare; print(json.dumps(compare()))"
    told = subprocess.run([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    count, differing, kinds = json.loads(told.stdout)

    assert (81, []) == (count, differing)
    assert set(kinds) >= {"PAYLOAD", "BINDING", "SEQ", "CANON", "ROOT", "TRUNCATED", "CSV", "FHIR", "NAMES"}


def test_an_honest_export_is_examined_elsewhere(small_portions, monkeypatch):
    """Lines of which nothing is to be told are examined by the other processes alone."""
    files = with_fhir(LONG.files(), LONG)
    alone = told_by(files, 1)
    monkeypatch.setattr(verify._Examination, "check_portion", None)

    assert alone == told_by(files, 2) == told_by(files, 3)
    assert (0, 60) == (json.loads(alone)["exit_code"], json.loads(alone)["count"])


def test_without_other_processes_it_goes_on_alone(small_portions, monkeypatch):
    """Where no process can be made, or one dies, the lines are examined here: the report is the same."""
    files = LONG.files()
    alone = told_by(files, 1)
    with monkeypatch.context() as patch:
        patch.setattr(verify, "_examine", _die)
        assert alone == told_by(files, 2)

    monkeypatch.setattr(verify, "ProcessPoolExecutor", _refuse)
    assert alone == told_by(files, 2)


def _die(*_):
    os._exit(9)


def _refuse(*_, **__):
    raise OSError("no more processes")


def test_small_files_stay_in_one_process(monkeypatch):
    """No process is started for a small file, unless it is asked for."""
    monkeypatch.setattr(verify, "_pool", lambda processes, _: started.append(processes))
    started: list[int] = []
    data = packed(SAMPLE.files())
    verify.verify_export(io.BytesIO(data), (SAMPLE.vkey,))
    verify.verify_export(io.BytesIO(data), (SAMPLE.vkey,), processes=3)
    monkeypatch.setattr(verify, "LARGE_BYTES", 100)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    verify.verify_export(io.BytesIO(data), (SAMPLE.vkey,))

    assert [1, 3, verify.MOST_PROCESSES] == started


def test_what_is_read_ahead_is_bounded(monkeypatch):
    """However large the file, only a few portions for each process are in memory at once."""
    monkeypatch.setattr(verify, "_pool", lambda *_: None)
    read: list[int] = []

    def batches():
        for number in range(100):
            read.append(number)
            yield [b"%d" % number]

    most = 0
    for taken, portion in enumerate(verify._portions(batches(), 3, ("", {}, {}))):
        assert [b"%d" % taken] == portion.lines
        assert portion.following == (b"%d" % (taken + 1) if taken < 99 else b"")
        most = max(most, len(read) - taken)

    assert (100, 7) == (len(read), most)


def test_file_that_breaks_off_is_told_of_after_its_lines():
    """Lines before the place where a file cannot be read any more are examined first."""

    def batches():
        yield [b"first"]
        raise verify.MalformedError("ends within a line")

    portions = verify._portions(batches(), 2, ("", {}, {}))

    assert [b"first"] == next(portions).lines
    with pytest.raises(verify.MalformedError):
        next(portions)


def test_processes_that_are_spawned_do_the_same(tmp_path):
    """As on Windows and macOS, where a process begins anew, the file alone examines with several."""
    shutil.copy(verify.__file__, tmp_path / "verify.py")
    files = with_fhir(LONG.files(), LONG)
    (tmp_path / "export.zip").write_bytes(packed(files))
    (tmp_path / "driver.py").write_text(
        "import multiprocessing, sys\n"
        "import verify\n"
        "if __name__ == '__main__':\n"
        "    multiprocessing.set_start_method('spawn')\n"
        f"    verify.CHUNK_BYTES = {PORTION}\n"
        "    verify._Examination.check_portion = None\n"
        "    sys.exit(verify.main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-W", "error", "driver.py", "export.zip", "--key", LONG.vkey, "--json"]
    run = subprocess.run(
        [*command, "--processes", "2"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert (0, "", told_by(files, 1) + "\n") == (run.returncode, run.stderr, run.stdout)


def test_rows_are_compared_as_the_table_is_read(small_portions):
    """A row that differs is named as ever, though the rows before it were compared elsewhere."""
    files = with_fhir(LONG.files(), LONG)
    changed = files["events.csv"].replace(verify.leaf_hash(LONG.lines[55]).hex().encode(), b"0" * 64)
    report = json.loads(told_by(LONG.sealed(files | {"events.csv": changed}), 2))

    assert [("CSV", 55)] == [(found["kind"], found["seq"]) for found in report["findings"]]
