"""The decision against the published matrix: every role, category, action and place."""

import json
from pathlib import Path

import pytest

from app.access.agent import Agent, Grant, Place
from app.access.policy import Question, allowed_at, decide, need

MATRIX = json.loads((Path(__file__).parents[2] / "contract" / "permissions.json").read_text())
OWN = Place("home-1", None, "resident-1")
OTHER = Place("home-2", None, "resident-2")
CASES = [
    (role, category, action, place)
    for role in MATRIX["roles"]
    for category in MATRIX["categories"]
    for action in MATRIX["actions"]
    for place in ("own", "other")
]


def holds(role: str, category: str, action: str) -> bool:
    return action in MATRIX["roles"][role]["records"][category]


def agent_of(role: str, home_id: str | None = "home-1") -> Agent:
    described = MATRIX["roles"][role]
    records = [f"{c}:{a}" for c, actions in described["records"].items() for a in actions]
    may = frozenset(records + described["system"])
    return Agent("org", "user", "user", (Grant(role, may, home_id),))


def expected(role: str, category: str, action: str, place: str) -> str:
    """The contract's order: nowhere held, out of sight, seen but not allowed."""
    if not holds(role, category, action):
        return "refused"
    return "permitted" if place == "own" else "hidden"


def test_the_matrix_has_the_expected_size():
    """The test walks 15 roles, 20 categories, 4 actions and 2 places."""
    assert 15 * 20 * 4 * 2 == len(CASES)


@pytest.mark.parametrize("role", list(MATRIX["roles"]))
def test_each_cell_of_the_matrix_is_decided_as_published(role):
    """What a role may do at its own home, and nothing else, is permitted."""
    wrong = []
    for r, category, action, place in CASES:
        if r != role:
            continue
        question = Question(
            anywhere=need(f"{category}:{action}"),
            here=need(f"{category}:{action}"),
            seen=need(f"{category}:read"),
            place=OWN if place == "own" else OTHER,
        )
        result = decide(agent_of(role), question).result
        if result != expected(role, category, action, place):
            wrong.append((category, action, place, result))

    assert [] == wrong


def test_read_but_not_update_is_refused_once_another_home_allows_it():
    """Step 3: an action held only elsewhere is refused where the thing may be read."""
    carer, nurse = agent_of("carer"), agent_of("nurse", "home-2")
    both = Agent("org", "user", "user", (*carer.grants, *nurse.grants))
    question = Question(need("care_plan:update"), need("care_plan:update"), need("care_plan:read"), OWN)

    assert "refused" == decide(both, question).result


def test_a_category_readable_only_elsewhere_is_hidden_here():
    """Step 2: medication is as good as not there where the caller may not read it."""
    carer, nurse = agent_of("carer"), agent_of("nurse", "home-2")
    both = Agent("org", "user", "user", (*carer.grants, *nurse.grants))
    question = Question(need("medication:read"), need("medication:read"), need("medication:read"), OWN)

    assert "hidden" == decide(both, question).result


def test_a_list_holds_at_each_home_what_is_held_there():
    """Somebody who is a carer here and a nurse there gets here what a carer gets, and no more."""
    both = Agent("org", "user", "user", (*agent_of("carer").grants, *agent_of("nurse", "home-2").grants))
    asked = ("care_plan:read", "care_plan:update", "medication:read")

    assert [True, False, False] == [allowed_at(both, permission, OWN) for permission in asked]
    assert [True, True, True] == [allowed_at(both, permission, OTHER) for permission in asked]


@pytest.mark.parametrize(
    ("second", "expected"), [("home-1", "permitted"), (None, "permitted"), ("home-2", "hidden")]
)
def test_two_roles_add_up_where_both_hold(second, expected):
    """What takes two permissions is permitted to who has one of each of two roles at the place."""
    both = (
        Grant("files", frozenset({"document:read"}), "home-1"),
        Grant("medicines", frozenset({"medication:read"}), second),
        Grant("everything elsewhere", frozenset({"document:read", "medication:read"}), "home-3"),
    )
    wanted = need("document:read", "medication:read")

    assert (
        expected == decide(Agent("org", "user", "user", both), Question(wanted, wanted, wanted, OWN)).result
    )


def test_missing_is_told_only_to_those_who_might_have_seen_it():
    """The kitchen learns nothing about whether a medication is there."""
    question = Question(anywhere=need("medication:read"), missing=True)

    assert ("refused", "missing") == (
        decide(agent_of("kitchen"), question).result,
        decide(agent_of("nurse"), question).result,
    )


def test_organisation_wide_operations_count_only_assignments_without_a_home():
    """A home-scoped assignment never opens what concerns the whole organisation."""
    question = Question(anywhere=need("audit:export"), organisation_wide=True)

    assert ("refused", "permitted") == (
        decide(agent_of("auditor"), question).result,
        decide(agent_of("auditor", None), question).result,
    )


@pytest.mark.parametrize("narrowed", ["unit", "residents"])
def test_a_narrowed_assignment_reaches_no_further(narrowed):
    """An assignment for one unit, or for named residents, holds there only."""
    may = agent_of("nurse").grants[0].may
    grant = (
        Grant("nurse", may, "home-1", unit="east")
        if narrowed == "unit"
        else Grant("nurse", may, "home-1", residents=frozenset({"resident-1"}))
    )
    agent = Agent("org", "user", "user", (grant,))
    inside = Place("home-1", "east", "resident-1")
    outside = Place("home-1", "west", "resident-2")

    def asked(place: Place) -> str:
        return decide(agent, Question(need("diet:read"), need("diet:read"), (), place)).result

    assert ("permitted", "hidden") == (asked(inside), asked(outside))


def test_thirty_days_after_discharge_only_some_roles_reach_a_resident():
    """After care, the managers, the administrator and the nurse see a former resident; nobody else."""
    place = Place("home-1", None, "resident-1", after_care=True)
    question = Question(need("identity:read"), need("identity:read"), (), place)
    seeing = {r for r in MATRIX["roles"] if decide(agent_of(r), question).result == "permitted"}

    assert {"registered_manager", "deputy_manager", "nurse", "administrator"} == seeing


def test_no_grants_mean_nothing():
    """An empty set of permissions is nothing, never everything."""
    agent = Agent("org", "user", "user", ())

    assert "refused" == decide(agent, Question(need("identity:read"))).result
