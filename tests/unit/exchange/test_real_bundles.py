"""What becomes of whole bundles: exact counts, the four traps, and what each role sees."""

import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

import app.exchange
from app.exchange.drafts import Plan, RecordDraft
from app.exchange.fhir import MAPPINGS, plan
from app.residents.bodies import dump, parse_imported_body

from .expected import CARER, CASES, KITCHEN, NURSE, Case

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALL = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def planned(case: Case) -> Plan:
    """Return the plan of a case."""
    return plan(case.bundle(), AT)


def drafts_of(made: Plan, source_key: str) -> list[RecordDraft]:
    """Return what was made of one resource."""
    return [record for record in made.records if record.source_key == source_key]


def seen_by(made: Plan, categories: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the sources of what a role that reads these categories sees, by category."""
    seen: dict[str, list[str]] = {}
    for record in made.records:
        if record.category in categories and not record.entered_in_error:
            seen.setdefault(record.category, []).append(record.source_key)
    return {category: sorted(sources) for category, sources in seen.items()}


@ALL
def test_every_entry_is_used_or_reported(case: Case):
    """Each entry of the bundle is the source of a resident or record, or reported, never both."""
    bundle, made = case.bundle(), planned(case)
    types = Counter(entry["resource"]["resourceType"] for entry in bundle["entry"])
    used = {position for record in made.records for position in record.positions}
    used |= {position for resident in made.residents for position in resident.positions}
    left = [one.position for one in made.left_out]

    assert case.types == dict(types)
    assert case.entries == made.entries == len(bundle["entry"]) == len(used) + len(left)
    assert case.entries == sum(case.types.values())
    assert not used & set(left)


@ALL
def test_exactly_these_resources_are_left_out(case: Case):
    """What has no home is reported by resource id and reason; remarks name what to look at."""
    made = planned(case)

    assert case.left_out == {one.key: one.code for one in made.left_out}
    assert len(case.left_out) == len(made.left_out)
    assert all(one.reason.endswith(".") for one in made.left_out)
    assert case.remarks == sorted(one.key for one in made.remarks)


@ALL
def test_the_patient_becomes_the_resident(case: Case):
    """One Patient is one resident, to whom every record belongs."""
    made = planned(case)

    assert [case.resident] == [resident.source_key for resident in made.residents]
    assert {case.resident} == {record.resident_key for record in made.records}


@ALL
def test_the_kitchen_sees_allergies_and_diets_and_nothing_else(case: Case):
    """The kitchen sees the food-allergy flag as allergy and as diet, and no allergy in error."""
    expected = {category: case.seen[category] for category in KITCHEN}

    assert expected == seen_by(planned(case), KITCHEN)
    flag = expected["diet"][0]
    assert flag.startswith("Flag/")
    assert flag in expected["allergy"]


@ALL
def test_the_carer_sees_the_care_but_no_medicines(case: Case):
    """The carer sees plans, people, findings and wishes; no medicine, vaccine, dose or document."""
    seen = seen_by(planned(case), CARER)

    assert {category: ids for category, ids in case.seen.items() if category in CARER} == seen
    sources = {source for ids in seen.values() for source in ids}
    assert not [
        source for source in sources if source.startswith(("Medication", "Immunization", "DocumentRef"))
    ]


@ALL
def test_the_nurse_sees_everything_that_was_imported(case: Case):
    """The nurse sees every record that is not in error, medicines and documents among them."""
    made = planned(case)

    assert case.seen == seen_by(made, NURSE)
    assert len(made.records) == sum(map(len, case.seen.values())) + len(case.in_error)


@ALL
def test_trap_one_the_other_persons_observation(case: Case):
    """An observation whose subject is somebody else is reported and not imported."""
    made = planned(case)

    assert [] == drafts_of(made, case.other_person)
    assert ["other-subject"] == [one.code for one in made.left_out if one.key == case.other_person]


@ALL
def test_trap_two_resources_without_a_subject(case: Case):
    """Without a subject, what the resident's resources refer to is theirs; the rest is reported."""
    made = planned(case)

    assert [case.resident] == [record.resident_key for record in drafts_of(made, case.reached)]
    codes = {one.key: one.code for one in made.left_out}
    assert ["no-subject"] * len(case.unreferenced) == [codes[key] for key in case.unreferenced]


@ALL
def test_trap_three_the_allergy_entered_in_error(case: Case):
    """What is entered in error is drafted as deleted, and its body does not say active."""
    wrong = [record for record in planned(case).records if record.entered_in_error]

    assert case.in_error == [record.source_key for record in wrong]
    assert ["refuted"] == [record.body["status"] for record in wrong]


@ALL
def test_trap_four_completed_medication_requests(case: Case):
    """Completed requests are stopped; only what the source calls active is active."""
    states = {
        record.source_key: record.body["status"]
        for record in planned(case).records
        if record.category == "medication"
    }

    assert dict.fromkeys(case.stopped, "stopped") | dict.fromkeys(case.active, "active") == states


@ALL
def test_every_body_is_one_a_record_may_hold(case: Case):
    """Each draft, once linked, passes the same check as a body sent by a caller."""
    made = planned(case)
    ids = {record.key: "0195e6f0-0000-7000-8000-000000000001" for record in made.records}
    for record in made.records:
        whole = record.whole_body(ids)
        assert whole == dump(parse_imported_body(record.category, whole))
        assert (record.medication_key is not None) is (record.category == "medication_administration")


@ALL
def test_an_administration_is_linked_to_its_medication_and_comes_after_it(case: Case):
    """Each administration names the draft of its medication, which stands earlier in the plan."""
    earlier: set[str] = set()
    linked = 0
    for record in planned(case).records:
        if record.medication_key is not None:
            assert record.medication_key in earlier
            linked += 1
        earlier.add(record.key)

    assert len(case.seen["medication_administration"]) == linked


@ALL
def test_a_second_run_knows_every_record(case: Case):
    """Keys are unique, and keys and digests are the same whenever and in whatever order it is read."""
    backwards = case.bundle()
    backwards["entry"].reverse()
    first, second = planned(case), plan(backwards, AT)

    keys = {record.key: record.kept.digest for record in first.records}
    assert len(first.records) == len(keys)
    assert keys == {record.key: record.kept.digest for record in second.records}
    assert {one.key: one.code for one in first.left_out} == {one.key: one.code for one in second.left_out}


@ALL
def test_the_original_is_kept_whole(case: Case):
    """Every imported resource is kept untouched with its draft, products with their prescriptions."""
    made = planned(case)
    originals = {
        f"{e['resource']['resourceType']}/{e['resource']['id']}": e["resource"]
        for e in case.bundle()["entry"]
    }
    kept = {record.source_key: record.kept.resource for record in made.records}
    parts = {key: part for record in made.records for key, part in record.kept.parts.items()}

    everything = kept | parts | {resident.source_key: resident.kept.resource for resident in made.residents}
    assert originals == everything | {key: originals[key] for key in case.left_out}


def test_the_table_in_the_readme_names_every_type_that_is_mapped():
    """Each mapped type of resource stands in the table of the README, and Medication too."""
    readme = Path(app.exchange.__file__).with_name("README.md").read_text()
    table = readme.split("## What becomes what")[1].split("**Dates.**")[0]
    named = {
        word
        for row in re.findall(r"^\| ([A-Z][A-Za-z, ]+) \|", table, re.MULTILINE)
        for word in row.split(", ")
    }

    assert {*MAPPINGS, "Medication"} == named
    assert 21 == len(MAPPINGS)
