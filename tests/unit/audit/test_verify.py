"""The stand-alone verifier on whole exports: intact ones pass, every row of the tamper matrix is named.

Most tests seal what they changed anew with the organisation's own key, as somebody could who stole
it: the manifest then fits, and only the check in question can tell.
"""

import io
import json
from dataclasses import replace
from functools import lru_cache

import pytest

from app.audit import verify
from tests.support.sample_export import (
    NAMES,
    ORG,
    OTHER_ORG,
    Sample,
    base64_of,
    chained,
    csv_of,
    packed,
    sample_events,
)
from tests.unit.audit.examining import SAMPLE, THIEF, examined, kinds, with_lines


def test_intact_export_passes():
    """An honest export holds, and each thing that was checked is named."""
    report = examined(SAMPLE.files())

    assert (0, [], []) == (report.exit_code, report.findings, report.doubts)
    assert (ORG, 0, 9, 10, 10) == (
        report.organisation,
        report.first,
        report.last,
        report.count,
        report.signed_size,
    )
    assert 7 == len(report.checked)
    assert "not anchored" in report.as_text()


def test_empty_export_passes():
    """An organisation without entries has an export that holds."""
    assert 0 == examined(Sample(events=[], signed_sizes=(0,), erased=(0, 1, 2)).files()).exit_code


@pytest.mark.parametrize("size", range(1, 11))
def test_exports_of_every_size_pass(size):
    """An honest export holds whatever its number of lines, signed after each of them."""
    erased = tuple(seq for seq in NAMES if seq >= size)
    sample = Sample(events=sample_events()[:size], signed_sizes=tuple(range(size + 1)), erased=erased)

    assert [] == examined(sample.files()).findings
    assert 0 == examined(sample.files()).exit_code


def test_without_key_it_cannot_vouch():
    """A key taken from the export itself can vouch for nothing."""
    report = verify.verify_export(io.BytesIO(packed(SAMPLE.files())))

    assert (2, [], 1) == (report.exit_code, report.findings, len(report.doubts))
    assert "the key was taken from the export itself" in report.as_text()


def test_every_changed_byte_of_a_line_is_found(monkeypatch):
    """Any one byte of events.jsonl changed is found, by more than the list of files."""
    monkeypatch.setattr(verify, "ed25519_verifies", lru_cache(verify.ed25519_verifies))
    files = SAMPLE.files()
    lines = files["events.jsonl"]
    for at in range(len(lines)):
        changed = lines[:at] + bytes([lines[at] ^ (1 + at % 255)]) + lines[at + 1 :]
        report = examined(files | {"events.jsonl": changed})
        assert 1 == report.exit_code
        assert set(kinds(report)) - {"MANIFEST", "CSV", "NAMES"}, at

    assert 4742 == len(lines)


@pytest.mark.parametrize("seq", range(10))
def test_changed_payload_is_found_at_its_line(seq):
    """A payload edited in place is found at its own line by the line after it, the last one by the root."""
    lines = SAMPLE.lines
    lines[seq] = lines[seq].replace(b'"id":"0190a000', b'"id":"0190a001')
    report = examined(with_lines(lines, **{"events.csv": csv_of(lines, SAMPLE.names())}))

    expected = ("PAYLOAD", seq) if seq < 8 else ("CHAIN", 8) if seq == 8 else ("ROOT", None)
    assert expected in [(found.kind, found.seq) for found in report.findings]
    assert 1 == report.exit_code


@pytest.mark.parametrize("seq", range(10))
def test_deleted_line_is_found(seq):
    """A line taken out is missed at its number, the last one by the signed size."""
    lines = SAMPLE.lines
    del lines[seq]
    report = examined(with_lines(lines, **{"events.csv": csv_of(lines, SAMPLE.names())}))

    assert ("SEQ" if seq < 9 else "TRUNCATED", seq) in [(f.kind, f.seq) for f in report.findings]


