"""Exports of lines that are dated later than they can be, and erasures that were answered twice."""

import io

import pytest

from app.audit import verify
from tests.support.sample_export import Sample, event, packed, sample_events
from tests.unit.audit.test_verify_pruned import CUT, chain, closing, pruned_files, pruning, read

PAST, PRESENT = "2026-11-01T10:00:00.000001Z", "2026-11-23T10:00:00.000000Z"


def examined(files, sample, now=PRESENT):
    return verify.verify_export(io.BytesIO(packed(files)), (sample.vkey,), now=now)


def found(report):
    return {one.kind: one.seq for one in report.findings}


def ahead() -> Sample:
    """Return lines of this month, closed as of the next and pruned as of 2035, all of it signed."""
    stamps = [PAST] * CUT + ["2026-12-01T00:00:05.000000Z"] * 2 + ["2035-01-02T00:00:00.000000Z"] * 3
    events = [*sample_events(), *map(read, (10, 11, 12, 13, 14))]
    sample = Sample(events=events, stamps=stamps, signed_sizes=(CUT, 15))
    first = sample.lines[:CUT]
    events[10] = closing(10, "2026-11", 0, CUT, first)
    events[13] = pruning(13, "2026-11", CUT, lines=first)
    return sample


@pytest.mark.parametrize("made_at", [PRESENT, "2035-01-02T00:00:00.000000Z", None, 7, "2035"])
def test_a_pruning_dated_ahead_covers_nothing(made_at):
    """By the clock of whoever checks, whatever the entry and the export claim, it was not due."""
    sample = ahead()
    report = examined(pruned_files(sample, made_at=made_at), sample)

    assert {"RETENTION": 13, "SEQ": CUT} == found(report), report.as_text()
    assert "which were not there yet" in report.as_text()


def test_the_time_an_export_was_made_counts_when_it_is_checked_much_later():
    """An export of today that is examined in ten years is judged as of today."""
    sample, later = ahead(), "2036-01-01T00:00:00.000000Z"
    old = examined(pruned_files(sample, made_at="2030-01-01T00:00:00.000000Z"), sample, later)
    honest = examined(pruned_files(sample, made_at="2035-01-03T00:00:00.000000Z"), sample, later)

    assert {"RETENTION": 13, "SEQ": CUT} == found(old), old.as_text()
    said = (
        "pruned before due: lines of 2026-11 were to be kept until 2034-12-01; the entry is dated"
        " 2035-01-02T00:00:00.000000Z, later than 2030-01-01T00:00:00Z, when the export says it was made"
    )
    assert said in [one.text for one in old.findings]
    assert {} == found(honest), honest.as_text()


@pytest.mark.parametrize(
    ("now", "made_at", "by"),
    [
        ("2026-02-28T09:00:00.000000Z", "2026-03-01T12:00:00.000000Z", "the present by the clock here"),
        ("2027-01-01T00:00:00.000000Z", "2026-02-28T09:00:00.000000Z", "when the export says it was made"),
        ("2026-02-28T12:00:00.000000Z", "2026-03-01T12:00:00.000000Z", ""),
    ],
)
def test_lines_dated_ahead_are_not_vouched_for(now, made_at, by):
    """Lines of a clock that ran ahead a day or more are a doubt in a whole export and in a selection."""
    sample = Sample()
    whole, chosen = sample.files(), sample.selection(3, 4, 5)
    for files, said in ((whole, {}), (chosen, {"first": 3, "last": 5, "filter": {"picked": "by hand"}})):
        report = examined(sample.sealed(files, **said, made_at=made_at), sample, now)
        doubts = [doubt for doubt in report.doubts if doubt.startswith("AHEAD: ")]

        assert [] == report.findings
        assert bool(by) == (len(doubts) == 1)
        assert by in "".join(doubts)


def test_without_a_present_given_it_is_the_clock_here():
    """The verifier reads its own clock: a line of the far future is a doubt, one of the past none."""
    stamps = ["2026-03-01T10:00:00.000001Z"] * 9
    for last, doubts in (("2026-03-01T10:00:00.000001Z", 0), ("9998-01-01T00:00:00.000000Z", 1)):
        sample = Sample(stamps=[*stamps, last])
        report = verify.verify_export(io.BytesIO(packed(sample.files())), (sample.vkey,))

        assert doubts == len([doubt for doubt in report.doubts if doubt.startswith("AHEAD: ")])


@pytest.mark.parametrize("lie", [{"root": "ab" * 32}, {"prev": "ab" * 32}, {"peaks": []}])
def test_what_a_pruning_says_of_the_first_line_that_is_left_is_compared(lie):
    """Root, link and peaks in the entry are those from which the check of the export goes on."""
    sample = chain()
    sample.events[13]["prune"] |= lie
    report = examined(pruned_files(sample), sample)

    assert {"SEGMENT": 13} == found(report), report.as_text()


ONE, OTHER = "resident-1", "resident-2"


def erased(number, resident=ONE, **more):
    """Return the entry of an erasure, or - without `erased` - what an answer given again leaves."""
    obj = {"t": "resident", "id": resident}
    return event(number, "resident.erase", actor={"id": "ann", "kind": "user"}, obj=obj, **more)


BY_TWO = {"erased": {"id": "e-1", "basis": "retention_ended", "asked_by": "bob", "approved_by": "ann"}}
BY_ONE = {"erased": {"id": "e-1", "basis": "retention_ended", "asked_by": "ann", "approved_by": "ann"}}
ERASURES = {
    "an answer given again": ([erased(10, **BY_TWO), erased(11)], 1, []),
    "given again twice": ([erased(10, **BY_TWO), erased(11), erased(12)], 1, []),
    "of somebody else": ([erased(10, **BY_TWO), erased(11, OTHER)], 1, [11]),
    "before the first": ([erased(10), erased(11, **BY_TWO)], 1, [10]),
    "of an erasure by one": ([erased(10, **BY_ONE), erased(11)], 0, [10, 11]),
    "by one after one by two": ([erased(10, **BY_TWO), erased(11, **BY_ONE)], 1, [11]),
    "that changed something": (
        [erased(10, **BY_TWO), erased(11, state="ab"), erased(12, chg=[])],
        1,
        [11, 12],
    ),
    "after one that failed": ([erased(10, **BY_TWO) | {"out": "fail"}, erased(11)], 0, [11]),
}


@pytest.mark.parametrize("name", ERASURES)
def test_an_erasure_answered_twice_is_one_erasure(name):
    """A repetition holds nothing of its own and follows an erasure by two people; all else takes two."""
    events, proper, accused = ERASURES[name]
    size = CUT + len(events)
    sample = Sample(events=[*sample_events(), *events], signed_sizes=(size,))
    report = examined(sample.files(), sample)

    assert {} == found(report)
    told = [text for text in report.checked if "was erased under entry" in text]
    assert proper == len(told)
    assert all("under entry #10 " in text or name == "before the first" for text in told)
    alone = [doubt for doubt in report.doubts if doubt.startswith("ERASED: ")]
    assert [f"#{seq} " in doubt for seq, doubt in zip(accused, alone, strict=True)] == [True] * len(accused)
    assert (2 if accused else 0) == report.exit_code
