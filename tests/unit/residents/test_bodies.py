"""What a record may hold, category by category."""

import base64
import json
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from app.access.categories import CATEGORIES
from app.core.errors import InvalidRequestError
from app.residents.bodies import BODY_OF, AnyBody, dump, parse_body, parse_imported_body
from app.residents.clinical_bodies import DOCUMENT_BYTES, AboutCategory, Observation
from app.residents.new_records import NewRecord

ID = "0195e6f0-0000-7000-8000-000000000001"
CONTENT = base64.b64encode(b"%PDF-1.7 letter").decode()
PERMISSIONS = Path(__file__).parents[2] / "contract" / "permissions.json"

WHOLE: dict[str, dict[str, Any]] = {
    "about_me": {"text": "Likes the radio on.\nTea with two sugars."},
    "advance_care_plan": {
        "kind": "respect",
        "summary": "Comfort first",
        "valid_from": "2024-02-29",
        "review_on": "2025-02-28",
        "status": "in_force",
        "signed_by": "Dr Bell",
        "original_location": "Red folder, office",
    },
    "allergy": {"substance": "Sesame", "reaction": "Wheeze", "severity": "severe", "status": "active"},
    "capacity": {
        "decision": "Where to live",
        "has_capacity": False,
        "basis": "Assessed 3 May",
        "dols_expires_on": "2026-05-03",
    },
    "care_plan": {"need": "Unsteady", "goal": "No falls", "actions": ["Frame in reach", "Shoes on"]},
    "consent": {
        "purpose": "Photograph",
        "given": True,
        "basis": "Asked twice",
        "given_by": "Herself",
        "review_on": "2027-01-01",
    },
    "contacts": {
        "name": "Helen Clarke",
        "relationship": "daughter",
        "phone": "01632 960588",
        "next_of_kin": True,
        "lasting_power_of_attorney": False,
    },
    "daily_note": {"text": "Slept well."},
    "diet": {"requirements": "No sesame", "iddsi_food": 7, "iddsi_fluid": 0},
    "document": {
        "about": "care_plan",
        "title": "Letter",
        "media_type": "application/pdf",
        "content_base64": CONTENT,
    },
    "finance": {"description": "Hairdresser", "amount": "-12.50"},
    "incident_report": {"kind": "fall", "description": "Found on the floor", "harm": "low"},
    "medication": {
        "name": "Donepezil",
        "dose": "5 mg",
        "route": "oral",
        "frequency": "at night",
        "instructions": "With water",
        "status": "active",
        "started_on": "2024-02-06",
        "ended_on": "2026-02-06",
    },
    "medication_administration": {
        "medication_id": ID,
        "outcome": "given",
        "given_at": "2026-03-01T21:05:00.000000Z",
        "note": "Took it well",
    },
    "observation": {"kind": "weight", "value": "-71.400001", "unit": "kg"},
    "professional_visit": {"profession": "GP", "name": "Dr Bell", "outcome": "Antibiotics"},
    "risk_assessment": {"kind": "falls", "level": "high", "mitigation": "Frame"},
    "safeguarding": {"concern": "Bruise", "action": "Told the manager"},
}
"""One whole body for each category, every optional field present."""

OPTIONAL = {
    "advance_care_plan": {"review_on", "signed_by", "original_location"},
    "allergy": {"reaction"},
    "capacity": {"basis", "dols_expires_on"},
    "consent": {"basis", "given_by", "review_on"},
    "contacts": {"phone"},
    "diet": {"iddsi_food", "iddsi_fluid"},
    "finance": {"amount"},
    "medication": {"instructions", "started_on", "ended_on"},
    "medication_administration": {"note"},
    "observation": {"unit"},
}


def refused(category: str, raw: Any) -> list[str]:
    """Return the pointers of the faults of a body, which must have some."""
    with pytest.raises(InvalidRequestError) as caught:
        parse_body(category, raw)
    assert all(sentence.endswith(".") for _, sentence in caught.value.errors)
    return sorted({pointer for pointer, _ in caught.value.errors})


def test_every_record_category_of_the_contract_has_a_body():
    """There is one body for each of the 18 record categories, and a whole sample of each."""
    assert 18 == len(BODY_OF)
    assert set(WHOLE) == set(BODY_OF)
    categories = json.loads(PERMISSIONS.read_text())["categories"]
    assert set(BODY_OF) == set(categories) - {"identity", "identifiers"}


@pytest.mark.parametrize("category", sorted(WHOLE))
def test_a_whole_body_comes_back_as_it_was(category: str):
    """A body with all its fields is accepted and dumped unchanged, by both entries."""
    assert WHOLE[category] == dump(parse_body(category, WHOLE[category]))
    assert WHOLE[category] == dump(parse_imported_body(category, WHOLE[category]))