@pytest.mark.parametrize("seq", range(9))
def test_swapped_lines_are_found(seq):
    """Two lines that changed places are found at the first of them."""
    lines = SAMPLE.lines
    lines[seq], lines[seq + 1] = lines[seq + 1], lines[seq]

    [found] = [f for f in examined(with_lines(lines)).findings if f.kind == "SEQ"]
    assert (seq, f"line #{seq + 1} stands where #{seq} is due: lines changed places") == (
        found.seq,
        found.text,
    )


@pytest.mark.parametrize("seq", range(10))
def test_duplicated_line_is_found(seq):
    """A line that stands twice is found at its second place."""
    lines = SAMPLE.lines
    lines.insert(seq, lines[seq])

    assert ("SEQ", seq + 1) in [(f.kind, f.seq) for f in examined(with_lines(lines)).findings]


@pytest.mark.parametrize("length", range(0, 4742, 97))
def test_cut_file_is_found(length):
    """A file of lines cut anywhere is found."""
    files = SAMPLE.files()
    report = examined(SAMPLE.sealed(files | {"events.jsonl": files["events.jsonl"][:length]}))

    assert 1 == report.exit_code


def test_rechained_history_is_found_by_the_signed_root():
    """Lines chained anew after an edit fit each other but not the signed root."""
    events = sample_events()
    events[5]["act"] = "record.read"
    lines = chained(events)
    report = examined(with_lines(lines, **{"events.csv": csv_of(lines, SAMPLE.names())}))

    assert ["ROOT"] == kinds(report)
    assert 4 == report.signed_size


def test_foreign_key_is_found():
    """An export sealed by another key in the organisation's name is not signed by the owner's key."""
    report = examined(Sample(key=THIEF).files())

    assert ["MANIFEST", "CHECKPOINT"] == kinds(report)


def test_log_of_another_organisation_is_found():
    """The whole export of another organisation is not taken for that of the key's."""
    other = Sample(org=OTHER_ORG)

    assert "ORIGIN" in kinds(examined(other.files()))
    assert 0 == examined(other.files(), other.vkey).exit_code
    assert 0 == examined(other.files(), SAMPLE.vkey, other.vkey).exit_code


def test_line_of_another_organisation_is_found():
    """A line moved in from another organisation is found by the name it bears."""
    lines = SAMPLE.lines
    lines[4] = Sample(org=OTHER_ORG).lines[4]

    assert [("BINDING", 4)] == [
        (f.kind, f.seq) for f in examined(with_lines(lines)).findings if f.kind != "ROOT"
    ][:1]


def test_chain_from_another_start_is_found():
    """A chain that does not start from the genesis value is found at line 0."""
    lines = SAMPLE.lines
    lines[0] = lines[0].replace(json.loads(lines[0])["c"]["prev"].encode(), b"0" * 64)

    assert ("CHAIN", 0) in [(f.kind, f.seq) for f in examined(with_lines(lines)).findings]


def test_clock_that_ran_backwards_is_found():
    """An entry earlier than the one before it is found, although everything was signed."""
    stamps = [f"2026-03-01T10:00:0{n}.000000Z" for n in range(10)]
    stamps[6] = "2026-02-28T10:00:06.000000Z"
    report = examined(Sample(stamps=stamps).files())

    assert [("CLOCK", 6)] == [(f.kind, f.seq) for f in report.findings]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"e":{', b'"e":{ '),
        (b'"e":{', b'"e":{"":0,'),
        (b'"out":"ok"', b'"out":"\\u006fk"'),
        (b'"v":1', b'"v":1,"v":1'),
        (b'"v":1', b'"v":1.0'),
        (b'"v":1', b'"v":2'),
        (b'"n":3', b'"n":9007199254740993'),
        (b'"n":3', b'"n":NaN'),
        (b'"n":3', b'"n":' + b"[" * 5000 + b"]" * 5000),
        (b'"n":3', b'"n":' + b"[" * 254 + b"]" * 254),
        (b'"n":3', b'"N":3'),
        (b"}}", b'},"f":1}'),
    ],
)
def test_line_that_is_not_canonical_is_found_although_signed(old, new):
    """A line in another spelling is found even when the root over it was signed."""
    lines = SAMPLE.lines[:4]
    lines.append(SAMPLE.lines[4].replace(old, new))
    assert lines[4] != SAMPLE.lines[4]
    sample = replace(SAMPLE, signed_sizes=(5,))
    files = {"checkpoints.note": sample.checkpoint(5, lines), "names.jsonl": b"", "events.jsonl": b""}
    files["events.jsonl"] = b"".join(line + b"\n" for line in lines)
    report = examined(sample.sealed(files))

    assert [("CANON", 4)] == [(f.kind, f.seq) for f in report.findings]


