"""The verifier on exports of pruned chains, and on lines that are missing without a lawful reason."""

import pytest

from app.audit import verify
from tests.support.sample_export import (
    ANN,
    NAMES,
    ORG,
    RESIDENTS,
    SALT,
    Sample,
    actor,
    base64_of,
    canonical,
    csv_of,
    digest,
    event,
    leaf_of,
    root_of,
    sample_events,
)
from tests.unit.audit.examining import examined, kinds

CUT = 10
SYSTEM = {"id": "system:segments", "kind": "system"}


def leaves(lines):
    return [leaf_of(line) for line in lines]


def peaks_of(size, lines):
    """Return the peaks over the first lines, by the binary digits of their number."""
    peaks, start = [], 0
    for bit in reversed(range(size.bit_length())):
        if size >> bit & 1:
            peaks.append(root_of(leaves(lines[start : start + (1 << bit)])))
            start += 1 << bit
    return [peak.hex() for peak in peaks]


def read(number):
    return event(number, "record.read", actor=actor(ANN, 0, "nurse"), subs=RESIDENTS[:1])


def closing(number, month, first, end, lines):
    """Return the entry that closes a month, its root as the lines give it."""
    seg = {
        "first": first,
        "end": end,
        "root": root_of(leaves(lines[:end])).hex(),
        "leaves": 1,
        "subjects": "",
    }
    return event(number, "segment.close", actor=SYSTEM, obj={"t": "segment", "id": month}, seg=seg)


def pruning(number, month="2018-03", end=CUT, years=8, lines=()):
    """Return the entry that prunes, with root, link and peaks as the lines give them."""
    told = {"first": 0, "end": end, "lines": 7, "years": years}
    if lines:
        prev, root = leaf_of(lines[CUT - 1]).hex(), root_of(leaves(lines[:CUT])).hex()
        told |= {"prev": prev, "root": root, "peaks": peaks_of(CUT, lines)}
    return event(number, "segment.prune", actor=SYSTEM, obj={"t": "segment", "id": month}, prune=told)


def chain(prune_at="2026-05-01T10:00:00.000001Z", closes="2018-03", **said) -> Sample:
    """Return March 2018, ten lines; April with its closing; and, eight years later, an entry that prunes."""
    stamps = [f"2018-03-01T10:00:0{n}.000001Z" for n in range(CUT)]
    stamps += ["2018-04-02T10:00:00.000001Z"] * 2 + [prune_at] * 3
    first = Sample(events=sample_events(), stamps=stamps[:CUT]).lines
    events = [*sample_events(), closing(10, closes, 0, CUT, first), read(11), read(12)]
    events.append(pruning(13, **({"lines": first} | said)))
    return Sample(events=[*events, read(14)], stamps=stamps, signed_sizes=(4, CUT, 12, 15))


def pruned_files(sample, **told):
    """Return an honest export of what is left: lines from `CUT` on, a name enclosed with its proof."""
    lines, leaf = sample.lines, leaf_of(sample.lines[CUT - 1]).hex()
    proof = verify.json.loads(sample.proof(0, 15))["proof"]
    name = {"seq": 0, "user_id": ANN, "salt": base64_of(SALT), "name": NAMES[0][1]}
    files = {
        "events.jsonl": b"".join(line + b"\n" for line in lines[CUT:]),
        "names.jsonl": canonical(name | {"line": lines[0].decode(), "proof": proof}) + b"\n",
        "checkpoints.note": b"\n".join(sample.checkpoint(size) for size in sample.signed_sizes),
        "events.csv": csv_of(lines[CUT:], {0: NAMES[0][1]}),
    }
    pruned = {"first": CUT, "prev": leaf, "peaks": peaks_of(CUT, lines), "entry": 13}
    return sample.sealed(files, **({"first": CUT, "last": 14, "pruned": pruned} | told))


def of_sample(sample, files):
    return examined(files, sample.vkey)


def test_the_rest_of_a_pruned_chain_passes():
    """An export that begins where a chain was pruned lawfully holds, and it is said under which entry."""
    sample = chain()
    report = of_sample(sample, pruned_files(sample))

    assert ([], [], 0, 5) == (report.findings, report.doubts, report.exit_code, report.count), (
        report.as_text()
    )
    told = "lines 0..9 were pruned under entry #13 after the rule of 8 years; the root still matches"
    assert told in report.checked


