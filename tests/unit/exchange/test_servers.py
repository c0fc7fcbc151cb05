"""Two servers may call two things alike: neither is taken for the other, no dose is of the wrong medicine."""

from typing import Any

import pytest

from app.access.visit import System
from app.exchange.fhir import plan
from app.exchange.importing import IMPORT, ImportBundle
from app.exchange.references import NHS_NUMBER_SYSTEM
from app.residents.records import ListRecords
from app.residents.table import record
from tests.support.world import World
from tests.unit.exchange.making import PATIENT, WIN

Resource = dict[str, Any]
A, B = "https://a.example/fhir", "https://b.example/fhir"
NUMBERED = PATIENT | {"identifier": [{"system": NHS_NUMBER_SYSTEM, "value": "9990000018"}]}
MOOD: Resource = {
    "resourceType": "Observation",
    "id": "1",
    "subject": WIN,
    "status": "final",
    "code": {"text": "Mood"},
    "valueString": "calm",
}
PAIN = MOOD | {"code": {"text": "Pain"}, "valueString": "none"}
WARFARIN: Resource = {
    "resourceType": "MedicationRequest",
    "id": "7",
    "status": "active",
    "intent": "order",
    "subject": WIN,
    "medicationCodeableConcept": {"text": "Warfarin 3 mg"},
}
PARACETAMOL = WARFARIN | {"medicationCodeableConcept": {"text": "Paracetamol 500 mg"}}
DOSE: Resource = {
    "resourceType": "MedicationAdministration",
    "id": "8",
    "status": "completed",
    "subject": WIN,
    "request": {"reference": "MedicationRequest/7"},
    "effectiveDateTime": "2026-02-28T10:00:00Z",
    "medicationCodeableConcept": {"text": "Paracetamol 500 mg"},
}
NOT_IMPORTED = "The prescription it names was not imported, neither now nor earlier."
WARFARIN_DOSE = DOSE | {"medicationCodeableConcept": {"text": "Warfarin 3 mg"}}
CANNOT_BE_TOLD = "cannot be told"


@pytest.fixture
def world(tmp_path):
    with World.at(tmp_path) as made:
        yield made


def entry(resource: Resource, server: str | None) -> Resource:
    name = f"{resource['resourceType']}/{resource['id']}"
    return {"resource": resource} | ({"fullUrl": f"{server}/{name}"} if server else {})


def of(server: str | None, *resources: Resource) -> list[Resource]:
    return [entry(resource, server) for resource in (NUMBERED, *resources)]


def run(world: World, entries: list[Resource]) -> dict[str, Any]:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    work = ImportBundle(plan(bundle, world.now), world.home)
    payload: dict[str, Any] = world.answer(work, IMPORT, System("cli", world.org)).payload
    return payload


def made(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["resource"], one["category"]) for one in report["records"]]


def medicine_of_the_dose(world: World, report: dict[str, Any]) -> str:
    """Return the name of the medication that the one recorded dose belongs to."""
    work = ListRecords(report["residents"][0]["id"], None, None, None, 200, None, False)
    listed = world.answer(work, "GET /v1/residents/{resident_id}/records", System("cli", world.org)).payload
    bodies = {one["id"]: one["body"] for one in listed["items"]}
    (dose,) = (one["body"] for one in listed["items"] if one["category"] == "medication_administration")
    return str(bodies[dose["medication_id"]]["name"])


def remarks_on(report: dict[str, Any], resource: str) -> list[str]:
    return [one["remark"] for one in report["remarks"] if one["resource"] == resource]


def test_a_resource_of_another_server_is_not_an_earlier_one_of_its_id(each_world):
    """The second server's observation is imported beside the first's, and its dose is of its own medicine."""
    run(each_world, of(A, MOOD, WARFARIN))
    report = run(each_world, of(B, PAIN, DOSE))
    again = [run(each_world, of(A, MOOD, WARFARIN)), run(each_world, of(B, PAIN, DOSE))]

    assert ("Observation/1", "observation") in made(report)
    assert [] == report["changed_not_applied"]
    assert "Paracetamol 500 mg" == medicine_of_the_dose(each_world, report)
    assert [NOT_IMPORTED] == remarks_on(report, "MedicationAdministration/8")
    assert [(0, []), (0, [])] == [(one["records_created"], one["changed_not_applied"]) for one in again]


def test_a_dose_belongs_to_the_prescription_its_own_server_named_earlier(world):
    """Of two prescriptions of one id it is that of the server the dose came from."""
    run(world, of(A, WARFARIN))
    run(world, of(B, PARACETAMOL))
    report = run(world, of(B, DOSE))

    assert [("MedicationAdministration/8", "medication_administration")] == made(report)
    assert ("Paracetamol 500 mg", []) == (medicine_of_the_dose(world, report), report["remarks"])


