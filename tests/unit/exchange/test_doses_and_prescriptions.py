"""Which medication a dose belongs to, also where the two come with different runs."""

from typing import Any

import pytest

from app.access.visit import System
from app.exchange.fhir import plan
from app.exchange.importing import IMPORT, ImportBundle
from app.residents.correcting import RemoveRecord
from app.residents.records import ListRecords
from tests.support.world import World
from tests.unit.exchange.making import AT, MORPHINE, PATIENT, REQUEST, TOM, WIN, drafts, left_out, remarks

RECORDS = "/v1/residents/{resident_id}/records"
GIVEN = {"status": "completed", "effectiveDateTime": "2026-02-28T10:00:00Z", **MORPHINE}
DOSE = {
    "resourceType": "MedicationAdministration",
    "id": "m",
    "subject": WIN,
    "request": {"reference": "MedicationRequest/r"},
    **GIVEN,
}
PRODUCT = {"resourceType": "Medication", "id": "p", "code": {"text": "Morphine"}}
BY_PRODUCT = {"medicationReference": {"reference": "Medication/p"}, "medicationCodeableConcept": None}


@pytest.fixture
def world(tmp_path):
    with World.at(tmp_path) as made:
        yield made


def run(world: World, *resources: dict[str, Any]) -> dict[str, Any]:
    """Import resources into the world's home; return the report."""
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}
    work = ImportBundle(plan(bundle, world.now), world.home)
    payload: dict[str, Any] = world.answer(work, IMPORT, System("cli", world.org)).payload
    return payload


def made(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a run made: resource and category."""
    return [(one["resource"], one["category"]) for one in report["records"]]


def bodies(world: World, report: dict[str, Any], category: str) -> dict[str, dict[str, Any]]:
    """Return the bodies of a resident's records of a category, by id."""
    work = ListRecords(report["residents"][0]["id"], None, None, None, 200, None, False)
    items = world.answer(work, f"GET {RECORDS}", System("cli", world.org)).payload["items"]
    return {one["id"]: one["body"] for one in items if one["category"] == category}


def remove(world: World, report: dict[str, Any], resource: str) -> None:
    """Have a person delete what a run made of a resource."""
    (made_of,) = (one["id"] for one in report["records"] if one["resource"] == resource)
    holder = next(one["id"] for one in report["residents"] if one["resource"] == "Patient/win")
    work = RemoveRecord(holder, made_of, 1)
    world.answer(work, f"DELETE {RECORDS}/{{record_id}}", System("cli", world.org), reason="wrong")


# --- a dose, and a prescription of an earlier run ---------------------------------------------------------


@pytest.mark.parametrize("others", [(), (REQUEST | {"id": "other"},)])
def test_a_later_dose_belongs_to_the_prescription_of_an_earlier_run(world, others):
    """No second medication is made of it, and the name it was given under stands in its note."""
    first = run(world, PATIENT, REQUEST)
    report = run(world, PATIENT, *others, DOSE | {"id": "later"})
    (dose,) = bodies(world, report, "medication_administration").values()

    assert ("MedicationAdministration/later", "medication_administration") == made(report)[-1]
    assert 1 + len(others) == len(made(report))
    assert first["records"][0]["id"] == dose["medication_id"]
    assert "given as: Morphine" == dose["note"]
    assert [] == report["remarks"]


def test_the_prescription_a_dose_names_comes_before_another_of_the_same_product(world):
    """An earlier run's record of the request counts more than a request of this run for the product."""
    first = run(world, PATIENT, PRODUCT, REQUEST | BY_PRODUCT)
    report = run(world, PATIENT, PRODUCT, REQUEST | BY_PRODUCT | {"id": "other"}, DOSE | BY_PRODUCT)
    (dose,) = bodies(world, report, "medication_administration").values()

    assert first["records"][0]["id"] == dose["medication_id"]
    assert "given as: Morphine" == dose["note"]


@pytest.mark.parametrize("named", [{}, {"request": None}])
def test_a_dose_that_comes_again_without_its_prescription_makes_nothing(world, named):
    """It belongs to the medication it was linked to when it was recorded, also by its product alone."""
    dose = DOSE | BY_PRODUCT | named
    run(world, PATIENT, PRODUCT, REQUEST | BY_PRODUCT, dose)
    report = run(world, PATIENT, PRODUCT, dose)

    assert ([], 1, []) == (made(report), report["records_unchanged"], report["changed_not_applied"])
    assert 1 == len(bodies(world, report, "medication"))


def test_a_dose_of_a_prescription_that_nobody_imported_is_remarked_on(world):
    """It has a stopped medication of its own, which a second run knows again."""
    reports = [run(world, PATIENT, DOSE) for _ in range(2)]

    key = "MedicationAdministration/m"
    assert [(key, "medication"), (key, "medication_administration")] == made(reports[0])
    sentence = "The prescription it names was not imported, neither now nor earlier."
    assert [{"resource": key, "remark": sentence}] == reports[0]["remarks"]
    assert ([], 2) == (made(reports[1]), reports[1]["records_unchanged"])


@pytest.mark.parametrize("address", ["https://a.example/MedicationRequest/r", "urn:uuid:7", "#r"])
def test_a_prescription_that_cannot_be_looked_for_is_remarked_on(address):
    """Only a type with an id is looked for among what earlier runs made."""
    fields = GIVEN | {"request": {"reference": address}}

    assert ["The prescription it names is no entry of the bundle."] == remarks(
        "MedicationAdministration", **fields
    )
    assert [None, None] == [one.prescription_key for one in drafts("MedicationAdministration", **fields)]


def test_a_prescription_of_another_server_is_not_the_one_of_its_id():
    """Whoever reads the report has to find out which is meant."""
    addressed = [
        {"resource": PATIENT},
        {"resource": REQUEST, "fullUrl": "https://a.example/MedicationRequest/r"},
        {"resource": DOSE, "fullUrl": "https://b.example/MedicationAdministration/m"},
    ]
    made_of = plan({"resourceType": "Bundle", "type": "collection", "entry": addressed}, AT)

    assert {None} == {one.prescription_key for one in made_of.records}
    assert ["The prescription it names is no entry of the bundle."] == [r.sentence for r in made_of.remarks]


@pytest.mark.parametrize("again", [(REQUEST,), ()])
def test_no_dose_is_added_to_a_medication_that_was_deleted(world, again):
    """A person deleted it, so a person has to say what the dose was of."""
    first = run(world, PATIENT, REQUEST)
    remove(world, first, "MedicationRequest/r")
    report = run(world, PATIENT, *again, DOSE)

    assert [] == made(report)
    assert [("MedicationAdministration/m", "medication-left-out")] == [
        (one["resource"], one["code"]) for one in report["not_imported"]
    ]


# --- what a dose says of itself ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prescribed", "note"),
    [("Senna", "given as: Morphine"), (None, "given as: Morphine"), (" MORPHINE ", None)],
)
def test_a_medicine_given_under_another_name_is_told(prescribed: str | None, note: str | None):
    """It stays with the prescription it names, and somebody is to compare the two."""
    asked = REQUEST | {"medicationCodeableConcept": {"text": prescribed}}
    fields = GIVEN | {"request": DOSE["request"]}
    (dose,) = drafts("MedicationAdministration", asked, **fields)
    sentence = "It is called otherwise than in the prescription it belongs to: compare the two."

    assert ("MedicationRequest/r#medication", note) == (dose.medication_key, dose.body.get("note"))
    assert ([sentence] if note else []) == remarks("MedicationAdministration", asked, **fields)