def test_missing_lines_without_an_entry_are_found():
    """Lines that are missing at the start, or more of them than an entry says, are missing."""
    sample = chain(end=4)
    report = of_sample(sample, pruned_files(sample))
    assert "SEQ" in kinds(report)
    assert "lines 0..9 are missing: no entry says that they were pruned" in report.as_text()

    sample = chain()
    files = pruned_files(sample)
    files["events.jsonl"] = files["events.jsonl"].partition(b"\n")[2]
    report = of_sample(
        sample,
        sample.sealed(files, first=CUT, last=14, pruned=verify.json.loads(files["manifest.json"])["pruned"]),
    )
    assert ("SEQ", CUT) in [(found.kind, found.seq) for found in report.findings]


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"prune_at": "2026-03-31T10:00:00.000001Z"}, "lines of 2018-03 were to be kept until 2026-04-01"),
        ({"years": 7}, "a rule of 7 years, the least is 8"),
        ({"years": "8"}, "a rule of 8 years, the least is 8"),
        ({"month": "2010-01"}, "where no entry before it closes 2010-01"),
        ({"closes": "2018-04"}, "where no entry before it closes 2018-03"),
        ({"years": 20}, "kept until 2038-04-01"),
    ],
)
def test_pruned_before_due_is_found(chosen, words):
    """Lines pruned before their time, or under a shorter rule, or where no month ends, are a finding."""
    sample = chain(**chosen)
    report = of_sample(sample, pruned_files(sample))

    assert ("RETENTION", 13) in [(found.kind, found.seq) for found in report.findings]
    assert words in report.as_text()
    assert "entries were taken out that had still to be kept" in report.as_text()
    assert 1 == report.exit_code


def test_other_peaks_do_not_lead_to_the_signed_root():
    """Peaks or a link that are not those of the lines that went lead to no signed root."""
    sample = chain()
    told = verify.json.loads(pruned_files(sample)["manifest.json"])["pruned"]
    for change in ({"peaks": [digest(b"x").hex(), told["peaks"][1]]}, {"prev": "0" * 64}, {"peaks": []}):
        report = of_sample(sample, pruned_files(sample, pruned=told | change))
        assert 1 == report.exit_code, change
        assert "the root still matches" not in report.as_text()


def test_an_older_anchor_is_not_counted(tmp_path):
    """A checkpoint kept from before the pruned lines cannot be compared: the export is not anchored by it."""
    sample = chain()
    (tmp_path / "old.note").write_bytes(sample.checkpoint(4))
    older = examined(pruned_files(sample), sample.vkey, anchors=tmp_path)
    (tmp_path / "new.note").write_bytes(sample.checkpoint(12))
    newer = examined(pruned_files(sample), sample.vkey, anchors=tmp_path)

    assert (False, True) == (older.anchored, newer.anchored)
    assert [] == [*older.findings, *newer.findings]
    assert "anchor old.note is of 4 lines" in older.as_text()


def test_the_root_a_month_was_closed_with_is_compared():
    """The entry that closed the last pruned month has to have the root that this export begins with."""
    sample = chain()
    sample.events[10]["seg"]["root"] = "0" * 64
    report = of_sample(sample, pruned_files(sample))

    assert [("SEGMENT", 10)] == [(found.kind, found.seq) for found in report.findings]


def test_a_month_missing_in_the_middle_is_named():
    """A closed month that is missing as a whole is named, beside the gap."""
    sample = chain()
    lines = sample.lines
    files = sample.files()
    files["events.jsonl"] = b"".join(line + b"\n" for line in [*lines[:0], *lines[CUT:]])
    report = of_sample(sample, sample.sealed(files, first=0, last=14, count=5))
    found = {one.kind: one for one in report.findings}

    assert ("SEQ", 0) == (found["SEQ"].kind, found["SEQ"].seq)
    assert "2018-03 is missing as a whole: lines 0..9, closed by #10" == found["SEGMENT"].text
    assert ORG == report.organisation


def test_several_processes_say_the_same(monkeypatch):
    """A pruned chain is examined from its first line on by several processes as by one."""
    import io

    from tests.support.sample_export import packed

    monkeypatch.setattr(verify, "CHUNK_BYTES", 900)
    sample = chain()
    data = packed(pruned_files(sample))
    alone, two = (verify.verify_export(io.BytesIO(data), (sample.vkey,), None, n).as_json() for n in (1, 2))

    assert alone == two
    assert "the root still matches" in alone
