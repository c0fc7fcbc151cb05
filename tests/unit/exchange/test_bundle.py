"""Bundles that are not what they should be: a clear report or a refusal, never a traceback."""

import copy
import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import InvalidRequestError
from app.exchange import fhir
from app.exchange.bundle import load
from app.exchange.drafts import EntryLostError, LeftOut, Plan
from app.exchange.fhir import plan

from .expected import CASES, SAMPLE, Case

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
BUNDLE = {"resourceType": "Bundle", "type": "collection"}
NOTE = {"resourceType": "Observation", "id": "o"}


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        (b"", ""),
        (b"{", ""),
        (b"\xff\xfe{}", ""),
        (b'{"a": 1, "a": 2}', ""),
        (b'{"a": NaN}', ""),
        (b'{"a": ' + b"9" * 5000 + b"}", ""),
        (b"[" * 100_000, ""),
        (b"[]", "/resourceType"),
        (b"null", "/resourceType"),
        (b"{}", "/resourceType"),
        (b'{"resourceType": "Patient"}', "/resourceType"),
        (b'{"resourceType": "Bundle"}', "/type"),
        (b'{"resourceType": "Bundle", "type": "message"}', "/type"),
        (b'{"resourceType": "Bundle", "type": ["collection"]}', "/type"),
        (b'{"resourceType": "Bundle", "type": "collection", "entry": {}}', "/entry"),
    ],
)
def test_what_is_no_bundle_is_refused(data: bytes, pointer: str):
    """Bytes that are no JSON, and JSON that is no bundle, are refused with the place of the fault."""
    with pytest.raises(InvalidRequestError) as caught:
        plan(load(data), AT)

    assert [pointer] == [place for place, _ in caught.value.errors]


def test_a_bundle_with_too_many_entries_is_refused():
    """There is a limit to what one run reads."""
    with pytest.raises(InvalidRequestError):
        plan(BUNDLE | {"entry": [{}] * 20_001}, AT)


def test_an_empty_bundle_is_an_empty_plan():
    """No entries, nothing to do, nothing lost."""
    for empty in (BUNDLE, BUNDLE | {"entry": []}, BUNDLE | {"type": "searchset"}):
        assert Plan(0, (), (), (), ()) == plan(empty, AT)


def nested(depth: int) -> list[Any]:
    """Return a list in a list in a list."""
    return [] if depth == 0 else [nested(depth - 1)]


@pytest.mark.parametrize(
    ("entry", "key", "code"),
    [
        (None, "entry 0", "malformed"),
        ([], "entry 0", "malformed"),
        ({}, "entry 0", "malformed"),
        ({"resource": []}, "entry 0", "malformed"),
        ({"resource": {"id": "o"}}, "unknown/o", "malformed"),
        ({"resource": {"resourceType": "Obs\nervation", "id": "o"}}, "unknown/o", "malformed"),
        ({"resource": NOTE | {"x": float("nan")}}, "Observation/o", "malformed"),
        ({"resource": NOTE | {"x": 10**40}}, "Observation/o", "malformed"),
        ({"resource": NOTE | {"x": "\ud800"}}, "Observation/o", "malformed"),
        ({"resource": NOTE | {"\ud800": 1}}, "Observation/o", "malformed"),
        ({"resource": NOTE | {"x": nested(70)}}, "Observation/o", "malformed"),
        ({"resource": NOTE | {"x": {1, 2}}}, "Observation/o", "malformed"),
        ({"resource": {"resourceType": "Observation"}}, "entry 0 (Observation)", "no-id"),
        ({"resource": NOTE | {"id": "\x1b[31m"}}, "entry 0 (Observation)", "no-id"),
        ({"resource": NOTE | {"id": 7}, "fullUrl": 7}, "entry 0 (Observation)", "no-id"),
        ({"resource": NOTE, "request": {"method": "DELETE"}}, "Observation/o", "deletion"),
        ({"request": {"method": "DELETE", "url": "Observation/o"}}, "entry 0", "deletion"),
        ({"resource": NOTE | {"implicitRules": "https://a.example"}}, "Observation/o", "modified-meaning"),
        ({"resource": NOTE | {"x": [{"modifierExtension": [{}]}]}}, "Observation/o", "modified-meaning"),
        ({"resource": NOTE}, "Observation/o", "no-subject"),
        ({"resource": NOTE | {"resourceType": "Nonsense"}}, "Nonsense/o", "no-category"),
    ],
)
def test_an_entry_that_cannot_be_read_is_reported(entry: Any, key: str, code: str):
    """A broken entry is named as far as that is safe, and stops nothing else."""
    made = plan(BUNDLE | {"entry": [entry]}, AT)

    assert [(0, key, code)] == [(one.position, one.key, one.code) for one in made.left_out]


def test_a_resource_without_id_is_known_by_its_uuid():
    """In a transaction a resource may have only a fullUrl: its UUID stands for the id."""
    bundle = SAMPLE.bundle()
    (patient,) = (
        entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Patient"
    )
    del patient["id"]

    made = plan(bundle, AT)
    assert ["Patient/0c7e7d38-5b0f-4a63-8f5d-2f1a6f0f4e01"] == [one.source_key for one in made.residents]


