"""A refusal names the place and says what to send instead."""

from typing import Any

import pytest

from app.access.categories import CATEGORIES
from tests.support.served import Served
from tests.unit.trail.stories import admit

AT = "2026-03-02T08:00:00Z"
MEDICINE = {
    "name": "Donepezil",
    "dose": "5 mg",
    "route": "oral",
    "frequency": "at night",
    "status": "stopped",
}
BACKWARDS = MEDICINE | {"started_on": "2026-02-02", "ended_on": "2026-02-01"}


def told(answer: Any) -> dict[str, str]:
    """Return what a refusal says, by the place it says it of."""
    assert 422 == answer.status_code, answer.text
    return {one["pointer"]: one["detail"] for one in answer.json()["errors"]}


@pytest.mark.parametrize("named", [{}, {"category": "no_such"}, {"category": "identity"}, {"category": None}])
def test_a_record_without_a_category_learns_which_there_are(served: Served, named: dict[str, Any]) -> None:
    """A missing category and an unknown one are pointed at, with every category there is."""
    world = served.world
    path = f"/v1/residents/{admit(world, world.home)}/records"
    body = named | {"occurred_at": AT, "body": {"text": "Slept well."}}
    said = told(served.ask("POST", path, world.person("registered_manager"), json=body))

    assert ["/category"] == list(said)
    assert [] == [one for one in CATEGORIES if one not in said["/category"]]


def test_a_medicine_that_ends_before_it_starts_is_refused(served: Served) -> None:
    """Recorded or amended, the day of its end is pointed at."""
    world = served.world
    manager = world.person("registered_manager")
    path = f"/v1/residents/{admit(world, world.home)}/records"
    body = {"category": "medication", "occurred_at": AT, "body": MEDICINE}
    made = served.ask("POST", path, manager, json=body).json()
    amended = {"occurred_at": AT, "body": BACKWARDS, "amendment_reason": "days"}
    expected = {"/body/ended_on": "Must not lie before started_on."}

    assert expected == told(served.ask("POST", path, manager, json=body | {"body": BACKWARDS}))
    headers = {"If-Match": '"1"'}
    again = served.ask("PUT", f"{path}/{made['id']}", manager, json=amended, headers=headers)
    assert expected == told(again)


def test_an_unknown_parameter_is_answered_with_the_known_ones(served: Served) -> None:
    """The name itself is input and is not repeated; the names there are help."""
    manager = served.world.person("registered_manager")
    some = told(served.ask("GET", "/v1/residents?page=2", manager))["/query"]
    none = told(served.ask("GET", "/v1/users/me?page=2", manager))["/query"]

    assert some.endswith("It takes: cursor, home_id, limit, status.")
    assert none.endswith("It takes none.")
    assert "page" not in some + none


@pytest.mark.parametrize("digits", ["9" * 19, "9" * 20, "9" * 5000])
def test_a_number_beyond_all_bounds_is_too_large(served: Served, digits: str) -> None:
    """Plain digits are not asked for again."""
    answer = served.ask("GET", f"/v1/residents?limit={digits}", served.world.person("registered_manager"))

    assert {"/query/limit": "Is too large a number."} == told(answer)


def test_nobody_is_sent_to_themselves_for_an_assignment(served: Served) -> None:
    """A manager who wants another role, or to give what they lack, is not told to ask their manager."""
    world = served.world
    manager = world.person("registered_manager", None)
    path, headers = f"/v1/users/{manager.id}", {"If-Match": '"1"'}
    own = served.ask("PATCH", path, manager, json={"assignments": []}, headers=headers)
    wide = {"role": "it_admin", "home_id": None}
    body = {"username": "v4", "display_name": "V Four", "kind": "staff", "assignments": [wide]}
    more = served.ask("POST", "/v1/users", manager, json=body)

    assert (403, "forbidden") == (own.status_code, own.json()["type"].rpartition("/")[2])
    assert "Nobody changes their own assignments. Ask another manager." == own.json()["detail"]
    assert (403, "Nobody grants what they lack themselves.") == (more.status_code, more.json()["detail"])
    assert ["own-assignments", "escalation"] == [served.lines_of(a)[0].e["why"] for a in (own, more)]


def test_a_permission_at_one_home_where_all_are_wanted_is_told_of(served: Served) -> None:
    """Of a manager of one home the role allows it, but for all; who may not at all is told the same."""
    for role in ("registered_manager", "carer"):
        refused = served.ask("GET", "/v1/audit/export", served.world.person(role))
        assert (403, "forbidden") == (refused.status_code, refused.json()["type"].rpartition("/")[2])
        assert "permission for the whole organisation, not for one of its homes" in refused.json()["detail"]
