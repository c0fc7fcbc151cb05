"""The table of operations against the contract's."""

import json
import os
from pathlib import Path

import pytest

from app.access.categories import CATEGORIES, OWN_AMENDMENT_CATEGORIES, OWN_AMENDMENT_HOURS
from app.access.operations import OPERATIONS
from app.identity.defaults import DEFAULT_ROLES, ORGANISATION_WIDE_ONLY

CONTRACT = Path(__file__).parents[2] / "contract"
PUBLISHED = json.loads((CONTRACT / "operations.json").read_text())
ADDED = json.loads((CONTRACT / "additions.json").read_text())
PERMISSIONS = json.loads((CONTRACT / "permissions.json").read_text())
LATER = {
    "PUT /v1/roles/{role}",
    "DELETE /v1/roles/{role}",
    "POST /v1/emergency-access",
    "POST /v1/oauth/token",
}
"""Rows of the contract that are not built yet."""


def test_every_row_of_the_contract_is_here_or_named_as_later():
    """54 operations are published, of which 4 come later, and 31 added: 81 are served."""
    published = {f"{o['method']} {o['path']}" for o in PUBLISHED["operations"]}
    added = {f"{o['method']} {o['path']}" for o in ADDED["operations"]}

    assert (54, 31, 81, 4) == (len(published), len(added), len(OPERATIONS), len(LATER))
    assert published | added == OPERATIONS.keys() | LATER
    assert set() == published & added


@pytest.mark.parametrize(
    "row", PUBLISHED["operations"] + ADDED["operations"], ids=lambda o: f"{o['method']} {o['path']}"
)
def test_each_row_says_what_the_contract_says(row):
    """Permission, scope, act, success and headers of a row are the contract's."""
    name = f"{row['method']} {row['path']}"
    if name in LATER:
        assert name not in OPERATIONS
        return
    ours = OPERATIONS[name]

    assert (row["permission"], row["scope"], row["act"], row["success"]) == (
        ours.permission,
        ours.scope,
        ours.act,
        ours.success,
    )
    assert (row["if_match"], row["idempotency_key"]) == (ours.if_match, ours.idempotent)


def test_the_categories_and_own_amendment_are_the_contracts():
    """The categories a record may have are those published, less the two of the resident itself."""
    published = [c for c in PERMISSIONS["categories"] if c not in ("identity", "identifiers")]

    assert published == list(CATEGORIES)
    assert PERMISSIONS["own_amendment"]["categories"] == list(OWN_AMENDMENT_CATEGORIES)
    assert PERMISSIONS["own_amendment"]["hours"] == OWN_AMENDMENT_HOURS


def test_a_new_organisation_starts_with_the_published_matrix():
    """The default roles are the published ones."""
    assert PERMISSIONS["roles"] == DEFAULT_ROLES
    assert set(PERMISSIONS["organisation_wide_only"]) == ORGANISATION_WIDE_ONLY


@pytest.mark.parametrize("name", ["operations.json", "permissions.json"])
def test_the_copies_of_the_contract_are_exact(name):
    """Our copies of the contract equal it byte for byte; not known where it is not at hand."""
    default = Path(__file__).parents[4] / "shared"
    original = Path(os.environ.get("CARETRAIL_SHARED") or default) / "contract" / name
    if not original.exists():
        pytest.skip(f"{original} is not here")

    assert (CONTRACT / name).read_bytes() == original.read_bytes()
