"""A small zip cannot keep the verifier busy: it reads no more than an export can hold."""

import json

import pytest

from app.audit import verify
from tests.support.sample_export import base64_of
from tests.unit.audit.examining import SAMPLE, examined, kinds


@pytest.fixture
def verified(monkeypatch):
    """Keep the signatures that were verified."""
    seen: list[bytes] = []
    true = verify.ed25519_verifies

    def verifies(public: bytes, message: bytes, signature: bytes) -> bool:
        seen.append(signature)
        return true(public, message, signature)

    monkeypatch.setattr(verify, "ed25519_verifies", verifies)
    return seen


def repeated(note: bytes, times: int, **more: bytes) -> dict[str, bytes]:
    """Return an export that holds a checkpoint again and again."""
    return SAMPLE.sealed(SAMPLE.files() | {"checkpoints.note": b"\n".join([note] * times)} | more)


def test_a_note_that_is_repeated_is_verified_once(verified):
    """The newest honest note, hundreds of times: one signature, one root, nothing else is said."""
    report = examined(repeated(SAMPLE.checkpoint(10), 900))

    assert ([], 2) == (report.findings, len(verified))  # the other is that of the manifest
    assert "900 checkpoints are signed, up to size 10" in report.as_text()


def test_a_signature_that_is_repeated_is_verified_once(verified):
    """Under one note the same signature again proves nothing more."""
    note = SAMPLE.checkpoint(10)
    signature = note.rpartition(b"\n\n")[2]
    report = examined(repeated(note + signature * 63, 1))

    assert ([], 2) == (report.findings, len(verified))


def test_more_signatures_than_an_export_has_are_refused(verified, monkeypatch):
    """Notes of ever other bytes, each signed by the key: after a thousand signatures it is enough."""
    monkeypatch.setattr(verify, "MOST_SIGNATURES", 6)
    notes = [SAMPLE.checkpoint(size) for size in (2, 3, 4, 5, 6, 7)]
    files = SAMPLE.files() | {"checkpoints.note": b"\n".join(notes)}
    assert [] == examined(SAMPLE.sealed(files)).findings
    files["checkpoints.note"] = b"\n".join([SAMPLE.checkpoint(1), *notes])
    report = examined(SAMPLE.sealed(files))

    assert ["CHECKPOINT: checkpoints.note is past the 6 signatures an export has at most"] == [
        str(f) for f in report.findings
    ]


def test_proofs_count_with_the_checkpoints(monkeypatch):
    """Nor can the notes of proofs be of any number: a selection has one checkpoint."""
    first, *rest = SAMPLE.selection(2, 3, 5)["proofs.jsonl"].splitlines(keepends=True)
    other = SAMPLE.proof(2, 4)
    assert first != other
    files = SAMPLE.selection(2, 3, 5) | {"proofs.jsonl": other + b"".join(rest)}
    filter_, told = json.loads(files["manifest.json"])["filter"], {"first": 2, "last": 5, "count": 3}
    sealed = SAMPLE.sealed(files, filter=filter_, **told)
    assert [] == examined(sealed).findings
    monkeypatch.setattr(verify, "MOST_SIGNATURES", 1)

    assert ["PROOF"] == kinds(examined(sealed))


def test_anchors_are_of_any_number(tmp_path, monkeypatch):
    """What the auditor kept is the auditor's: many years of anchors are compared."""
    monkeypatch.setattr(verify, "MOST_SIGNATURES", 4)
    for size in range(1, 11):
        (tmp_path / f"{size}.note").write_bytes(SAMPLE.checkpoint(size))
    report = examined(SAMPLE.files(), anchors=tmp_path)

    assert ([], True) == (report.findings, report.anchored)


def test_many_roots_for_one_size_are_told_of_without_comparing_each_with_each():
    """The holder of the key signs one size many times: each further root is told of once."""
    roots = [base64_of(bytes([n] * 32)) for n in range(9)]
    others = [SAMPLE.note(f"{SAMPLE.origin}\n10\n{root}\n") for root in roots]
    notes = [SAMPLE.checkpoint(10), *others, *others]
    report = examined(SAMPLE.sealed(SAMPLE.files() | {"checkpoints.note": b"\n".join(notes)}))

    assert 9 == kinds(report).count("FORK")


@pytest.mark.parametrize("name", ["names.jsonl", "checkpoints.note"])
def test_a_file_that_is_not_the_listed_one_is_not_read(name, monkeypatch):
    """Its content can be anything, of any size: that it is another file is told, nothing else."""
    files = SAMPLE.files()
    more = {"names.jsonl": files["names.jsonl"], "checkpoints.note": b"\n" + SAMPLE.checkpoint(11)}[name]
    seen: list[bytes] = []
    for reader in ("read_name", "split_notes"):
        true = getattr(verify, reader)
        monkeypatch.setattr(verify, reader, lambda data, true=true: seen.append(data) or true(data))
    report = examined(files | {name: files[name] + more})

    assert [f"MANIFEST: {name} is not the file that the manifest lists"] == [str(f) for f in report.findings]
    assert not [data for data in seen if more in data or data + b"\n" in more]
