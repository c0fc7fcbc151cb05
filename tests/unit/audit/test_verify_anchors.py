"""Checkpoints kept elsewhere, and exports of selected lines: what they prove and what they cannot."""

import os
from datetime import UTC, datetime

import pytest

from app.audit import verify
from tests.support.sample_export import (
    OTHER_ORG,
    RESIDENTS,
    Sample,
    chained,
    csv_of,
    sample_events,
)
from tests.unit.audit.examining import SAMPLE, THIEF, examined, kinds


def kept(folder, since=0, **notes):
    """Keep notes in a folder, one beside the other and one deeper down, since long or an instant."""
    for name, note in notes.items():
        (folder / name).mkdir()
        (folder / name / "7.note").write_bytes(note)
        os.utime(folder / name / "7.note", (since, since))
    return folder


def test_older_checkpoint_kept_elsewhere_confirms_the_export(tmp_path):
    """Checkpoints kept elsewhere over lines of the export are compared, and the report says so."""
    report = examined(
        SAMPLE.files(), anchors=kept(tmp_path, one=SAMPLE.checkpoint(7), two=SAMPLE.checkpoint(10))
    )

    assert (0, True) == (report.exit_code, report.anchored)
    assert "not anchored" not in report.as_text()


def rewritten() -> Sample:
    """Return the organisation with another history, signed throughout with its own key."""
    events = sample_events()
    events[5]["act"] = "record.read"
    return Sample(events=events)


def test_rewrite_by_the_holder_of_the_key_is_found_by_an_anchor_alone(tmp_path):
    """A history signed anew with the stolen key passes on its own and fails against an old checkpoint."""
    files = rewritten().files()

    assert 0 == examined(files).exit_code
    report = examined(files, anchors=kept(tmp_path, one=SAMPLE.checkpoint(5), two=SAMPLE.checkpoint(7)))
    assert (["ROOT(anchor)"], 5) == (kinds(report), report.signed_size)


def test_anchor_of_the_same_size_shows_the_fork(tmp_path):
    """An old checkpoint of a size that the export signs otherwise is evidence of two histories."""
    report = examined(rewritten().files(), anchors=kept(tmp_path, one=SAMPLE.checkpoint(10)))

    assert {"FORK", "ROOT(anchor)"} == set(kinds(report))


def test_roll_back_is_found_by_an_anchor_alone(tmp_path):
    """An older state, consistent in itself, passes on its own and fails against a newer checkpoint."""
    files = Sample(events=sample_events()[:7], signed_sizes=(4, 7)).files()

    assert 0 == examined(files).exit_code
    report = examined(files, anchors=kept(tmp_path, one=SAMPLE.checkpoint(10)))
    assert [("TRUNCATED(anchor)", 7)] == [(found.kind, found.seq) for found in report.findings]
    assert "3 of them are missing" in report.as_text()


MADE = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
DAY = 86_400


@pytest.mark.parametrize(
    ("since", "code", "findings"),
    [
        (0, 1, ["TRUNCATED(anchor)"]),
        (MADE - DAY - 1, 1, ["TRUNCATED(anchor)"]),
        (MADE - DAY + 1, 2, []),
        (MADE, 2, []),
        (MADE + DAY, 2, []),
    ],
)
def test_an_anchor_newer_than_an_older_export_does_not_accuse_it(tmp_path, since, code, findings):
    """A checkpoint kept only from about when the export was made, or later, may sign what came after it."""
    files = Sample(events=sample_events()[:7], signed_sizes=(4, 7)).files()
    report = examined(files, anchors=kept(tmp_path, since, one=SAMPLE.checkpoint(10)))

    assert (code, findings, False) == (report.exit_code, kinds(report), report.anchored)
    if code == 2:
        told = (
            "anchor 7.note signs 10 lines, 3 of them are missing here: this anchor is newer than the export"
        )
        assert any(doubt.startswith(told) for doubt in report.doubts)
        assert "which says it was made at 2026-03-01T12:00:00.000000Z" in report.as_text()


@pytest.mark.parametrize("made_at", [None, 7, "", "yesterday", "2026-03-01"])
def test_an_export_that_does_not_say_when_it_was_made_is_accused(tmp_path, made_at):
    """Only who says when an export was made can have made it before the anchor."""
    older = Sample(events=sample_events()[:7], signed_sizes=(4, 7))
    files = older.sealed(older.files(), made_at=made_at)
    report = examined(files, anchors=kept(tmp_path, MADE + DAY, one=SAMPLE.checkpoint(10)))

    assert (1, ["TRUNCATED(anchor)"]) == (report.exit_code, kinds(report))


