"""The published description: current, valid, complete."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from app.residents.bodies import BODY_OF
from app.residents.refusals import WRITTEN_SO
from tests.tools.write_openapi import TARGET, described, written

CONTRACT = Path(__file__).parents[1] / "contract"
OPERATIONS, ADDED = (
    json.loads((CONTRACT / name).read_text())["operations"] for name in ("operations.json", "additions.json")
)
DESCRIBED = described()
SERVED = {
    f"{method.upper()} {path}": operation
    for path, methods in DESCRIBED["paths"].items()
    for method, operation in methods.items()
}
LATER = 4


def test_the_committed_description_is_what_the_application_serves():
    """`openapi.yaml` equals the description generated from the code (make openapi)."""
    assert written() == TARGET.read_text(encoding="utf-8")
    assert DESCRIBED == yaml.safe_load(TARGET.read_text(encoding="utf-8"))


def test_the_description_is_valid_openapi_3_1():
    """The description passes the specification's own schema."""
    validate(DESCRIBED)

    assert DESCRIBED["openapi"].startswith("3.1")


def test_every_audited_operation_and_nothing_else_is_described():
    """The description holds the contract's operations, less those that come later, and the added ones."""
    published = {f"{o['method']} {o['path']}" for o in OPERATIONS + ADDED}

    assert set() == SERVED.keys() - published
    assert (85, 85 - LATER) == (len(published), len(SERVED))


@pytest.mark.parametrize("name", sorted(SERVED))
def test_each_operation_is_fully_described(name):
    """Id, summary, tag, permission, act, security, success and problems are all there."""
    operation = SERVED[name]
    contract = {f"{o['method']} {o['path']}": o for o in OPERATIONS + ADDED}[name]
    problems = {s: r for s, r in operation["responses"].items() if s[0] in "45"}

    assert (contract["permission"], contract["act"]) == (
        operation["x-permission"],
        operation["x-audit-act"],
    )
    assert str(contract["success"]) in operation["responses"]
    assert operation["operationId"]
    assert operation["summary"]
    assert operation["tags"]
    assert (name != "POST /v1/sessions") == ("security" in operation)
    assert {"401", "403", "404", "422", "503"} <= problems.keys()
    assert all("application/problem+json" in r["content"] for r in problems.values())


def test_operation_ids_are_unique():
    """A generator makes one function for each operation."""
    ids = [operation["operationId"] for operation in SERVED.values()]

    assert len(ids) == len(set(ids))


def test_every_reference_leads_somewhere():
    """No schema refers to one that is not there."""
    text = json.dumps(DESCRIBED)
    wanted = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}

    assert set() == wanted - DESCRIBED["components"]["schemas"].keys()


SCHEMAS = DESCRIBED["components"]["schemas"]
COMPONENTS = "#/components/schemas/"
CLEARED = {
    "ResidentPatch": {"room", "unit"},
    "IdentityPatch": {"preferred_name", "sex"},
    "IdentifiersPatch": {"nhs_number"},
    "IncidentPatch": {
        *("occurred_at", "ended_at", "detected_at", "became_aware_at", "people_affected", "how_found"),
        *("consequences", "measures", "clinical_harm", "contact", "local_reference", "root_cause", "lessons"),
    },
}


@pytest.mark.parametrize("name", sorted(CLEARED))
def test_a_patch_says_which_fields_null_clears(name):
    """What a merge patch takes away is null in its schema, and nothing else is."""
    fields = SCHEMAS[name]["properties"]

    assert CLEARED[name] == {
        one for one, shape in fields.items() if {"type": "null"} in shape.get("anyOf", ())
    }


@pytest.mark.parametrize("name", ["Identifiers", "IdentifiersPatch", "IdentifiersOut", "SearchIn"])
def test_an_nhs_number_is_described_wherever_it_stands(name):
    """Whoever sends or reads the number learns of its digits and how it is checked."""
    about = SCHEMAS[name]["properties"]["nhs_number"]["description"]

    assert "Ten digits" in about
    assert "modulus 11" in about


def test_a_document_may_lack_its_bytes_in_an_answer():
    """Null stands in an answer for bytes an import did not have; nobody may send it."""
    null = {"type": "null"}

    assert null in SCHEMAS["ImportedDocument"]["properties"]["content_base64"]["anyOf"]
    assert "anyOf" not in SCHEMAS["Document"]["properties"]["content_base64"]
    for answered in ("DocumentRecord", "DocumentVersion"):
        assert {"$ref": f"{COMPONENTS}ImportedDocument"} == SCHEMAS[answered]["properties"]["body"]


@pytest.mark.parametrize("name", ["RecordOut", "VersionOut"])
def test_a_record_of_an_answer_is_told_apart_by_its_category(name):
    """One class for each category, with the body of that category: no client has to guess from the fields."""
    mapping = SCHEMAS[name]["discriminator"]["mapping"]
    told = {
        category: SCHEMAS[ref.removeprefix(COMPONENTS)]["properties"] for category, ref in mapping.items()
    }
    sent = {one["properties"]["category"]["const"]: one for one in SCHEMAS.values() if _makes_a_record(one)}

    assert "category" == SCHEMAS[name]["discriminator"]["propertyName"]
    assert [{"$ref": ref} for ref in mapping.values()] == SCHEMAS[name]["oneOf"]
    assert sent.keys() == told.keys()
    assert {category: category for category in told} == {
        c: one["category"]["const"] for c, one in told.items()
    }
    for category in told.keys() - {"document"}:
        assert sent[category]["properties"]["body"] == told[category]["body"]


