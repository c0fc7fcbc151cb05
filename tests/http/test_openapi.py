"""The published description: current, valid, complete."""

import json
from pathlib import Path

import pytest
import yaml
from openapi_spec_validator import validate

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
    assert {"$ref": "#/components/schemas/ImportedDocument"} in SCHEMAS["RecordOut"]["properties"]["body"][
        "anyOf"
    ]


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
