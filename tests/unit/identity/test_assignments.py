"""Assignments of an account."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import InvalidRequestError
from app.core.identifiers import new_id
from app.identity.assignments import Assignment, check_kinds, dump_assignments, parse_assignments

HOME, ANNE, BOB = sorted(new_id() for _ in range(3))
KINDS = {"nurse": "staff", "carer": "staff", "agency_nurse": "agency", "agency_carer": "agency"}


def test_assignments_of_every_scope():
    """A role holds in the organisation, a home, a unit, or for named residents."""
    plain = [
        {"role": "auditor", "home_id": None},
        {"role": "nurse", "home_id": HOME},
        {"role": "carer", "home_id": HOME, "unit": "Rose"},
        {"role": "visiting_professional", "home_id": HOME, "resident_ids": [ANNE, BOB]},
        {"role": "visiting_professional", "home_id": None, "resident_ids": [BOB]},
    ]

    assignments = parse_assignments(plain)

    assert assignments == (
        Assignment("auditor"),
        Assignment("nurse", HOME),
        Assignment("carer", HOME, "Rose"),
        Assignment("visiting_professional", HOME, None, (ANNE, BOB)),
        Assignment("visiting_professional", None, None, (BOB,)),
    )
    assert dump_assignments(assignments) == plain


def test_absent_and_null_are_the_same():
    """What is left out, or null, sets no limit."""
    assert parse_assignments([{"role": "nurse", "home_id": HOME, "unit": None, "resident_ids": None}]) == (
        Assignment("nurse", HOME),
    )
    assert parse_assignments([{"role": "auditor"}]) == (Assignment("auditor"),)
    assert parse_assignments([]) == ()


def test_residents_are_kept_once_and_in_order():
    """The same residents are the same assignment, in whatever order they were named."""
    given_ids = [BOB, ANNE, BOB]

    assert parse_assignments([{"role": "nurse", "resident_ids": given_ids}])[0].resident_ids == (ANNE, BOB)


@pytest.mark.parametrize(
    ("plain", "pointer"),
    [
        (None, ""),
        ({}, ""),
        ("nurse", ""),
        ([{"role": "nurse"}] * 65, ""),
        (["nurse"], "/0"),
        ([{"role": "nurse", "home": HOME}], "/0"),
        ([{"role": "nurse", "may": ["keys:rotate"]}], "/0"),
        ([{"role": "nurse"}, {"role": "nurse", "home_id": None}], "/1"),
        ([{}], "/0/role"),
        ([{"role": None}], "/0/role"),
        ([{"role": ""}], "/0/role"),
        ([{"role": " nurse"}], "/0/role"),
        ([{"role": "x" * 65}], "/0/role"),
        ([{"role": 1}], "/0/role"),
        ([{"role": "nurse", "home_id": ""}], "/0/home_id"),
        ([{"role": "nurse", "home_id": HOME.upper()}], "/0/home_id"),
        ([{"role": "nurse", "home_id": [HOME]}], "/0/home_id"),
        ([{"role": "nurse", "home_id": HOME, "unit": ""}], "/0/unit"),
        ([{"role": "nurse", "home_id": HOME, "unit": "a\0b"}], "/0/unit"),
        ([{"role": "nurse", "unit": "Rose"}], "/0/unit"),
        ([{"role": "nurse"}, {"role": "carer", "resident_ids": []}], "/1/resident_ids"),
        ([{"role": "nurse", "resident_ids": ANNE}], "/0/resident_ids"),
        ([{"role": "nurse", "resident_ids": [ANNE] * 257}], "/0/resident_ids"),
        ([{"role": "nurse", "resident_ids": [ANNE, None]}], "/0/resident_ids/1"),
        ([{"role": "nurse", "resident_ids": [ANNE, {}]}], "/0/resident_ids/1"),
    ],
)
def test_senseless_assignments_are_refused(plain, pointer):
    """What is no assignment is refused with a pointer to it."""
    with pytest.raises(InvalidRequestError) as error:
        parse_assignments(plain)

    assert [where for where, _ in error.value.errors] == ["/assignments" + pointer]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([HOME, "nurse"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "home_id", "unit", "resident_ids", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON)
def test_any_json_is_parsed_or_refused(plain):
    """Whatever JSON comes is refused, or means the same after it was stored."""
    try:
        assignments = parse_assignments(plain)
    except InvalidRequestError:
        return
    stored = json.loads(json.dumps(dump_assignments(assignments)))
    assert parse_assignments(stored) == assignments


@pytest.mark.parametrize(
    ("kind", "role", "fits"),
    [
        ("staff", "nurse", True),
        ("staff", "carer", True),
        ("staff", "agency_nurse", False),
        ("staff", "agency_carer", False),
        ("agency", "agency_nurse", True),
        ("agency", "agency_carer", True),
        ("agency", "nurse", False),
        ("agency", "carer", False),
        ("staff", "matron", False),
        ("agency", "matron", False),
    ],
)
def test_roles_fit_the_kind_of_user(kind, role, fits):
    """An agency user takes only agency roles, a member of staff only roles for staff."""
    assignments = [Assignment(role, HOME)]
    if fits:
        check_kinds(kind, assignments, KINDS)
    else:
        with pytest.raises(InvalidRequestError) as error:
            check_kinds(kind, assignments, KINDS)
        assert [where for where, _ in error.value.errors] == ["/assignments/0/role"]


def test_every_unfit_role_is_told():
    """All assignments that do not fit are named at once, unknown roles apart."""
    assignments = [Assignment("nurse"), Assignment("agency_nurse"), Assignment("matron")]

    with pytest.raises(InvalidRequestError) as error:
        check_kinds("staff", assignments, KINDS)

    assert error.value.errors == (
        ("/assignments/1/role", "A user of kind staff takes only roles for staff users."),
        ("/assignments/2/role", "There is no such role."),
    )
    check_kinds("agency", [], KINDS)
