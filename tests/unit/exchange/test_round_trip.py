"""What leaves as FHIR comes back: written by one home, read from the file, imported into another."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from fhir.resources.R4B.bundle import Bundle

from app.access.visit import System
from app.core.clock import SystemClock
from app.exchange import exact
from app.exchange.bundle import load
from app.exchange.drafts import Plan
from app.exchange.fhir import plan
from app.exchange.fhir_writing import WRITTEN, patient, resource_of
from app.exchange.importing import IMPORT, ImportBundle
from app.residents.records import ListRecords
from tests.http.bodies import body_of
from tests.support.world import World
from tests.unit.exchange.test_fhir_writing import AT, RESIDENT

LIST = "GET /v1/residents/{resident_id}/records"
LATER = datetime(2026, 12, 1, tzinfo=UTC)
IDENTITY = {"given_name": "Ada", "family_name": "Sample", "preferred_name": "Addie", "sex": "female"}
HELD = {
    "id": RESIDENT,
    "status": "resident",
    "deleted": False,
    "identity": IDENTITY,
    "identifiers": {"date_of_birth": "1940-05-06"},
}
MEDICINE = "01890000-0000-7000-8001-000000000000"
GIVEN_AT = "2026-03-02T08:00:00.000000Z"
Record = tuple[str, dict[str, Any]]


def of(category: str, **fields: Any) -> Record:
    """Return a record whose body is valid, with some fields of it otherwise."""
    return category, body_of(category, "words", medication_id=MEDICINE) | fields


def some(category: str, *bodies: dict[str, Any]) -> list[Record]:
    """Return whole bodies as records."""
    return [(category, body) for body in bodies]


SAME: list[Record] = [
    *(of("allergy", severity=one) for one in ("mild", "moderate", "severe", "unknown")),
    *(of("allergy", reaction="rash", status=one) for one in ("active", "resolved", "refuted")),
    *some("allergy", {"none_known": True}),
    of("care_plan"),
    of("care_plan", actions=[]),
    of("care_plan", actions=["walk together", "rest"]),
    of("consent"),
    of("consent", given=False),
    *(of("consent", given=one, review_on="2020-01-01") for one in (True, False)),
    of("consent", basis="best interests", given_by="N. Body", review_on="2027-01-01"),
    of("contacts", next_of_kin=False, phone="07700 900123"),
    of("contacts", relationship="niece; next of kin"),
    of("diet"),
    of("diet", iddsi_food=0, iddsi_fluid=0),
    of("diet", iddsi_food=7, iddsi_fluid=4),
    *some("diet", {"requirements": "no grapefruit"}),
    *(of("document", about=one, content_base64=None) for one in ("capacity", "advance_care_plan", "finance")),
    of("medication_administration", given_at=GIVEN_AT),
    *(
        of("medication_administration", given_at=GIVEN_AT, outcome=one)
        for one in ("refused", "withheld", "not_available")
    ),
    of("observation"),
    *(
        (of("observation")[0], {"kind": "weight", "value": one, "unit": "kg"})
        for one in ("120", "98.10", "0", "-1.50", "0.000001", "120.0", "999999999999")
    ),
    *some("observation", {"kind": "count", "value": "7"}),
    *some(
        "observation",
        {"kind": "pressure", "components": [{"kind": "systolic", "value": "120.0", "unit": "mmHg"}]},
    ),
    *(of("risk_assessment", level=one) for one in ("low", "medium", "high")),
]
"""What comes back as it was."""

TAKEN = {"instructions": "Reported as taken"}
OTHERWISE: list[tuple[Record, Record]] = [
    (of("contacts"), of("contacts", relationship="niece; next of kin")),
    (of("document"), of("document", content_base64=None)),
    (of("medication"), of("medication", **TAKEN)),
    (
        of("medication", status="on_hold"),
        of("medication", status="on_hold", instructions="Reported as taken, and put on hold"),
    ),
    (
        of("medication", status="stopped", started_on="2026-01-01", ended_on="2026-02-01", instructions="x"),
        of(
            "medication",
            status="stopped",
            started_on="2026-01-01",
            ended_on="2026-02-01",
            instructions="Reported as taken, and stopped; x",
        ),
    ),
    (
        of("medication", dose="1 or 2 puffs"),
        of(
            "medication",
            dose="1 or 2 puffs, oral, daily",
            instructions="Reported as taken; 1 or 2 puffs, oral, daily",
        ),
    ),
    (
        of(
            "advance_care_plan",
            review_on="2027-01-01",
            original_location="in the safe",
            signed_by="Dr Sample",
        ),
        (
            "consent",
            {
                "purpose": "adr; Advance care plan: respect",
                "given": False,
                "basis": "Not valid without its signed original: in the safe",
                "given_by": "Dr Sample",
                "review_on": "2027-01-01",
            },
        ),
    ),
    *(
        (first, ("observation", {"kind": "count", "text": "123456789012.123456"}))
        for first in some("observation", {"kind": "count", "value": "123456789012.123456"})
    ),
]
"""What does not, and what comes of it. A power to act is said in words, bytes lie beside the bundle, and of a
medicine the other home was told. A decision about resuscitation counts by its signed original only. A number
of eighteen digits is kept from readers who would round it."""


def written(records: list[Record]) -> bytes:
    """Return the bundle of a resident's records, the first a medicine."""
    everything = [of("medication"), *records]
    medicines = {MEDICINE: "words"}
    entries = [patient(HELD)]
    for number, (category, body) in enumerate(everything):
        version = {"body": body, "deleted": False, "version": 1, "occurred_at": AT, "recorded_at": AT}
        item = {"id": MEDICINE[:-3] + f"{number:03}", "category": category, "versions": [version]}
        resource = resource_of(item, RESIDENT, medicines)
        assert resource is not None
        entries.append(resource)
    listed = [{"fullUrl": f"urn:uuid:{one['id']}", "resource": one} for one in entries]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": listed}
    return orjson.dumps(bundle, default=exact.written)