def test_a_newer_anchor_beside_an_older_one_leaves_the_doubt(tmp_path):
    """An older checkpoint confirms the export; a newer one beside it still cannot be compared."""
    files = Sample(events=sample_events()[:7], signed_sizes=(4, 7)).files()
    folder = kept(tmp_path, MADE, one=SAMPLE.checkpoint(10), two=SAMPLE.checkpoint(5))
    report = examined(files, anchors=folder)

    assert (2, [], True, 1) == (report.exit_code, report.findings, report.anchored, len(report.doubts))


def test_anchors_of_other_chains_are_counted_in_one_sentence(tmp_path):
    """A folder with the checkpoints of every chain makes one line of what is not of this one."""
    others = {f"n{size}": Sample(org=OTHER_ORG).checkpoint(size) for size in range(1, 9)}
    report = examined(SAMPLE.files(), anchors=kept(tmp_path, own=SAMPLE.checkpoint(7), **others))

    assert (0, True) == (report.exit_code, report.anchored)
    assert ["8 anchors are left aside: they are of other chains"] == [
        text for text in report.checked if "left aside" in text
    ]


def test_a_wrong_key_is_named_beside_the_one_that_signed():
    """With another key than the export's the report names both, so that the right one can be found."""
    thief, own = Sample(key=THIEF), SAMPLE.numbered(SAMPLE.key)[0].hex()
    report = examined(SAMPLE.files(), thief.vkey)
    other = thief.numbered(THIEF)[0].hex()
    told = f"is not signed by the key {other} of {SAMPLE.origin}, but by {own} of {SAMPLE.origin}"

    assert (1, ["MANIFEST", "CHECKPOINT"]) == (report.exit_code, kinds(report))
    assert all(found.text.endswith(told) for found in report.findings)


@pytest.mark.parametrize(
    "note",
    [
        Sample(org=OTHER_ORG).checkpoint(7),
        Sample(key=THIEF).checkpoint(7),
        SAMPLE.checkpoint(7)[:-5],
        SAMPLE.note("no checkpoint\n"),
        b"\xff\xfe",
        b"",
    ],
)
def test_notes_that_anchor_nothing_are_left_aside(tmp_path, note):
    """A folder without a single checkpoint of this chain and key anchors nothing, and that is said."""
    report = examined(SAMPLE.files(), anchors=kept(tmp_path, one=note))

    assert (2, False, []) == (report.exit_code, report.anchored, report.findings)
    assert "left aside" in report.as_text()
    assert "not anchored" in report.as_text()


def test_folder_that_is_not_there_anchors_nothing(tmp_path):
    """A folder of anchors that is not there does not pass for anchoring, and is named."""
    report = examined(SAMPLE.files(), anchors=tmp_path / "nowhere")

    assert (2, False) == (report.exit_code, report.anchored)
    assert [f"there is no folder of anchors {tmp_path / 'nowhere'}"] == report.doubts


@pytest.mark.parametrize("seqs", [(3,), (0, 1, 2), (3, 5, 8), (7, 8, 9), tuple(range(10))])
def test_honest_selection_holds_but_is_not_known_to_be_complete(seqs):
    """Selected lines are proven one by one; that none was left out is not, and is not claimed."""
    report = examined(SAMPLE.selection(*seqs))

    assert (2, [], len(seqs)) == (report.exit_code, report.findings, report.count)
    assert "this is a selection" in report.doubts[-1]


def test_export_that_does_not_begin_at_the_beginning_needs_proofs():
    """Lines from a later number on, without filter, are proven like any selection."""
    assert 2 == examined(SAMPLE.selection(6, 7, 8, 9, filter=None)).exit_code
    files = SAMPLE.selection(6, 7, 8, 9, filter=None)
    del files["proofs.jsonl"]
    report = examined(SAMPLE.sealed(files, first=6, last=9))

    assert (2, []) == (report.exit_code, report.findings)
    assert "there is no proofs.jsonl" in report.doubts[0]
    assert "proof" not in "".join(report.checked)


def test_changed_line_of_a_selection_is_found():
    """A selected line that was edited does not lead to the signed root, even with all else sealed anew."""
    files = SAMPLE.selection(3, 5, 8)
    lines = files["events.jsonl"].replace(b"tablet-1", b"tablet-2")
    files |= {"events.jsonl": lines, "events.csv": csv_of(lines.splitlines(), {})}
    about = {"first": 3, "last": 8, "filter": {"picked": "by hand"}}

    assert [("PROOF", 3)] == [(f.kind, f.seq) for f in examined(SAMPLE.sealed(files, **about)).findings]


@pytest.mark.parametrize("order", [(5, 3, 8), (3, 3, 8)])
def test_selection_out_of_order_is_found(order):
    """Selected lines stand in the order of their numbers, each once."""
    assert ["SEQ"] == kinds(examined(SAMPLE.selection(*order)))


