"""A large import comes in pieces, and what comes of it is the same."""

import dataclasses
from typing import Any

import pytest
from sqlalchemy import update

from app.access.visit import System
from app.exchange import pieces
from app.exchange.drafts import Plan
from app.exchange.fhir import plan
from app.exchange.importing import IMPORT, ImportBundle
from app.exchange.pieces import Piece, pieces_of
from app.exchange.run_report import Report
from app.residents.shredding import _EMPTIED
from app.residents.table import record, resident
from tests.support.world import World
from tests.unit.exchange.making import PATIENT, REQUEST, TOM, WIN

Resource = dict[str, Any]
MANY = 3 * pieces.MOST_WEIGHT
ALLERGY = {"resourceType": "AllergyIntolerance", "id": "a", "code": {"text": "Penicillin"}}


@pytest.fixture
def world(tmp_path):
    with World.at(tmp_path) as made:
        yield made


def moods(count: int = MANY, subject: str = "win") -> list[Resource]:
    plain = {"resourceType": "Observation", "status": "final", "code": {"text": "Mood"}}
    of = {"subject": {"reference": f"Patient/{subject}"}}
    return [plain | of | {"id": f"{subject}-{n}", "valueString": f"calm {n}"} for n in range(count)]


def doses(count: int) -> list[Resource]:
    plain = {"resourceType": "MedicationAdministration", "subject": WIN, "status": "completed"}
    plain |= {"request": {"reference": "MedicationRequest/r"}, "effectiveDateTime": "2026-02-28T10:00:00Z"}
    return [plain | {"id": f"d-{n}", "medicationCodeableConcept": {"text": "Morphine"}} for n in range(count)]


def planned(world: World, *resources: Resource) -> Plan:
    listed = [{"resource": one} for one in resources]
    return plan({"resourceType": "Bundle", "type": "collection", "entry": listed}, world.now)


def carried_out(world: World, parts: list[Piece], so_far: Report | None = None) -> Report:
    report = so_far or Report()
    for piece in parts:
        work = ImportBundle(piece, world.home, report.medications)
        world.answer(work, IMPORT, System("cli", world.org))
        report.add(work.report)
    return report


def test_nobody_comes_with_half_of_what_warns(world):
    """Few residents share a piece; one with many records begins with their allergies."""
    few = planned(world, PATIENT, TOM, *moods(5), *moods(5, "tom"))
    many = planned(world, PATIENT, TOM, *moods(), ALLERGY | {"patient": WIN}, *moods(5, "tom"))
    first, *others = pieces_of(many)

    assert [Piece(few.residents, few.records)] == list(pieces_of(few))
    assert "allergy" == first.records[0].category
    assert [False, *[True] * (len(others) - 1)] == [
        one.residents[0].continues for one in (first, *others[:-1])
    ]
    assert sorted(one.key for one in many.records) == sorted(
        one.key for piece in (first, *others) for one in piece.records
    )
    assert all(len(piece.residents) + len(piece.records) <= pieces.MOST_WEIGHT for piece in (first, *others))


def test_large_originals_make_smaller_pieces(world):
    """What is sealed counts, too; one that is too large for any piece has its own."""
    large = [one | {"note": [{"text": "x" * 60 * pieces.BYTES_OF_ONE}]} for one in moods(3)]
    huge = [one | {"note": [{"text": "x" * 200 * pieces.BYTES_OF_ONE}]} for one in moods(2)]

    assert [1, 1, 1] == [len(one.records) for one in pieces_of(planned(world, PATIENT, *large))]
    assert [1, 1] == [len(one.records) for one in pieces_of(planned(world, PATIENT, *huge))]