def test_a_resource_that_comes_twice_is_imported_once_or_not_at_all():
    """The same resource again is a duplicate; another one under the same id is a contradiction."""
    bundle = SAMPLE.bundle()
    plan_entry = next(one for one in bundle["entry"] if one["resource"]["resourceType"] == "CarePlan")
    bundle["entry"].append(copy.deepcopy(plan_entry))
    again = plan(bundle, AT)
    bundle["entry"][-1]["resource"]["title"] = "Something else"
    other = plan(bundle, AT)

    def codes(made: Plan) -> list[str]:
        return [one.code for one in made.left_out if one.key == "CarePlan/plan-walking"]

    assert ["duplicate"] == codes(again)
    assert ["contradiction", "contradiction"] == codes(other)
    assert 1 == len(again.records) - len(other.records)


def test_a_plan_that_loses_an_entry_does_not_exist():
    """An entry that is neither used nor reported, or both or twice, is a fault of the planner."""
    left = LeftOut(0, "Observation/o", "no-subject", "It names no subject.")
    assert Plan(1, (), (), (left,), ())
    for entries, left_out in ((2, (left,)), (0, (left,)), (1, (left, left)), (1, ())):
        with pytest.raises(EntryLostError):
            Plan(entries, (), (), left_out, ())


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return (container, key) for every place of a JSON value."""
    found, waiting = [], [value]
    while waiting:
        part = waiting.pop()
        keys = part if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ()
        found += [(part, key) for key in keys]
        waiting += [part[key] for key in keys]
    return found


SPANNERS: list[Any] = [
    *(None, True, False, 0, -1, 1.5, -0.0, float("nan"), float("inf"), 10**20, 10**400),
    *(
        "",
        " ",
        "\x00",
        "\ud800",
        "active",
        "entered-in-error",
        "completed",
        "2026",
        "9999-12-31",
        "x" * 30_000,
    ),
    *("Patient/winifred-ashdown", "#x", "Nonsense/1", "urn:uuid:0", "2026-02-30T25:00:00Z", "\n\n", "١٢٣"),
    *(
        [],
        {},
        [[]],
        [None],
        [1, "a", {}],
        {"coding": 3},
        {"coding": [3]},
        {"reference": []},
        {"reference": 7},
    ),
    *({"start": {}}, {"value": {}}, {"value": 1e300, "unit": []}, {"text": {"text": 1}}, {"\ud800": 1}),
]


JUNK = st.one_of(
    st.sampled_from(SPANNERS),
    st.text(st.characters(), max_size=30),
    st.recursive(st.sampled_from(SPANNERS), lambda inner: st.lists(inner, max_size=3), max_leaves=5),
    st.dictionaries(
        st.sampled_from(
            ["coding", "text", "code", "display", "value", "start", "reference", "status", "item"]
        ),
        st.recursive(st.sampled_from(SPANNERS), lambda inner: st.lists(inner, max_size=2), max_leaves=3),
    ),
)


def mangle(bundle: dict[str, Any], chance: random.Random) -> None:
    """Replace, remove, move, wrap or double something at a random place."""
    entries = bundle.get("entry")
    inside = isinstance(entries, list) and entries and chance.random() < 0.95
    listed = places(chance.choice(entries) if inside else bundle)
    container, key = chance.choice(listed or [(bundle, "entry")])
    what = chance.choice(["spanner", "spanner", "remove", "elsewhere", "wrap", "double"])
    if what == "remove":
        container.pop(key, None) if isinstance(container, dict) else container.pop(key)
    elif what == "elsewhere" and listed:
        other, its_key = chance.choice(listed)
        container[key] = copy.deepcopy(other[its_key])
    elif what == "wrap":
        container[key] = [container.get(key) if isinstance(container, dict) else container[key]]
    elif what == "double" and isinstance(container, list):
        container.append(copy.deepcopy(container[key]))
    else:
        container[key] = copy.deepcopy(chance.choice(SPANNERS))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_mutation_of_a_bundle_raises_anything_but_a_refusal(case: Case):
    """However a bundle is mangled, it is refused or planned with every entry accounted for."""
    original = json.dumps(case.bundle())
    refusals = records = 0
    for seed in range(400):
        chance = random.Random(seed)
        bundle = json.loads(original)
        for _ in range(chance.randint(1, 40)):
            mangle(bundle, chance)
        try:
            made = plan(bundle, AT)
        except InvalidRequestError:
            refusals += 1
            continue
        records += len(made.records)
        assert made.entries == len(bundle.get("entry", []))
        assert json.dumps([record.kept.plain for record in made.records], allow_nan=False)
        assert {record.resident_key for record in made.records} <= {one.source_key for one in made.residents}

    assert 0 < refusals < 200, "most mutations must reach the inside of the bundle"
    assert records > 1000


@settings(max_examples=300, deadline=None, derandomize=True)
@given(kind=st.sampled_from(sorted(fhir.MAPPINGS)), data=st.data())
def test_no_resource_of_a_known_type_raises_whatever_its_fields_hold(kind: str, data: st.DataObject):
    """Every mapping takes any JSON in any field it reads."""
    bundle = SAMPLE.bundle()
    fields = st.sampled_from(sorted({key for entry in bundle["entry"] for key in entry["resource"]}))
    resource = data.draw(st.dictionaries(fields, JUNK, max_size=12))
    subject = {"patient" if "patient" in resource else "subject": {"reference": "Patient/winifred-ashdown"}}
    bundle["entry"].append({"resource": resource | subject | {"resourceType": kind, "id": "it"}})

    made = plan(bundle, AT)
    used = {position for draft in (*made.records, *made.residents) for position in draft.positions}
    assert 22 in used | {one.position for one in made.left_out}
