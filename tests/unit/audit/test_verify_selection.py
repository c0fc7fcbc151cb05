"""Exports of chosen lines: any edit, omission of a run's line and foreign proof is found; no more is claimed.

All of it is sealed anew with the organisation's own key, as somebody could who stole it or wrote the
export: only what the proofs and lines say for themselves can tell.
"""

import json
from functools import lru_cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.audit import verify
from tests.support.sample_export import ANN, BOB, RESIDENTS, Sample, csv_of, event, sample_events
from tests.unit.audit.examining import SAMPLE, examined, kinds, with_fhir

OF_RESIDENT = {"resident_id": RESIDENTS[0]}
THEIRS = (3, 4, 5, 8)
RUN = {"from": "2026-03-01T10:00:01.500000Z", "to": "2026-03-01T10:00:04.000000Z"}
WITHIN = (4, 5, 6, 7)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The same few signatures are checked over and over: remember what came of them."""
    monkeypatch.setattr(verify, "ed25519_verifies", lru_cache(verify.ed25519_verifies))


def chosen(filter_, *seqs, said_of=None, sample=SAMPLE):
    """Return an export of some lines under a filter, everything in it fitting the rest."""
    about = {"first": seqs[0], "last": seqs[-1], "filter": filter_, "count": len(seqs)}
    return with_fhir(sample.selection(*seqs), sample, **(about | (said_of or {})))


def sealed(files, filter_=OF_RESIDENT, seqs=THEIRS, **changed):
    """Return a selection with some files changed, sealed anew with a manifest that says the same."""
    said = json.loads(files["manifest.json"])["checkpoint"]
    about = {"first": seqs[0], "last": seqs[-1], "filter": filter_, "count": len(seqs), "checkpoint": said}
    return SAMPLE.sealed(files | changed, **about)


@pytest.mark.parametrize(
    ("filter_", "seqs"),
    [
        (OF_RESIDENT, THEIRS),
        ({"agent_id": BOB}, (4, 5)),
        ({"act": "record.read"}, (3, 6, 7, 8)),
        ({"act": "record.read", "agent_id": ANN, "to": RUN["from"]}, (3,)),
        (RUN, WITHIN),
        ({"from": RUN["to"]}, (8, 9)),
        ({"to": "2026-03-01T10:00:01.000000Z"}, (0, 1)),
    ],
)
def test_honest_selection_holds_and_its_completeness_is_not_claimed(filter_, seqs):
    """Each line has its proof, the derived files are right; that none is missing cannot be vouched for."""
    report = examined(chosen(filter_, *seqs))
    told = "no line before the first or after the last" if filter_.keys() <= {"from", "to"} else "no line"

    assert (2, [], len(seqs)) == (report.exit_code, report.findings, report.count)
    assert [f"this is a selection: nothing in it proves that it leaves out {told}"] == report.doubts
    assert 3 <= len([text for text in report.checked if "rows are what" in text or "proof" in text])


def test_selection_of_nothing_holds_and_nothing_is_claimed():
    """A filter that finds nothing gives an export without lines, which is not vouched for."""
    empty = {"events.jsonl": b"", "proofs.jsonl": b"", "events.csv": csv_of([], {}), "fhir.ndjson": b""}
    files = SAMPLE.sealed(empty | {"checkpoints.note": SAMPLE.checkpoint(10)}, filter={"act": "none"})

    assert (2, []) == (examined(files).exit_code, examined(files).findings)


# --- omissions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", THEIRS)
def test_omitted_line_that_the_manifest_hides_is_never_called_intact(gone):
    """A line left out of a selection, with its proof, its rows and its count, ends in `cannot vouch`."""
    left = [seq for seq in THEIRS if seq != gone]
    report = examined(chosen(OF_RESIDENT, *left))

    assert (2, []) == (report.exit_code, report.findings)
    assert "leaves out no line" in report.as_text()


@pytest.mark.parametrize("gone", WITHIN[1:-1])
def test_line_omitted_from_a_run_is_found(gone):
    """Between two instants there is one unbroken run: a line left out of its middle is missed."""
    left = [seq for seq in WITHIN if seq != gone]

    assert [("SEQ", gone)] == [(f.kind, f.seq) for f in examined(chosen(RUN, *left)).findings]


@pytest.mark.parametrize("gone", THEIRS)
def test_omitted_line_that_the_manifest_counts_is_found(gone):
    """A line left out although the manifest counts it is found."""
    left = [seq for seq in THEIRS if seq != gone]
    said = {"first": 3, "last": 8, "count": 4}

    assert ["MANIFEST"] == kinds(examined(chosen(OF_RESIDENT, *left, said_of=said)))


@pytest.mark.parametrize(
    ("filter_", "seqs", "wrong"),
    [
        (OF_RESIDENT, (3, 4, 7), 7),
        (OF_RESIDENT, (0, 3), 0),
        ({"agent_id": BOB}, (3, 4), 3),
        ({"act": "record.read"}, (3, 9), 9),
        ({"act": "record.rea"}, (3,), 3),
        (RUN, (3, 4, 5), 3),
        (RUN, (7, 8), 8),
    ],
)
def test_line_that_was_not_asked_for_is_found(filter_, seqs, wrong):
    """A line that is not what the manifest's filter says is found: a selection is what it says it is."""
    assert [("FILTER", wrong)] == [(f.kind, f.seq) for f in examined(chosen(filter_, *seqs)).findings]