@pytest.mark.parametrize("category", sorted(WHOLE))
def test_optional_fields_may_be_left_out_and_nothing_else(category: str):
    """Leaving out an optional field is fine and leaves it out of the dump; any other is needed."""
    for name in WHOLE[category]:
        less = without(WHOLE[category], name)
        if name in OPTIONAL.get(category, set()):
            assert less == dump(parse_body(category, less))
        else:
            assert refused(category, less)


@pytest.mark.parametrize("category", sorted(WHOLE))
@pytest.mark.parametrize("wrong", [None, 7, 1.5, [], {}, "", " \n ", "\u200b", "a\x00b", "a\x1bb", "\ud800"])
def test_no_field_takes_a_value_of_another_kind(category: str, wrong: Any):
    """No field takes null, another type, blank text, control characters or broken Unicode."""
    for name, right in WHOLE[category].items():
        if wrong == [] and isinstance(right, list):
            continue  # no action is recorded yet
        if wrong == 7 and name == "iddsi_food":
            continue
        pointers = refused(category, WHOLE[category] | {name: wrong})
        assert all(pointer.startswith("/body") for pointer in pointers)


@pytest.mark.parametrize("category", sorted(WHOLE))
def test_an_unknown_field_is_refused_without_being_repeated(category: str):
    """A field that is not in the contract is refused, and its name does not come back."""
    with pytest.raises(InvalidRequestError) as caught:
        parse_body(category, WHOLE[category] | {"Zebra-7731": "Zebra-7732"})

    assert "Zebra" not in repr(caught.value.errors)
    assert ["/body"] == sorted({pointer for pointer, _ in caught.value.errors})


@pytest.mark.parametrize("category", sorted(WHOLE))
@pytest.mark.parametrize("raw", [None, True, 3, "text", [], [{}]])
def test_a_body_is_an_object(category: str, raw: Any):
    """Anything but an object is refused at the body itself."""
    assert ["/body"] == refused(category, raw)


def test_an_unknown_category_is_refused():
    """A category that is no record category has no bodies; identity belongs to the resident."""
    for category in ("identity", "identifiers", "shoe_size", ""):
        assert ["/category"] == refused(category, {})


def test_true_and_false_are_not_numbers_nor_numbers_true():
    """Nothing is coerced: 1 is not true, true is not 1, "true" is neither."""
    assert ["/body/none_known"] == refused("allergy", {"none_known": 1})
    assert ["/body/none_known"] == refused("allergy", {"none_known": False})
    assert ["/body/given"] == refused("consent", {"purpose": "x", "given": "true"})
    assert ["/body/iddsi_food"] == refused("diet", {"requirements": "x", "iddsi_food": True})


def test_texts_are_stored_in_nfc():
    """A text typed with combining accents is stored as the composed letters."""
    assert {"text": "N\u00ed"} == dump(parse_body("daily_note", {"text": "Ni\u0301"}))