def returned(made: Plan) -> list[Record]:
    """Return what a plan makes of a bundle, in its order, without the first medicine."""
    numbered = sorted(made.records, key=lambda record: record.source_key.rpartition("/")[2])
    linked = {f"MedicationStatement/{MEDICINE}#medication": MEDICINE}
    return [(record.category, record.whole_body(linked)) for record in numbered][1:]


def test_what_leaves_comes_back_the_same():
    """Every category that leaves comes back with the same bodies, or is named with what becomes of it."""
    assert {category for category, _ in SAME} | {one[0] for one, _ in OTHERWISE} == WRITTEN
    assert (42, 8) == (len(SAME), len(OTHERWISE))
    assert SAME == returned(plan(load(written(SAME)), LATER))
    assert [after for _, after in OTHERWISE] == returned(
        plan(load(written([one for one, _ in OTHERWISE])), LATER)
    )


def test_what_leaves_is_fhir_and_nothing_of_it_is_left_out():
    """An independent model takes the bundle, and every entry of it becomes somebody or something."""
    data = written([*SAME, *(one for one, _ in OTHERWISE)])
    Bundle.model_validate_json(data)
    made = plan(load(data), LATER)

    assert () == made.left_out
    assert IDENTITY == made.residents[0].identity.model_dump(exclude_none=True)
    assert HELD["identifiers"] == made.residents[0].identifiers.model_dump(exclude_none=True)


def test_another_home_holds_the_same_bodies(tmp_path):
    """Imported into another home, each record holds what it held; a second run finds all of them again."""
    with World.at(tmp_path) as world:
        made = plan(load(written(SAME)), SystemClock().now())
        run = ImportBundle(made, world.other_home)
        report = world.answer(run, IMPORT, System("cli", world.org)).payload
        manager = world.person("registered_manager", None)
        work = ListRecords(report["residents"][0]["id"], None, None, None, 200, None, False)
        listed = {item["id"]: item for item in world.answer(work, LIST, manager).payload["items"]}
        again = world.answer(run, IMPORT, System("cli", world.org)).payload

    order = sorted(report["records"], key=lambda one: one["resource"].rpartition("/")[2])
    medicine, *others = [listed[one["id"]] for one in order]
    for item in others:
        if "medication_id" in item["body"]:
            assert medicine["id"] == item["body"]["medication_id"]
            item["body"]["medication_id"] = MEDICINE
    assert SAME == [(item["category"], item["body"]) for item in others]
    assert (0, len(SAME) + 1) == (again["records_created"], again["records_unchanged"])


@pytest.mark.parametrize("value", ["120", "98.10", "0.50", "-3", "37.0"])
def test_a_number_leaves_in_its_own_digits(value: str):
    """R4: a decimal keeps its precision."""
    data = written(some("observation", {"kind": "weight", "value": value, "unit": "kg"}))

    assert f'"valueQuantity":{{"value":{value},"unit":"kg"}}'.encode() in data


@pytest.mark.parametrize(("value", "told"), [("007", "7"), ("00.50", "0.50"), ("-0", "-0")])
def test_a_number_that_json_would_not_take_is_written_as_one(value: str, told: str):
    """JSON has no leading zeros."""
    data = written(some("observation", {"kind": "count", "value": value}))

    assert f'"valueQuantity":{{"value":{told}}}'.encode() in data
    Bundle.model_validate_json(data)


def test_an_import_keeps_the_digits_of_the_source():
    """As far as a record holds them: what it cannot hold is read as ever."""
    kinds = {"98.10": "98.10", "123456789012.123456": "123456789012.123456", "36.600000000000001": "36.6"}
    kinds |= {"1e2": "100.0", "5": "5"}
    for number, told in kinds.items():
        data = written(some("observation", {"kind": "count", "value": "7"}))
        (body,) = [
            body for _, body in returned(plan(load(data.replace(b":7}", f":{number}}}".encode())), LATER))
        ]
        assert told == body["value"]


def test_a_number_that_would_grow_is_no_reason_to_wait():
    """An exponent of a source is never written out at its length."""
    assert 0.0 == load(b"1e-999999999")
    assert "98.10" == str(load(b"98.10"))
    with pytest.raises(TypeError):
        orjson.dumps({"x": object()}, default=exact.written)


def test_a_consent_under_review_holds():
    """A day of review that has passed ends no consent, and no period is told that nobody agreed."""
    (category, body) = of("consent", review_on="2020-01-01")
    data = written([(category, body)])

    assert b'"extension":[{"url":"urn:caretrail:review-on","valueDate":"2020-01-01"}]' in data
    assert b'"period"' not in data
    made = plan(load(data), LATER)
    assert ("words", True) == (returned(made)[0][1]["purpose"], returned(made)[0][1]["given"])
    assert not [remark for remark in made.remarks if remark.key.startswith("Consent/")]


def test_nothing_is_said_of_an_allergy_that_nobody_recorded():
    """Neither that it is in doubt nor that it is confirmed; a status stands beside all that is no error."""
    told = orjson.loads(written(SAME))["entry"]
    allergies = [one["resource"] for one in told if one["resource"]["resourceType"] == "AllergyIntolerance"]

    assert 8 == len(allergies)
    assert 1 == sum("verificationStatus" in one for one in allergies)
    assert all("clinicalStatus" in one for one in allergies)
    codings = [one["code"]["coding"][0] for one in allergies if "coding" in one["code"]]
    expected = {"system": "http://snomed.info/sct", "code": "716186003", "display": "No known allergy"}
    assert [expected] == codings