def test_a_run_in_pieces_tells_what_one_at_once_does(each_world):
    """The same is made, doses belong to a medicine of an earlier piece, and a second run adds nothing."""
    given = doses(MANY)
    bundle = [PATIENT, REQUEST, *moods(), *given, {"resourceType": "Organization", "id": "o"}]
    made = planned(each_world, *bundle)
    parts = list(pieces_of(made))
    report = carried_out(each_world, parts).plain()
    again = carried_out(each_world, parts).plain()
    whole = ImportBundle(made, each_world.home)
    third = each_world.answer(whole, IMPORT, System("cli", each_world.org)).payload

    assert 6 < len(parts)
    assert [{"resource": "Patient/win", "status": "created"}] == [
        {name: one[name] for name in ("resource", "status")} for one in report["residents"]
    ]
    assert (2 * MANY + 1, 0, []) == (
        report["records_created"],
        report["records_unchanged"],
        report["remarks"],
    )
    assert ["no-category"] == [one["code"] for one in report["not_imported"]]
    assert third == again
    assert (0, 2 * MANY + 1) == (again["records_created"], again["records_unchanged"])
    (medicine,) = (one["id"] for one in report["records"] if one["category"] == "medication")
    rows = each_world.rows(record)
    assert {medicine} == {one["medication_id"] for one in rows if one["medication_id"]}


def test_no_dose_of_a_later_piece_is_added_to_a_medicine_deleted_meanwhile(world):
    """A person deleted it, so a person says what the dose was of; one in error may stand beside its own."""
    wrong = doses(1)[0] | {"id": "wrong", "status": "entered-in-error", "request": None}
    first, *others = pieces_of(planned(world, PATIENT, REQUEST, *moods(), *doses(2), wrong))
    report = carried_out(world, [first])
    world.looking(lambda connection: connection.execute(update(record).values(deleted=True)))
    told = carried_out(world, others, report).plain()

    codes = {one["resource"]: one["code"] for one in told["not_imported"]}
    gone = "medication-left-out"
    assert {f"MedicationAdministration/d-{n}": gone for n in range(2)} == codes
    (dose,) = (one for one in told["records"] if one["category"] == "medication_administration")
    assert "MedicationAdministration/wrong" == dose["resource"]


def test_a_run_that_broke_off_is_taken_up(world):
    """What the first run made is found, and the rest added."""
    parts = list(pieces_of(planned(world, PATIENT, *moods())))
    first = carried_out(world, parts[:2]).plain()
    second = carried_out(world, parts).plain()

    assert first["records_created"] == second["records_unchanged"] > 0
    assert MANY == len(world.rows(record)) == first["records_created"] + second["records_created"]
    assert first["residents"][0]["id"] == second["residents"][0]["id"]


def test_somebody_erased_meanwhile_is_not_made_anew(world):
    """Further pieces bring nothing of them, and say so."""
    first, *others = pieces_of(planned(world, PATIENT, *moods()))
    report = carried_out(world, [first])
    world.looking(lambda connection: connection.execute(update(resident).values(_EMPTIED)))
    carried_out(world, others, report)

    told = report.plain()
    assert 1 == len(world.rows(resident))
    assert len(first.records) == told["records_created"]
    assert {"resident-left-out"} == {one["code"] for one in told["not_imported"]}
    assert 1 + MANY - len(first.records) == len(told["not_imported"])


def test_what_is_somebody_elses_now_is_reported_across_pieces(world):
    """Both hold the allergy until a person has decided, in whatever piece each comes."""
    filled = (*moods(), *moods(subject="tom"))
    first = carried_out(
        world, list(pieces_of(planned(world, PATIENT, TOM, *filled, ALLERGY | {"patient": WIN})))
    )
    his = ALLERGY | {"patient": {"reference": "Patient/tom"}}
    parts = list(pieces_of(planned(world, PATIENT, TOM, *filled, his)))
    reports = [carried_out(world, order).plain() for order in (parts, parts[::-1])]

    win = first.plain()["residents"][0]["id"]
    told = {
        "resource": "AllergyIntolerance/a",
        "remark": f"It is recorded for resident {win}, too: decide whose it is.",
    }
    assert [[told]] * 2 == [one["remarks"] for one in reports]
    assert [["AllergyIntolerance/a"]] * 2 == [one["changed_not_applied"] for one in reports]


def test_a_bundle_that_brings_nobody_still_has_its_piece(world):
    """A run makes an entry, also when it leaves everything out."""
    made = planned(world, {"resourceType": "Organization", "id": "o"})
    (piece,) = pieces_of(made)

    assert (made.left_out, ()) == (piece.left_out, piece.residents)
    assert dataclasses.replace(piece, left_out=()) == Piece((), ())