def test_selection_with_a_line_of_another_history_is_found():
    """A line that is in no signed tree has no proof, not even with another line's or a broken one."""
    other = chained(rewritten().events)[5]
    honest = SAMPLE.selection(5)
    about = {"first": 5, "last": 5, "filter": {"picked": "by hand"}}
    for proof in (SAMPLE.proof(5, 10), SAMPLE.proof(4, 10), b"{}\n", b"", b'{"seq":5,"proof":"x"}\n'):
        files = honest | {
            "events.jsonl": other + b"\n",
            "proofs.jsonl": proof,
            "events.csv": csv_of([other], {}),
        }
        assert ["PROOF"] == kinds(examined(SAMPLE.sealed(files, **about)))


@pytest.mark.parametrize("edit", [(b"index 5", b"index 4"), (b"tlog-proof@v1", b"tlog-proof@v2")])
def test_proof_of_another_index_or_kind_is_found(edit):
    """A proof says itself which line it is for and in which format, and both are checked."""
    files = SAMPLE.selection(5) | {"proofs.jsonl": SAMPLE.proof(5, 10).replace(*edit)}
    report = examined(SAMPLE.sealed(files, first=5, last=5, filter={"resident_id": RESIDENTS[0]}))

    assert ["PROOF"] == kinds(report)


def test_proof_signed_by_somebody_else_is_found():
    """The checkpoint at the end of a proof has to be signed by the key."""
    files = SAMPLE.selection(5) | {"proofs.jsonl": Sample(key=THIEF).proof(5, 10)}
    report = examined(SAMPLE.sealed(files, first=5, last=5, filter={"resident_id": RESIDENTS[0]}))

    assert ["PROOF"] == kinds(report)


def test_selection_is_anchored_only_where_sizes_are_equal(tmp_path):
    """A checkpoint kept elsewhere says something about a selection only at the size of one enclosed."""
    older = examined(SAMPLE.selection(3, 5), anchors=kept(tmp_path, one=SAMPLE.checkpoint(7)))
    equal = examined(SAMPLE.selection(3, 5), anchors=kept(tmp_path, two=SAMPLE.checkpoint(10)))

    assert (False, True) == (older.anchored, equal.anchored)
    told = "sizes that are signed here, too; a selection cannot be compared at others"
    assert f"anchors were compared at 0 {told}" in older.checked
    assert f"anchors were compared at 1 {told}" in equal.checked


def test_selection_with_names_says_which_it_cannot_check():
    """A name whose identity entry was not selected is not vouched for."""
    files = SAMPLE.selection(0, 3, 4) | {"names.jsonl": SAMPLE.files()["names.jsonl"]}
    files["events.csv"] = csv_of([SAMPLE.lines[seq] for seq in (0, 3, 4)], SAMPLE.names())
    report = examined(SAMPLE.sealed(files, first=0, last=4, filter={"picked": "by hand"}))

    assert (2, []) == (report.exit_code, report.findings)
    assert "1 names have no identity entry in this selection" in report.doubts


def test_chain_check_explains_in_any_portions():
    """The first bad line is the same whether lines come one by one, in portions or at once."""
    lines = SAMPLE.lines
    lines[3] = lines[3].replace(b"tablet-1", b"tablet-2")
    for portion in range(1, 11):
        chain = verify.ChainCheck(SAMPLE.org)
        for at in range(0, 10, portion):
            chain.feed(lines[at : at + portion], b"".join(lines[at + portion : at + portion + 1]))
        assert chain.fault is not None
        assert ("PAYLOAD", 3, 4) == (chain.fault.kind, chain.fault.seq, chain.size)


def test_chain_check_goes_on_from_any_place():
    """A check that goes on from a stored head ends at the same root as one from the start."""
    whole = verify.ChainCheck(SAMPLE.org)
    whole.feed(iter(SAMPLE.lines))
    for size in range(1, 10):
        before = verify.ChainCheck(SAMPLE.org)
        before.feed(SAMPLE.lines[:size])
        peaks = [peak for peak in reversed(before.tree.waiting) if peak is not None]
        after = verify.ChainCheck(SAMPLE.org, size, before.prev, peaks)
        after.feed(SAMPLE.lines[size:])
        assert (None, 10, whole.tree.root()) == (after.fault, after.size, after.tree.root())


def test_chain_check_takes_nothing_after_the_first_bad_line():
    """After its first bad line a check counts nothing any more."""
    chain = verify.ChainCheck(SAMPLE.org)
    chain.feed(SAMPLE.lines[:4])
    chain.feed(SAMPLE.lines[5:])
    chain.feed(SAMPLE.lines[4:])

    assert chain.fault is not None
    assert (4, "SEQ", 4) == (chain.size, chain.fault.kind, chain.fault.seq)
