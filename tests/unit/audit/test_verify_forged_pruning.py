"""Exports of chains whose entries close or prune months that were never those of their lines."""

import io
import json

import pytest

from app.audit import verify
from app.audit.segments import Subject, Subjects
from tests.support.sample_export import (
    ANN,
    RESIDENTS,
    SALT,
    Sample,
    base64_of,
    canonical,
    csv_of,
    packed,
    sample_events,
)
from tests.unit.audit.examining import examined
from tests.unit.audit.test_verify_pruned import CUT, chain, closing, pruned_files, pruning, read

TODAY = "2026-11-22T10:00:00.000001Z"


def today(month="2010-01", end=CUT) -> Sample:
    """Return lines of one day, and entries that close and prune them as those of another month."""
    events = [*sample_events(), read(10), read(11), pruning(12, month, end), read(13)]
    sample = Sample(events=events, stamps=[TODAY] * 14, signed_sizes=(CUT, 14))
    events[10] = closing(10, month, 0, end, sample.lines[:CUT])
    events[12] = pruning(12, month, end, lines=sample.lines[:CUT])
    return sample


def found(report):
    return {one.kind: one.seq for one in report.findings}


def forged(sample, **told):
    files = pruned_files(sample, **told)
    return json.loads(files["manifest.json"])["pruned"], files


def exported(sample, *, names=True):
    """Return the export that the service would make of what it believes was pruned."""
    lines, files = sample.lines, forged(sample)[1]
    proof = json.loads(sample.proof(0, 14))["proof"]
    name = {"seq": 0, "user_id": ANN, "salt": base64_of(SALT), "name": "Ann Marlow"}
    told = canonical(name | {"line": lines[0].decode(), "proof": proof}) + b"\n"
    files["names.jsonl"] = told if names else b""
    files["events.csv"] = csv_of(lines[CUT:], {0: "Ann Marlow"} if names else {})
    pruned = json.loads(files["manifest.json"])["pruned"] | {"entry": 12}
    return sample.sealed(files, first=CUT, last=13, pruned=pruned)


@pytest.fixture(autouse=True)
def proofs_of_all(monkeypatch):
    """`pruned_files` proves names against a chain of 15 lines: as many as there are will do."""
    proof = Sample.proof
    monkeypatch.setattr(Sample, "proof", lambda self, seq, size: proof(self, seq, min(size, len(self.lines))))


def test_names_of_today_show_that_an_old_month_was_not_pruned():
    """The entry that gave a name is enclosed with its proof, and of another month than was closed."""
    sample = today()
    report = examined(exported(sample), sample.vkey)

    assert {"SEGMENT": 10, "RETENTION": 12, "SEQ": CUT} == found(report), report.as_text()
    assert "line #0 is of 2026-11" in report.as_text()


def test_without_any_line_of_the_past_nothing_is_vouched_for():
    """If nothing enclosed is of the pruned lines and all others are of today, the export cannot vouch."""
    sample = today()
    report = examined(exported(sample, names=False), sample.vkey)

    assert {} == found(report), report.as_text()
    assert ["PRUNED"] == [doubt.partition(":")[0] for doubt in report.doubts]


@pytest.mark.parametrize("month", ["2026-11", "2026-12", "9999-12", "2010-13", "x"])
def test_the_first_line_that_was_kept_is_of_a_later_month(month):
    """A month is not closed and pruned while its own lines, or later ones, go on."""
    sample = today(month)

    assert {"SEGMENT": 10, "RETENTION": 12, "SEQ": CUT} == found(
        examined(exported(sample, names=False), sample.vkey)
    )


def whole(month, first, end) -> Sample:
    """Return a whole chain of March and April 2018, April closed in some way."""
    sample = chain()
    sample.events[13] = closing(13, month, first, end, sample.lines)
    return sample


