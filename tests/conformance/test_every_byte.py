"""Of a small export every single-byte change, deletion and truncation is found, in every file of it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.mutations import (
    Subject,
    changes,
    codes_of,
    of_selection,
    one_change,
    quick_signatures,
)
from tests.conformance.tamper_past import Original
from tests.conformance.tamper_scene import Scene, scene_of
from tests.support.sample_export import NAMES, Sample, sample_events
from tests.unit.audit.examining import with_fhir

WHOLE = {
    "events.jsonl": (1,),
    "names.jsonl": (1,),
    "checkpoints.note": (1,),
    "events.csv": (1,),
    "fhir.ndjson": (1,),
    "manifest.json": (1,),
    "manifest.sig": (1,),
}
"""How the check may end for each file of a whole export: never but with a finding."""
SELECTION = {
    "events.jsonl": (1,),
    "names.jsonl": (1, 2),
    "proofs.jsonl": (1,),
    "segments.jsonl": (1, 2),
}
"""The same for one resident: 2 where a name loses the entry it was given by, or no closed month is left."""
DERIVED = {"events.csv", "fhir.ndjson", "README.txt", "verify.py"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its slow signatures the verifier takes a millisecond for an export of this size."""
    quick_signatures(monkeypatch)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The exports of a real server; here the database makes no difference."""
    folder: Path = tmp_path_factory.mktemp("every-byte")
    with scene_of(Original.made("sqlite", "", folder), folder) as made:
        yield made


def whole(name: str) -> Subject:
    """Return a small whole export, without derived files that have nothing to do with what is damaged."""
    events = sample_events()
    short = [events[0], events[3]]
    chosen = {"fhir.ndjson": short[:1], "events.csv": short, "names.jsonl": events[:5]}.get(name, events[:4])
    erased = tuple(seq for seq in NAMES if seq >= len(chosen) or seq == 2 or (chosen is short and seq))
    sample = Sample(events=chosen, signed_sizes=(1, len(chosen)), erased=erased)
    files = with_fhir(sample.files(), sample)
    for derived in DERIVED - {name, "events.csv" if name == "names.jsonl" else name}:
        files.pop(derived, None)
    sealed = sample.sealed(files)
    return Subject(sample, sealed, {"checkpoint": json.loads(sealed["manifest.json"])["checkpoint"]})


@pytest.mark.parametrize("name", WHOLE)
def test_every_change_of_a_whole_export_is_found(name: str) -> None:
    """Each byte changed, taken out or cut off ends with a finding, or with what cannot be vouched for."""
    subject = whole(name)
    assert 0 == subject.examined(name, subject.files[name]).exit_code
    count, told = codes_of(subject, name)

    assert 3 * len(subject.files[name]) == count == sum(told.values())
    assert WHOLE[name] == tuple(sorted(told))


@pytest.mark.parametrize("name", SELECTION)
def test_every_change_of_a_residents_export_is_found(scene: Scene, name: str) -> None:
    """The same for the export of one resident up to a closed month, which was intact."""
    gone = DERIVED - {"events.csv" if name == "names.jsonl" else name}
    files = {other: data for other, data in scene.exports["small"].items() if other not in gone}
    subject = of_selection(scene.forger(), files)
    assert 0 == subject.examined(name, subject.files[name]).exit_code
    count, told = codes_of(subject, name)

    assert 3 * len(subject.files[name]) == count == sum(told.values())
    assert SELECTION[name] == tuple(sorted(told))


@pytest.mark.parametrize("name", ["README.txt", "verify.py"])
def test_a_change_of_what_is_only_enclosed_is_found(scene: Scene, name: str) -> None:
    """The page for the reader and the verifier are covered by their hashes in the signed manifest."""
    subject = of_selection(scene.forger(), scene.exports["small"])
    data, count = subject.files[name], 0
    for at in range(0, len(data), len(data) // 100):
        for changed in changes(data[at : at + 1], one_change):
            assert 1 == subject.unsealed(name, data[:at] + changed + data[at + 1 :]).exit_code
            count += 1

    assert count >= 300