def test_pages_hold_what_is_told_apart():
    """Lists of records and of versions refer to the same."""
    for page, one in (("RecordPage", "RecordOut"), ("VersionPage", "VersionOut")):
        assert {"$ref": f"{COMPONENTS}{one}"} == SCHEMAS[page]["properties"]["items"]["items"]


def test_the_body_of_an_amendment_is_one_of_a_category():
    """Whoever generates a client gets a type for the body, not any object."""
    refs = {
        one["$ref"].removeprefix(COMPONENTS) for one in SCHEMAS["AmendmentIn"]["properties"]["body"]["anyOf"]
    }

    assert {body.__name__ for body in BODY_OF.values()} | {"ImportedDocument"} == refs


def test_no_object_with_fields_is_a_choice_as_well():
    """Generators of clients make no type of an object whose schema also has `oneOf` or `anyOf`."""
    assert [] == [
        n for n, s in SCHEMAS.items() if "properties" in s and {"oneOf", "anyOf", "allOf"} & s.keys()
    ]


def _makes_a_record(schema):
    """Say whether a schema is that of a record to be made."""
    properties = schema.get("properties", {})
    return "const" in properties.get("category", {}) and "id" not in properties


def test_a_call_may_be_marked_as_no_activity():
    """Whatever wants a session may be asked without keeping it awake, and says how."""
    marked = {
        name: [p["schema"] for p in row["parameters"] if p["name"] == "Caretrail-Background"]
        for name, row in SERVED.items()
    }

    assert marked == {
        name: [{"type": "string", "enum": ["1"]}] if "security" in row else [] for name, row in SERVED.items()
    }


def test_what_stays_below_http_is_told_once():
    """The statuses that no operation answers by itself stand in the introduction."""
    assert [] == [
        code for code in ("400", "408", "431", "501") if code not in DESCRIBED["info"]["description"]
    ]


def test_every_pattern_says_what_it_wants():
    """A field with a pattern is described in words, and they are those of its refusal."""
    wordless = [
        (n, f) for n, f, shape in _patterned() if shape.get("description") != WRITTEN_SO[shape["pattern"]]
    ]

    assert [] == wordless
    assert len(WRITTEN_SO) == len({shape["pattern"] for _, _, shape in _patterned()})


def _patterned():
    """Return (schema, field, its shape) of what has a pattern in a body."""
    for name, schema in SCHEMAS.items():
        for field, shape in schema.get("properties", {}).items():
            one = shape.get("items", shape)
            if "pattern" in one:
                yield name, field, one


PATCHES = ["ResidentPatch", "UserPatch", "ShiftPatch", "IncidentPatch"]


@pytest.mark.parametrize("name", [*PATCHES, "SearchIn"])
def test_nothing_at_all_is_no_patch_and_no_search(name):
    """What is always refused does not fit the description."""
    assert not Draft202012Validator(SCHEMAS[name]).is_valid({})


@pytest.mark.parametrize(
    ("fits", "body"),
    [
        (True, {"nhs_number": "9990000018"}),
        (True, {"family_name": "Moss"}),
        (True, {"family_name": "Moss", "date_of_birth": "1940-05-06"}),
        (False, {"date_of_birth": "1940-05-06"}),
        (False, {"nhs_number": "9990000018", "family_name": "Moss"}),
        (False, {"nhs_number": "9990000018", "date_of_birth": "1940-05-06"}),
    ],
)
def test_a_search_has_two_ways(fits, body):
    """By number alone, or by family name with or without the day of birth."""
    assert fits == Draft202012Validator(SCHEMAS["SearchIn"]).is_valid(body)


def test_a_reason_alone_changes_no_incident():
    """A reason goes with a change."""
    judge = Draft202012Validator(SCHEMAS["IncidentPatch"])

    assert not judge.is_valid({"reason": "typing error"})
    assert judge.is_valid({"reason": "typing error", "contact": None})


def test_each_cursor_says_what_goes_with_it():
    """Every list with pages says that a cursor wants the parameters it was made for, `limit` included."""
    cursors = [p for row in SERVED.values() for p in row["parameters"] if p["name"] == "cursor"]

    assert 12 == len(cursors)
    assert all("`limit` included" in one["description"] for one in cursors)


def test_ids_of_answers_are_described_as_lower_case():
    """A client may compare ids byte for byte."""
    wrong = [name for name, one in SCHEMAS.items() if _uuid(one.get("properties", {}).get("id", {})) is False]

    assert [] == wrong


def _uuid(shape):
    """Say whether an id is described as lower case; None where it is no UUID."""
    return "lower case" in shape.get("description", "") if shape.get("format") == "uuid" else None