@pytest.mark.parametrize(("prescribed", "given"), [(None, B), (A, None)])
def test_a_dose_whose_prescription_cannot_be_told_is_linked_to_none(world, prescribed, given):
    """Where one of the two does not name its server, the id alone is not enough."""
    run(world, of(prescribed, WARFARIN))
    report = run(world, of(given, DOSE))
    again = run(world, of(given, DOSE))

    assert "Paracetamol 500 mg" == medicine_of_the_dose(world, report)
    (remark,) = remarks_on(report, "MedicationAdministration/8")
    assert CANNOT_BE_TOLD in remark
    assert (0, 2, []) == (again["records_created"], again["records_unchanged"], again["remarks"])


def test_two_servers_in_one_bundle_may_use_one_id(world):
    """Both resources are imported, the report names them by their addresses, and each is found again."""
    ours = {"subject": {"reference": f"{A}/Patient/win"}}
    entries = [*of(A, MOOD, WARFARIN), *(entry(one | ours, B) for one in (PAIN, PARACETAMOL, DOSE))]
    first, second = run(world, entries), run(world, entries)
    apart = run(world, of(A, MOOD, WARFARIN))

    assert {f"{A}/Observation/1", f"{B}/Observation/1"} <= {name for name, _ in made(first)}
    assert ("Paracetamol 500 mg", []) == (medicine_of_the_dose(world, first), first["not_imported"])
    assert [(0, 5, []), (0, 2, [])] == [
        (one["records_created"], one["records_unchanged"], one["changed_not_applied"])
        for one in (second, apart)
    ]


@pytest.mark.parametrize("servers", [(None, A), (A, None), (A, B)])
def test_a_resource_that_is_word_for_word_what_it_was_is_found_again(each_world, servers):
    """Whether its server was not told then, is not told now, or is called otherwise now: nothing is added."""
    first, second = (run(each_world, of(server, MOOD, WARFARIN, WARFARIN_DOSE)) for server in servers)

    assert (3, 0) == (first["records_created"], second["records_created"])
    assert (3, [], []) == (
        second["records_unchanged"],
        second["changed_not_applied"],
        second["remarks"],
    )


@pytest.mark.parametrize("servers", [(None, A), (A, None)])
def test_another_resource_of_an_id_without_its_server_is_for_a_person_to_compare(each_world, servers):
    """It may be the same, changed, or another's: nothing is added, and a remark says so."""
    run(each_world, of(servers[0], MOOD))
    reports = [run(each_world, of(servers[1], PAIN)) for _ in range(2)]

    for report in reports:
        (remark,) = remarks_on(report, "Observation/1")
        assert CANNOT_BE_TOLD in remark
        assert (0, ["Observation/1"]) == (report["records_created"], report["changed_not_applied"])


def test_one_that_changed_at_its_own_server_is_reported_and_not_applied(world):
    """Also where another server has one of the same id, recorded for the same person."""
    run(world, of(A, MOOD))
    run(world, of(B, PAIN))
    report = run(world, of(B, PAIN | {"valueString": "much"}))

    assert (0, ["Observation/1"], []) == (
        report["records_created"],
        report["changed_not_applied"],
        report["remarks"],
    )


def test_one_without_its_server_beside_one_with_it_is_a_contradiction(world):
    """In one bundle, too, nobody can tell whether they are the same."""
    report = run(world, [*of(A, MOOD), entry(PAIN, None)])
    alike = run(world, [*of(A, MOOD), entry(MOOD, None)])

    assert ["contradiction"] * 2 == [one["code"] for one in report["not_imported"]]
    assert ["duplicate"] == [one["code"] for one in alike["not_imported"]]


def test_what_is_kept_of_a_record_does_not_tell_what_else_the_bundle_held(world):
    """A product is kept by its id: the prescription stays as it was when another server's product comes."""
    product = {"resourceType": "Medication", "id": "p", "code": {"text": "Warfarin 3 mg"}}
    asked = WARFARIN | {
        "medicationCodeableConcept": None,
        "medicationReference": {"reference": "Medication/p"},
    }
    run(world, of(A, product, asked))
    other = product | {"code": {"text": "Paracetamol 500 mg"}}
    theirs = asked | {"id": "9", "subject": {"reference": f"{A}/Patient/win"}}
    report = run(world, [*of(A, product, asked), entry(other, B), entry(theirs, B)])

    assert [("MedicationRequest/9", "medication")] == made(report)
    assert [] == report["changed_not_applied"]
    assert 2 == len(world.rows(record))
