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