# --- proofs ---------------------------------------------------------------------------------------


def test_proofs_of_other_lines_are_found():
    """Proofs that changed places, or one too few or too many, are found."""
    files = chosen(OF_RESIDENT, *THEIRS)
    proofs = files["proofs.jsonl"].splitlines(keepends=True)
    for told in (
        [*proofs[:1], proofs[2], proofs[1], *proofs[3:]],
        proofs[1:],
        proofs[:-1],
        [*proofs, proofs[-1]],
        [*proofs, SAMPLE.proof(9, 10)],
        [],
    ):
        report = examined(sealed(files, **{"proofs.jsonl": b"".join(told)}))
        assert "PROOF" in kinds(report)


@pytest.mark.parametrize("edit", [(b'"seq":3', b'"seq":4'), (b'"seq":3', b'"seq":"3"'), (b"{", b'{"a":1,')])
def test_line_of_proofs_says_nothing_else(edit):
    """A line of proofs.jsonl is number and proof of its line, and nothing beside them."""
    files = chosen(OF_RESIDENT, *THEIRS)
    changed = files["proofs.jsonl"].replace(*edit, 1)

    assert changed != files["proofs.jsonl"]
    assert [("PROOF", 3)] == [
        (f.kind, f.seq) for f in examined(sealed(files, **{"proofs.jsonl": changed})).findings
    ]


def test_proof_against_another_history_is_found():
    """A proof in a tree that was signed with the stolen key is a fork of the enclosed checkpoint."""
    events = sample_events()
    events[9]["act"] = "auth.lock"
    other = Sample(events=events)
    files = chosen(OF_RESIDENT, *THEIRS)
    proofs = b"".join(other.proof(seq, 10) for seq in THEIRS)

    assert "FORK" in kinds(examined(sealed(files, **{"proofs.jsonl": proofs})))


# --- every byte -----------------------------------------------------------------------------------


def edits(data):
    """Return a file with one byte changed, one taken out and cut, at many places; at each within a line."""
    for at in range(0, len(data), 1 + len(data) // 150):
        yield data[:at] + bytes([data[at] ^ (1 + at % 255)]) + data[at + 1 :]
        yield data[:at] + data[at + 1 :]
        yield data[:at]


@pytest.mark.parametrize(
    "name", ["events.jsonl", "proofs.jsonl", "fhir.ndjson", "events.csv", "checkpoints.note"]
)
def test_every_change_of_a_selection_is_found(name):
    """Any byte changed, taken out or cut off in any file of a selection is found, all sealed anew."""
    files = chosen(OF_RESIDENT, *THEIRS)
    count = 0
    for edited in edits(files[name]):
        report = examined(sealed(files, **{name: edited}))
        assert 1 == report.exit_code, (name, count)
        count += 1

    assert count > 100


def test_every_change_without_the_key_is_found():
    """Without the key to seal it anew the list of files alone finds every change."""
    files = chosen(OF_RESIDENT, *THEIRS)
    for name in files:
        at = len(files[name]) // 2
        edited = files[name][:at] + bytes([files[name][at] ^ 1]) + files[name][at + 1 :]
        assert 1 == examined(files | {name: edited}).exit_code, name


# --- never accused --------------------------------------------------------------------------------

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
EVENTS = st.fixed_dictionaries(
    {"act": WORDS | st.sampled_from(["record.read", "auth.login", "resident.list", "record.delete"])},
    optional={
        "out": st.sampled_from(["ok", "deny", "fail"]),
        "why": WORDS,
        "subs": st.lists(WORDS, max_size=3),
        "obj": st.fixed_dictionaries(
            {"t": WORDS}, optional={"id": WORDS, "ver": st.integers(0, 9), "cat": WORDS}
        ),
        "chg": st.lists(st.fixed_dictionaries({"f": WORDS}), max_size=2),
        "src": st.fixed_dictionaries({}, optional={"rid": WORDS, "ip_h": WORDS}),
        "n": st.integers(0, 2**53 - 1),
        "purpose": WORDS,
        "grant": WORDS,
        "for": WORDS,
        "dev": WORDS,
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(EVENTS, min_size=1, max_size=8), st.data())
def test_untouched_logs_are_never_accused(bodies, data):
    """Whatever honest entries hold, neither the whole export nor a selection of it is accused of anything."""
    kind = st.sampled_from(["user", "integration", "system"])
    events = [
        event(n, "x") | {"actor": {"id": data.draw(WORDS), "kind": data.draw(kind), "roles": ["r"]}} | body
        for n, body in enumerate(bodies)
    ]
    sample = Sample(events=events, signed_sizes=(len(events),))
    seqs = sorted(data.draw(st.sets(st.integers(0, len(events) - 1), min_size=1)))
    whole = sample.files() | {"names.jsonl": b"", "events.csv": csv_of(sample.lines, {})}

    assert (0, []) == (
        examined(with_fhir(whole, sample)).exit_code,
        examined(with_fhir(whole, sample)).findings,
    )
    report = examined(chosen({"picked": "by hand"}, *seqs, sample=sample))
    assert (2, []) == (report.exit_code, report.findings)
