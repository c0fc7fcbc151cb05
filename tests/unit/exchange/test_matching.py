"""A second import knows a person again, or says that somebody has to decide: no second resident."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep
from typing import Any

import pytest
from sqlalchemy import create_engine, select, text, update

from app.access.visit import System
from app.exchange.drafts import Plan
from app.exchange.fhir import plan
from app.exchange.importing import IMPORT, ImportBundle
from app.exchange.references import NHS_NUMBER_SYSTEM
from app.residents.admission import AdmitResident
from app.residents.amending import AmendResident
from app.residents.leaving import DischargeResident, RemoveResident
from app.residents.register import ReadResident
from app.residents.shredding import _EMPTIED
from app.residents.table import record, resident
from tests.support.world import World
from tests.unit.exchange.making import PATIENT, WIN

WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
ONE = "/v1/residents/{resident_id}"


@pytest.fixture
def world(tmp_path):
    with World.at(tmp_path) as made:
        yield made


def numbered(number: str, **fields: Any) -> dict[str, Any]:
    return PATIENT | {"identifier": [{"system": NHS_NUMBER_SYSTEM, "value": number}]} | fields


def named(family: str, given: str) -> list[dict[str, Any]]:
    return [{"family": family, "given": [given]}]


def observed(**fields: Any) -> dict[str, Any]:
    plain = {"resourceType": "Observation", "id": "new", "subject": WIN, "status": "final"}
    return plain | {"code": {"text": "Mood"}, "valueString": "calm"} | fields


FIRST, OTHER = "9990000018", "9990000026"
NUMBERED = numbered(FIRST)
BERT = {"name": named("Marsh", "Bert"), "birthDate": "1941-10-02"}


def planned(world: World, *resources: dict[str, Any]) -> Plan:
    listed = [{"resource": one} for one in resources]
    return plan({"resourceType": "Bundle", "type": "collection", "entry": listed}, world.now)


def run(world: World, *resources: dict[str, Any], home: str | None = None) -> dict[str, Any]:
    return carry_out(world, planned(world, *resources), home)


def carry_out(world: World, made: Plan, home: str | None = None) -> dict[str, Any]:
    work = ImportBundle(made, home or world.home)
    payload: dict[str, Any] = world.answer(work, IMPORT, cli(world)).payload
    return payload


def cli(world: World) -> System:
    return System("cli", world.org)


def shown(world: World, resident_id: str) -> dict[str, Any]:
    payload: dict[str, Any] = world.answer(ReadResident(resident_id), f"GET {ONE}", cli(world)).payload
    return payload


def refused(report: dict[str, Any]) -> dict[str, str]:
    return {one["resource"]: one["code"] for one in report["not_imported"]}


def only_reason(report: dict[str, Any]) -> str:
    (reason,) = {one["reason"] for one in report["not_imported"]}
    return str(reason)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(PATIENT, NUMBERED, id="an NHS number is new"),
        pytest.param(NUMBERED, PATIENT, id="the NHS number is gone"),
        pytest.param(NUMBERED, numbered(FIRST, name=named("Brook", "Win")), id="another surname"),
        pytest.param(NUMBERED, numbered(FIRST, birthDate="1938-04-18"), id="another date of birth"),
    ],
)
def test_a_changed_patient_who_is_surely_the_same_is_known_again(world, before, after):
    """The change is reported and not applied; what is new about the person is added to the one resident."""
    (first,) = run(world, before)["residents"]
    was = shown(world, first["id"])
    report = run(world, after, observed())

    assert [first | {"status": "changed"}] == report["residents"]
    assert ["Patient/win"] == report["changed_not_applied"]
    assert 1 == report["records_created"]
    assert was == shown(world, first["id"])
    assert 1 == len(world.rows(resident))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(NUMBERED, numbered(OTHER), id="another NHS number"),
        pytest.param(NUMBERED, numbered(FIRST, **BERT), id="all but the NHS number"),
        pytest.param(PATIENT, PATIENT | {"name": named("Brook", "Win")}, id="another surname, no number"),
        pytest.param(
            PATIENT, PATIENT | {"name": named("Ashdown", "Bert")}, id="another first name, no number"
        ),
        pytest.param(PATIENT, PATIENT | {"birthDate": "1938-04-18"}, id="another date of birth, no number"),
        pytest.param(PATIENT, PATIENT | BERT, id="wholly another, no number"),
        pytest.param(NUMBERED, PATIENT | BERT, id="wholly another, one number"),
        pytest.param(PATIENT, PATIENT | {"id": "other"}, id="another id alone, no number"),
    ],
)
def test_a_patient_who_may_be_somebody_recorded_is_for_a_person_to_decide(world, before, after):
    """No second resident is made and nothing is added to the first: the report and the entry name them."""
    (first,) = run(world, before)["residents"]
    report = run(world, after, observed(subject={"reference": f"Patient/{after['id']}"}))

    assert {f"Patient/{after['id']}": "perhaps-known", "Observation/new": "perhaps-known"} == refused(report)
    assert first["id"] in only_reason(report)
    assert ([], 0) == (report["residents"], report["records_created"])
    assert 1 == len(world.rows(resident))
    assert [] == world.rows(record)
    assert [first["id"]] == world.entry()["subs"]


@pytest.mark.parametrize("first", [PATIENT, NUMBERED])
def test_two_patients_of_one_bundle_may_be_one_person(world, first):
    """The second is for a person to decide, as if each had come with a run of its own."""
    other = PATIENT | {"id": "other"}
    report = run(world, first, other, observed(subject={"reference": "Patient/other"}))

    assert {"Patient/other": "perhaps-known", "Observation/new": "perhaps-known"} == refused(report)
    (made,) = report["residents"]
    assert made["id"] in only_reason(report)
    again = run(world, first, other)
    assert {"Patient/other": "perhaps-known"} == refused(again)
    assert 1 == len(world.rows(resident))


def test_two_patients_of_one_bundle_with_two_nhs_numbers_are_two_people(world):
    """Twins may have one name."""
    report = run(world, numbered(FIRST), numbered(OTHER, id="other"))

    assert ({}, 2) == (refused(report), len(world.rows(resident)))


def test_an_amended_resident_is_known_again(each_world):
    """Somebody decides that it is the same person by amending the resident: then all that is new is added."""
    (first,) = run(each_world, PATIENT)["residents"]
    married = PATIENT | {"name": named("Brook", "Win")}
    work = AmendResident(first["id"], 1, {"identity": {"family_name": "Brook"}})
    each_world.answer(work, f"PATCH {ONE}", cli(each_world))

    before = run(each_world, PATIENT, observed())
    after = run(each_world, married, observed(id="later"))

    assert ["unchanged", "changed"] == [one["residents"][0]["status"] for one in (before, after)]
    assert (1, 1) == (before["records_created"], after["records_created"])


def test_two_sources_with_one_id_are_two_people(each_world):
    """Where NHS number, surname and date of birth all differ, each is a resident, and each is known again."""
    people = NUMBERED, numbered(OTHER, **BERT)
    first = [run(each_world, person, observed())["residents"][0] for person in people]
    second = [run(each_world, person, observed())["residents"][0] for person in people]

    assert ["created", "created"] == [one["status"] for one in first]
    assert [one | {"status": "unchanged"} for one in first] == second
    assert 2 == len({one["id"] for one in first}) == len(each_world.rows(record))


@pytest.mark.parametrize(
    ("by_hand", "how"), [(True, "was not made by an import"), (False, "was imported under another id")]
)
def test_an_nhs_number_of_somebody_else_is_refused(each_world, by_hand, how):
    """Whoever has the number already is named, and it is said how they came to be recorded."""
    run(each_world, PATIENT)
    if by_hand:
        identity = {"given_name": "Bert", "family_name": "Marsh"}
        identifiers = {"date_of_birth": "1941-10-02", "nhs_number": FIRST}
        work = AdmitResident(each_world.home, None, None, identity, identifiers, "2026-01-05")
        owner = each_world.answer(work, "POST /v1/residents", cli(each_world)).payload
    else:
        (owner,) = run(each_world, numbered(FIRST, id="bert", **BERT))["residents"]
    report = run(each_world, NUMBERED)

    assert {"Patient/win": "resident-exists"} == refused(report)
    assert f"Resident {owner['id']} with this NHS number is recorded already and {how}." == only_reason(
        report
    )


# --- a resource that becomes something else ---------------------------------------------------------------


ANSWER = {"linkId": "1", "text": "End of life wishes", "answer": [{"valueString": "at home"}]}
ASKED = {
    "resourceType": "QuestionnaireResponse",
    "id": "it",
    "subject": WIN,
    "status": "in-progress",
    "authored": "2026-02-01",
    "item": [ANSWER],
}


def test_a_resource_that_would_become_another_category_now_is_reported(each_world):
    """It is not recorded a second time beside what it was."""
    first = run(each_world, PATIENT, ASKED)
    report = run(each_world, PATIENT, ASKED | {"status": "completed"})
    third = run(each_world, PATIENT, ASKED)
    other = planned(each_world, PATIENT, ASKED | {"status": "completed"}).records[0].category

    assert other != first["records"][0]["category"]
    assert (0, ["QuestionnaireResponse/it"]) == (report["records_created"], report["changed_not_applied"])
    assert (1, []) == (third["records_unchanged"], third["changed_not_applied"])


def test_a_patient_who_names_somebody_new_is_reported(each_world):
    """What a changed Patient would add is not added, even where they named nobody before."""
    run(each_world, PATIENT)
    contact = {"name": {"text": "Helen Marsh"}, "relationship": [{"text": "Daughter"}]}
    report = run(each_world, PATIENT | {"contact": [contact]})

    assert (0, ["Patient/win"]) == (report["records_created"], report["changed_not_applied"])


def test_what_is_read_anew_from_an_unchanged_resource_is_added(each_world):
    """A resource that stands as it was, and of which more is understood now, becomes the new record, too."""
    run(each_world, PATIENT, ASKED)
    made = planned(each_world, PATIENT, ASKED)
    more = dataclasses.replace(made.records[0], key="QuestionnaireResponse/it#more")
    report = carry_out(each_world, dataclasses.replace(made, records=(*made.records, more)))

    assert (1, 1, []) == (
        report["records_created"],
        report["records_unchanged"],
        report["changed_not_applied"],
    )


# --- somebody who is not here any more --------------------------------------------------------------------


def test_nothing_is_added_to_a_resident_entered_in_error(each_world):
    """The Patient and all that is theirs are reported, and no other resident is made."""
    (first,) = run(each_world, NUMBERED)["residents"]
    work = RemoveResident(first["id"], 1)
    each_world.answer(work, f"DELETE {ONE}", cli(each_world), reason="the wrong person")
    report = run(each_world, NUMBERED, observed())

    code = "resident-entered-in-error"
    assert {"Patient/win": code, "Observation/new": code} == refused(report)
    assert ([], [], 1) == (report["residents"], each_world.rows(record), len(each_world.rows(resident)))


@pytest.mark.parametrize("each_world", ["postgresql"], indirect=True)
def test_nothing_is_added_to_somebody_whom_another_process_is_erasing(each_world):
    """The run waits for the erasure that began before it, then finds nobody: it brings somebody new."""
    (first,) = run(each_world, NUMBERED)["residents"]
    other = create_engine(each_world.url)
    with other.connect() as erasing, ThreadPoolExecutor(1) as beside:
        erasing.execute(select(resident.c.id).where(resident.c.id == first["id"]).with_for_update())
        erasing.execute(update(resident).where(resident.c.id == first["id"]).values(_EMPTIED))
        importing = beside.submit(run, each_world, NUMBERED, observed())
        until = monotonic() + 10
        while not erasing.execute(WAITING).scalar_one() and monotonic() < until:
            sleep(0.01)
        erasing.commit()
        again = importing.result()
    other.dispose()

    assert ["created"] == [one["status"] for one in again["residents"]]
    assert first["id"] not in {one["id"] for one in again["residents"]}


@pytest.mark.parametrize("status", ["resident", "died"])
def test_it_is_said_where_somebody_known_again_is(each_world, status):
    """Of a resident who left or lives at another home the report tells both; that home's trail, too."""
    (first,) = run(each_world, PATIENT)["residents"]
    if status == "died":
        left = DischargeResident(first["id"], "2026-03-02", "died")
        each_world.answer(left, f"POST {ONE}/discharge", cli(each_world))
    here = run(each_world, PATIENT)["remarks"]
    report = run(each_world, PATIENT, observed(), home=each_world.other_home)

    (told,) = report["remarks"]
    assert (["Patient/win"] if status == "died" else []) == [one["resource"] for one in here]
    assert all(word in told["remark"] for word in (status, each_world.home))
    assert 1 == report["records_created"]
    run_entry = next(e for e in reversed(each_world.entries()) if e["act"] == "import.run")
    assert {each_world.home, each_world.other_home} == set(run_entry["homes"])
