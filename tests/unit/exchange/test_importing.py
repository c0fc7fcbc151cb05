"""An import through the real door: what is stored, who sees it, what a second run does."""

import copy
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from app.access.visit import System
from app.core.clock import SystemClock
from app.exchange.fhir import plan
from app.exchange.importing import IMPORT, ImportBundle
from app.residents.records import ListRecords
from app.residents.register import ReadResident
from app.residents.table import record
from tests.support.world import World
from tests.unit.exchange.expected import CARER, CASES, KITCHEN, NURSE, Case
from tests.unit.exchange.making import PATIENT, WIN

ALL = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
LIST = "GET /v1/residents/{resident_id}/records"
READ = "GET /v1/residents/{resident_id}"
OVER = (
    "The source calls it active, but its time is over or has not come (ended 2026-07-01): ask the prescriber."
)


@pytest.fixture
def world(tmp_path):
    with World.at(tmp_path) as made:
        yield made


def run(world: World, bundle) -> dict:
    made = plan(bundle, SystemClock().now())
    return world.answer(ImportBundle(made, world.home), IMPORT, System("cli", world.org)).payload


def listed(world: World, who, resident: str, *, with_deleted: bool = False) -> list[dict]:
    work = ListRecords(resident, None, None, None, 200, None, with_deleted)
    return world.answer(work, LIST, who).payload["items"]


def by_source(report: dict) -> dict[str, str]:
    return {made["id"]: made["resource"] for made in report["records"]}


@ALL
@pytest.mark.parametrize(("role", "categories"), [("kitchen", KITCHEN), ("carer", CARER), ("nurse", NURSE)])
def test_each_role_sees_of_an_import_what_it_must_and_nothing_else(world, case: Case, role, categories):
    """Kitchen, carer and nurse see exactly the resources written out for them, by category."""
    report = run(world, case.bundle())
    resident, sources = report["residents"][0]["id"], by_source(report)
    who = world.person(role)
    seen: dict[str, list[str]] = {}
    for item in listed(world, who, resident):
        seen.setdefault(item["category"], []).append(sources[item["id"]])

    expected = {c: sorted(ids) for c, ids in case.seen.items() if c in categories}
    assert expected == {c: sorted(ids) for c, ids in seen.items()}
    shown = world.answer(ReadResident(resident), READ, who).payload
    assert ("identifiers" in shown) == (role != "kitchen")
    assert "recorded" == shown["allergy_status"]


@ALL
def test_what_is_entered_in_error_is_stored_as_deleted(world, case: Case):
    """Only who may delete the category sees it, and asks for it; the manager does."""
    report = run(world, case.bundle())
    resident, sources = report["residents"][0]["id"], by_source(report)
    manager = world.person("registered_manager", None)
    plain = {sources[i["id"]] for i in listed(world, manager, resident)}
    marked = [i for i in listed(world, manager, resident, with_deleted=True) if i["deleted"]]

    assert set() == plain.intersection(case.in_error)
    assert case.in_error == [sources[item["id"]] for item in marked]
    nurse = world.person("nurse")
    assert [] == [i for i in listed(world, nurse, resident, with_deleted=True) if i["deleted"]]


@ALL
def test_imported_records_say_where_they_come_from(world, case: Case):
    """They are recorded by the command line, never late, estimated where there was no date."""
    report = run(world, case.bundle())
    items = listed(world, world.person("registered_manager", None), report["residents"][0]["id"])

    assert {("system:cli", False)} == {(item["recorded_by"], item["late"]) for item in items}
    assert {True, False} == {item["occurred_at_estimated"] for item in items}
    assert not [item for item in items if "resourceType" in str(item["body"])]


@ALL
def test_running_it_twice_adds_nothing(world, case: Case):
    """A second run finds everything again and makes one entry, its own."""
    first = run(world, case.bundle())
    before = world.visit.stamp.seq + 1 + len(first["records"]) + len(first["residents"])
    second = run(world, case.bundle())

    assert (0, len(first["records"])) == (second["records_created"], second["records_unchanged"])
    assert ["unchanged"] == [resident["status"] for resident in second["residents"]]
    assert first["residents"][0]["id"] == second["residents"][0]["id"]
    assert before == world.visit.stamp.seq


def test_nothing_is_imported_to_a_resident_whose_row_was_altered(world):
    """A second run that finds them moved behind the service's back stops there, and adds nothing."""
    first = run(world, CASES[0].bundle())
    move = text("UPDATE resident SET home_id = :there")
    world.looking(lambda connection: connection.execute(move, {"there": world.other_home}))
    work = ImportBundle(plan(CASES[0].bundle(), SystemClock().now()), world.home)

    assert "state-broken" == world.refusal(work, IMPORT, System("cli", world.org)).why
    assert len(first["records"]) == len(world.rows(record))


@ALL
def test_a_changed_resource_is_reported_and_not_applied(world, case: Case):
    """A care record is amended by people: the import says what differs and leaves it."""
    first = run(world, case.bundle())
    resident = first["residents"][0]["id"]
    manager = world.person("registered_manager", None)
    before = listed(world, manager, resident)
    bundle = copy.deepcopy(case.bundle())
    allergy = next(
        e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "AllergyIntolerance"
    )
    allergy["note"] = [{"text": "changed at the source"}]
    second = run(world, bundle)

    assert [f"AllergyIntolerance/{allergy['id']}"] == second["changed_not_applied"]
    assert 0 == second["records_created"]
    assert before == listed(world, manager, resident)


@ALL
def test_one_entry_for_the_run_and_one_for_each_thing_it_makes(world, case: Case):
    """The run's entry comes first, then one for the resident and one for each record."""
    report = run(world, case.bundle())
    start = world.visit.stamp.seq
    acts = [entry["act"] for entry in world.entries(world.org)[start:]]

    assert ["import.run", "resident.create"] == acts[:2]
    assert ["record.create"] * len(report["records"]) == acts[2:]


@pytest.mark.parametrize(
    ("hour", "born", "is_over", "admitted"), [(22, 0, [], "2026-07-01"), (23, 1, [OVER], "2026-07-02")]
)
def test_days_of_an_import_are_those_of_british_clocks(world, hour, born, is_over, admitted):
    """At 00:30 of a summer night the day that began is today: of a birth, an admission and a period's end."""
    world.clock.advance(datetime(2026, 7, 1, hour, 30, tzinfo=UTC) - world.now)
    newborn = PATIENT | {"id": "new", "birthDate": "2026-07-02"}
    medicine = {
        "resourceType": "MedicationStatement",
        "id": "it",
        "subject": WIN,
        "status": "active",
        "medicationCodeableConcept": {"text": "Senna"},
        "effectivePeriod": {"start": "2026-06-01", "end": "2026-07-01"},
    }
    listed = [{"resource": one} for one in (PATIENT, newborn, medicine)]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": listed}
    report = world.answer(
        ImportBundle(plan(bundle, world.now), world.home), IMPORT, System("cli", world.org)
    ).payload
    cli = System("cli", world.org)
    shown = [world.answer(ReadResident(one["id"]), READ, cli).payload for one in report["residents"]]

    assert [admitted] * (1 + born) == [one["admitted_on"] for one in shown]
    assert is_over == [
        one["remark"] for one in report["remarks"] if one["resource"] == "MedicationStatement/it"
    ]