@pytest.mark.parametrize(
    "when", [{"effectiveDateTime": "2026-02-28"}, {"effectivePeriod": {"start": "2026-02-28"}}]
)
def test_a_dose_of_a_day_without_a_time_is_left_out(when: dict[str, Any]):
    """Nobody could tell when the next may be given; a vaccine has no next one on that day."""
    assert "no-time" == left_out("MedicationAdministration", **(GIVEN | {"effectiveDateTime": None} | when))
    vaccine, given = drafts("Immunization", status="completed", occurrenceDateTime="2026-02-28")
    assert vaccine.key == given.medication_key


# --- a record of somebody else ----------------------------------------------------------------------------


def test_a_resource_that_is_somebody_elses_now_is_reported(world):
    """Both hold the allergy until a person has decided whose it is."""
    allergy = {"resourceType": "AllergyIntolerance", "id": "a", "code": {"text": "Penicillin"}}
    first = run(world, PATIENT, TOM, allergy | {"patient": WIN})
    win = first["residents"][0]["id"]
    moved = [TOM, PATIENT, allergy | {"patient": {"reference": "Patient/tom"}}]
    second, third = run(world, *moved), run(world, *moved)

    key = "AllergyIntolerance/a"
    told = {"resource": key, "remark": f"It is recorded for resident {win}, too: decide whose it is."}
    assert [(key, "allergy")] == made(second)
    assert [[told], [told]] == [second["remarks"], third["remarks"]]
    assert [[key], [key]] == [second["changed_not_applied"], third["changed_not_applied"]]
    remove(world, first, key)
    last = run(world, *moved)
    assert ([], []) == (last["remarks"], last["changed_not_applied"])