@pytest.mark.parametrize(
    ("closed", "words"),
    [
        (("2018-03", CUT, 12), "although #10 closed 2018-03 before it"),
        (("2018-02", CUT, 12), "although #10 closed 2018-03 before it"),
        (("2018-04", 0, 12), "from line #0 on, where #10 is due"),
        (("2018-04", CUT + 1, 12), "from line #11 on, where #10 is due"),
        (("2018-04", CUT, 14), "which cannot be"),
        (("2018-04", CUT, 11), "line #11 is of 2018-04"),
        (("2018-05", CUT, 12), "line #11 is of 2018-04"),
    ],
)
def test_months_are_closed_in_their_order(closed, words):
    """Months ascend, each begins where the one before it ended, and holds its lines."""
    sample = whole(*closed)
    report = examined(sample.files(), sample.vkey)

    assert ("SEGMENT", 13) in [(one.kind, one.seq) for one in report.findings]
    assert words in report.as_text()


def test_a_selection_is_not_accused_of_what_it_leaves_out():
    """Of chosen lines an entry that prunes may stand without the one that closed its month."""
    sample = chain()

    assert {} == found(examined(sample.selection(13), sample.vkey))
    assert {} == found(examined(sample.selection(10, 13), sample.vkey))
    assert {"RETENTION": 13} == found(examined(chain(years=7).selection(13), sample.vkey))


def test_lines_of_a_selection_show_what_was_not_of_the_past():
    """A chosen line of a later month than was pruned contradicts the entry that pruned it."""
    sample = today()

    assert {"SEGMENT": 10, "RETENTION": 12} == found(examined(sample.selection(3, 10, 12), sample.vkey))
    assert {"RETENTION": 12} == found(examined(sample.selection(3, 12), sample.vkey))


def test_an_older_pruning_may_stand_without_its_closing():
    """Where a later pruning took the closing of an earlier one away, that one is not accused."""
    sample = chain()
    sample.events[14] = pruning(14, "2017-02", CUT - 5)

    assert {} == found(examined(pruned_files(sample), sample.vkey))


def test_several_processes_find_the_same(monkeypatch):
    """Lines that other processes examined count for their month as well."""
    monkeypatch.setattr(verify, "CHUNK_BYTES", 500)
    sample = whole("2018-05", CUT, 12)
    data = packed(sample.files())
    alone, two = (verify.verify_export(io.BytesIO(data), (sample.vkey,), None, n) for n in (1, 2))

    assert alone.as_json() == two.as_json()
    assert "line #11 is of 2018-04" in two.as_text()


def of_one(month):
    """Return an export of one resident that encloses the entry that closed a month, and their place in it."""
    resident, seqs = RESIDENTS[0], [3, 4, 5, 8]
    sample = today(month)
    subjects = Subjects(sample.org, month, [Subject(resident, len(seqs), seqs[-1])])
    sample.events[10]["seg"] |= {"leaves": len(subjects), "subjects": subjects.root.hex()}
    [placed] = subjects.of(resident)[1]
    path = [base64_of(part) for part in placed.path]
    leaf = {"at": placed.at, "key": placed.leaf.key.hex(), "held": placed.leaf.held.hex(), "path": path}
    told = {"seq": 10, "line": sample.lines[10].decode(), "leaves": [leaf], "count": 4, "last": 8}
    told["proof"] = json.loads(sample.proof(10, 14))["proof"]
    files = sample.selection(*seqs) | {"segments.jsonl": canonical(told) + b"\n"}
    chosen = {"first": 3, "last": 8, "filter": {"resident_id": resident}}
    return examined(sample.sealed(files, **chosen), sample.vkey)


def test_lines_of_a_resident_are_of_the_month_that_closed_them():
    """The lines of an export of one resident have to be of the month that is said to hold them."""
    assert {} == found(of_one("2026-11"))
    report = of_one("2010-01")

    assert {"SEGMENT": 10} == found(report), report.as_text()
    assert "2010-01 is closed as lines 0..10, and line #3 is of 2026-11" in report.as_text()


@pytest.mark.parametrize("month", ["2010-13", "x"])
def test_what_is_no_month_holds_no_lines_of_a_resident(month):
    """A name that is no month is a finding, not a month that proves something."""
    report = of_one(month)

    assert {"SEGMENT": 10} == found(report), report.as_text()
    assert "which cannot be" in report.as_text()
