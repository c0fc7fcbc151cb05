"""What a stored answer of an incident shows to a caller who reaches less by now."""

from typing import Any

import pytest

from app.core.identifiers import new_id
from app.incidents import shown_again
from tests.http.errands_of_breach import EVER
from tests.support.reporting import incident, path_of, recorded
from tests.support.served import Ask, Person, Served


@pytest.fixture(scope="module")
def keeper(served: Served) -> Person:
    """Who manages the whole organisation all the while."""
    return served.world.person("registered_manager", None)


@pytest.fixture
def caller(served: Served) -> Person:
    """Who manages the whole organisation as yet."""
    return served.world.person("registered_manager", None)


def sent(served: Served, who: Person, method: str, path: str, body: Any) -> tuple[Ask, dict[str, Any]]:
    """Send a request with a key, twice; return it and its answer, which both times is the same."""
    ask = Ask(method, path, who, body, {"Idempotency-Key": new_id()})
    first, again = (served.ask_all([ask])[0] for _ in range(2))
    assert first.status_code in (200, 201), first.text
    assert first.json() == again.json()
    told: dict[str, Any] = first.json()
    return ask, told


def becomes_deputy(served: Served, keeper: Person, who: Person, *homes: str) -> None:
    """Have somebody stand in for the manager at some homes, and do nothing else."""
    user = f"/v1/users/{who.id}"
    etag = served.ask("GET", user, keeper).headers["ETag"]
    body = {"assignments": [{"role": "deputy_manager", "home_id": home} for home in homes]}
    assert 200 == served.ask("PATCH", user, keeper, json=body, headers={"If-Match": etag}).status_code


def repeated(served: Served, ask: Ask) -> dict[str, Any]:
    """Return the answer of a repeat that must succeed."""
    answer = served.ask_all([ask])[0]
    assert answer.status_code in (200, 201), answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_a_scope_counted_for_more_than_is_in_reach_is_left_out(
    served: Served, keeper: Person, caller: Person
) -> None:
    """What was counted for the whole organisation, or two homes, is not shown to whoever reaches one."""
    world = served.world
    path = path_of(recorded(served, keeper, world.home))
    wide, whole = sent(served, caller, "PUT", f"{path}/scope", EVER)
    becomes_deputy(served, keeper, caller, world.home, world.other_home)
    of_two, counted = sent(served, caller, "PUT", f"{path}/scope", EVER | {"to": world.later()})
    both = repeated(served, wide), repeated(served, of_two)
    becomes_deputy(served, keeper, caller, world.home)

    assert whole["scope"] is not None
    assert [None, counted["scope"]] == [one["scope"] for one in both]
    assert [whole["selection"], counted["selection"]] == [one["selection"] for one in both]
    assert counted | {"scope": None} == repeated(served, of_two)


def test_a_scope_names_nobody_to_whom_the_trail_is_closed(
    served: Served, keeper: Person, caller: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who acted is told by name to readers of the trail alone; to others by id."""
    path = path_of(recorded(served, keeper, served.world.home))
    ask, told = sent(served, caller, "PUT", f"{path}/scope", EVER)
    monkeypatch.setattr(shown_again, "reads_trail", lambda _opened: False)

    again = repeated(served, ask)

    acting = told["scope"]["actors"]
    assert any(one["name"] for one in acting)
    assert [one | {"name": None} for one in acting] == again["scope"]["actors"]


def test_of_a_containment_only_people_within_reach_are_shown(
    served: Served, keeper: Person, caller: Person
) -> None:
    """Whoever works at a home out of reach is left out, of the containment and of its incident."""
    world = served.world
    path = path_of(recorded(served, caller, world.home))
    here, there = (world.person("carer", home) for home in (world.home, world.other_home))
    body = {"user_ids": [here.id, there.id], "end_sessions": True, "reason": "seen with a list"}
    shut, told = sent(served, caller, "POST", f"{path}/containment", body)
    amended, whole = sent(served, caller, "PATCH", path, {"lessons": "ask first"})
    becomes_deputy(served, keeper, caller, world.home)

    again, incident_again = repeated(served, shut), repeated(served, amended)

    assert [here.id, there.id] == told["user_ids"] == whole["containments"][0]["user_ids"]
    assert told | {"user_ids": [here.id], "users": told["users"][:1]} == again
    assert whole | {"containments": [whole["containments"][0] | {"user_ids": [here.id]}]} == incident_again


def test_a_like_incident_about_the_caller_is_left_out(served: Served, keeper: Person) -> None:
    """An incident that is about its reader by now is not told of by another one either."""
    world = served.world
    home = world.open_home(world.org, "Repeating House")
    deputy = world.person("deputy_manager", home)
    like = recorded(served, keeper, home)
    ask, told = sent(served, deputy, "POST", "/v1/incidents", incident(home))
    naming = {"concerned_ids": [deputy.id]}
    assert 200 == served.ask("PATCH", path_of(like), keeper, json=naming).status_code

    again = repeated(served, ask)

    assert [like["id"]] == [one["id"] for one in told["repeats"]]
    assert told | {"repeats": []} == again