def test_a_medicine_does_not_end_before_it_starts():
    """Days the wrong way round are refused at the end of the two; an import keeps what it found."""
    medication = WHOLE["medication"]
    backwards = medication | {"started_on": "2026-02-06", "ended_on": "2026-02-05"}
    with pytest.raises(InvalidRequestError) as caught:
        parse_body("medication", backwards)

    assert (("/body/ended_on", "Must not lie before started_on."),) == caught.value.errors
    assert backwards == dump(parse_imported_body("medication", backwards))
    for fine in (medication | {"ended_on": medication["started_on"]}, without(medication, "started_on")):
        assert fine == dump(parse_body("medication", fine))


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a body with one field less."""
    return {key: value for key, value in body.items() if key != name}


@pytest.mark.parametrize(
    ("category", "field", "wrong", "word"),
    [
        ("observation", "value", "37,5", "such as 37.5"),
        ("finance", "amount", "12.345", "such as 12.50"),
        ("document", "media_type", "pdf", "such as application/pdf"),
        ("medication_administration", "medication_id", "7", "a UUID"),
    ],
)
def test_a_text_of_a_wrong_shape_is_told_the_right_one(category: str, field: str, wrong: str, word: str):
    """Whoever misses a pattern learns what to send."""
    with pytest.raises(InvalidRequestError) as caught:
        parse_body(category, WHOLE[category] | {field: wrong})
    ((pointer, sentence),) = caught.value.errors

    assert f"/body/{field}" == pointer
    assert word in sentence


def test_lengths_have_limits():
    """Short texts end at 200 characters, notes at 20,000, lists at 100 items, also after NFC."""
    assert parse_body("daily_note", {"text": "x" * 20_000})
    assert ["/body/text"] == refused("daily_note", {"text": "x" * 20_001})
    assert ["/body/kind"] == refused("observation", {"kind": "x" * 201, "value": "1"})
    assert ["/body/kind"] == refused("observation", {"kind": "\u0958" * 200, "value": "1"})
    assert ["/body/actions"] == refused("care_plan", WHOLE["care_plan"] | {"actions": ["x"] * 101})
    assert ["/body/actions/1"] == refused("care_plan", WHOLE["care_plan"] | {"actions": ["x", ""]})


@pytest.mark.parametrize(
    "value", ["1e3", "+1", " 1", "1_000", "0x1", "1.", ".5", "1.1234567", "1" * 13, "٣", "NaN", "1\n", "1,5"]
)
def test_values_are_plain_decimals(value: str):
    """A value is up to 12 digits and 6 decimals, in ASCII, and nothing else."""
    assert ["/body/value"] == refused("observation", {"kind": "weight", "value": value})


def test_an_observation_says_exactly_one_thing():
    """One of value, text and components is there, and a unit only beside a value."""
    part = {"kind": "systolic", "value": "120", "unit": "mmHg"}
    assert parse_body("observation", {"kind": "bp", "components": [part]})
    assert parse_body("observation", {"kind": "mood", "text": "cheerful"})
    for raw in (
        {},
        {"value": "1", "text": "x"},
        {"text": "x", "unit": "kg"},
        {"text": "x", "components": [part]},
    ):
        assert ["/body"] == refused("observation", {"kind": "x", **raw})
    assert ["/body/components"] == refused("observation", {"kind": "bp", "components": []})
    assert ["/body/components/0/unit"] == refused(
        "observation", {"kind": "bp", "components": [{"kind": "systolic", "value": "120"}]}
    )


@pytest.mark.parametrize("parts", list(product((True, False), repeat=4)))
def test_the_description_of_an_observation_takes_what_is_taken(parts: tuple[bool, ...]):
    """Its schema and its reader agree on which of value, unit, text and components go together."""
    said = {"value": "1", "unit": "kg", "text": "x", "components": [{"kind": "a", "value": "1", "unit": "b"}]}
    raw = {"kind": "x"} | {name: said[name] for name, there in zip(said, parts, strict=True) if there}
    judge = Draft202012Validator(TypeAdapter(Observation).json_schema())
    try:
        taken = bool(parse_body("observation", raw))
    except InvalidRequestError:
        taken = False

    assert taken == judge.is_valid(raw)


def test_an_allergy_is_a_substance_or_none_known():
    """None known stands alone; a substance has severity and status."""
    assert {"none_known": True} == dump(parse_body("allergy", {"none_known": True}))
    assert ["/body"] == refused("allergy", WHOLE["allergy"] | {"none_known": True})
    assert ["/body/severity", "/body/status"] == refused("allergy", {"substance": "Sesame"})


def test_a_document_has_sound_bytes_of_at_most_five_mebibytes():
    """Content is strict base64 with padding; one byte over 5 MiB is refused; null is for imports."""
    document = WHOLE["document"]
    largest = base64.b64encode(bytes(DOCUMENT_BYTES)).decode()
    over = base64.b64encode(bytes(DOCUMENT_BYTES + 1)).decode()
    assert parse_body("document", document | {"content_base64": largest})
    for wrong in (over, CONTENT + "\n", CONTENT[:-1], "====", "QUJ", "Q=Q=", None):
        assert ["/body/content_base64"] == refused("document", document | {"content_base64": wrong})
    without = document | {"content_base64": None}
    assert without == dump(parse_imported_body("document", without))
    with pytest.raises(InvalidRequestError):
        parse_imported_body("document", {key: document[key] for key in ("about", "title", "media_type")})


def test_a_document_is_about_a_record_category_but_not_a_document():
    """`about` names one of the 17 other record categories."""
    for category in BODY_OF:
        raw = WHOLE["document"] | {"about": category}
        if category == "document":
            assert ["/body/about"] == refused("document", raw)
        else:
            assert parse_body("document", raw)
    assert ["/body/about"] == refused("document", WHOLE["document"] | {"about": "identity"})
    for media_type in ("pdf", "a/b; c=d", "a/", "a/b\n"):
        assert ["/body/media_type"] == refused("document", WHOLE["document"] | {"media_type": media_type})


def test_the_documented_shapes_take_the_same_bodies():
    """The models shown in the API's documentation accept each whole body, told apart by category."""
    new_record: TypeAdapter[Any] = TypeAdapter(NewRecord)
    any_body: TypeAdapter[Any] = TypeAdapter(AnyBody)
    for category, body in WHOLE.items():
        record = {"category": category, "occurred_at": "2026-03-01T10:00:00Z", "body": body}
        assert BODY_OF[category] is type(new_record.validate_python(record).body)
        assert any_body.validate_python(body)

    schema = new_record.json_schema()
    assert set(BODY_OF) == set(schema["discriminator"]["mapping"])
    assert '"null"' not in json.dumps(schema)


def test_a_document_may_be_about_every_other_category():
    """A category that comes later is not forgotten here."""
    assert set(get_args(AboutCategory)) == set(CATEGORIES) - {"document"}