def test_uncovered_tail_cannot_be_vouched_for():
    """Lines after the newest checkpoint are told of, not vouched for."""
    report = examined(Sample(signed_sizes=(4, 7)).files())

    assert (2, [], 7) == (report.exit_code, report.findings, report.signed_size)
    assert ["TAIL: the lines from #7 on are not covered by a checkpoint"] == report.doubts


def test_export_without_signatures_cannot_be_vouched_for():
    """Without checkpoints and manifest signature nothing is vouched for."""
    sample = Sample(signed_sizes=())
    files = sample.files()
    del files["manifest.sig"]
    report = examined(files)

    assert 2 == report.exit_code
    assert ["UNSIGNED", "UNSIGNED", "TAIL"] == [doubt.split(":")[0] for doubt in report.doubts]


def test_fork_is_found():
    """Two signed roots for one size are found, wherever the other one stands."""
    events = sample_events()
    events[9]["act"] = "auth.lock"
    fork = SAMPLE.checkpoint(10) + b"\n" + SAMPLE.checkpoint(10, chained(events))
    report = examined(SAMPLE.sealed(SAMPLE.files() | {"checkpoints.note": fork}))

    assert ["FORK", "ROOT"] == kinds(report)


@pytest.mark.parametrize("at", range(0, 500, 7))
def test_changed_checkpoint_is_found(at):
    """Checkpoints with any byte changed are found."""
    files = SAMPLE.files()
    notes = files["checkpoints.note"]
    changed = notes[:at] + bytes([notes[at] ^ 4]) + notes[at + 1 :]
    said = json.loads(files["manifest.json"])["checkpoint"]
    report = examined(SAMPLE.sealed(files | {"checkpoints.note": changed}, checkpoint=said))

    assert ["CHECKPOINT"] == kinds(report)[:1]


def test_checkpoint_of_another_organisation_is_found():
    """A checkpoint of another chain is not accepted, though the same key pair signed it."""
    other = Sample(org=OTHER_ORG)
    files = SAMPLE.sealed(SAMPLE.files() | {"checkpoints.note": other.files()["checkpoints.note"]})

    assert ["CHECKPOINT"] == kinds(examined(files))[:1]
    assert ["CHECKPOINT"] == kinds(examined(files, SAMPLE.vkey, other.vkey))[:1]


def test_checkpoint_under_another_origin_is_found():
    """A checkpoint signed under this key's name but for another origin is not accepted."""
    root = base64_of(bytes(32))
    notes = SAMPLE.note(f"care.example/audit/{OTHER_ORG}\n10\n{root}\n")

    assert "CHECKPOINT" in kinds(examined(SAMPLE.sealed(SAMPLE.files() | {"checkpoints.note": notes})))


def test_rotated_key_vouches_beside_the_old_one():
    """An export whose notes carry the signatures of two keys holds under either of them, and under both."""
    old = Sample(key=THIEF)
    files = Sample(also=(THIEF,)).files()

    assert 0 == examined(files).exit_code
    assert 0 == examined(files, old.vkey).exit_code
    assert 0 == examined(files, SAMPLE.vkey, old.vkey).exit_code
