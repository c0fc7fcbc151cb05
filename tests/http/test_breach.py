"""A breach over HTTP: what it reaches, and who is told of that."""

from typing import Any

import pytest

from app.incidents.table import incident, incident_scope
from tests.http.bodies import admission, record_of
from tests.support.reporting import path_of, recorded
from tests.support.served import Line, Person, Served

EVER = {"from": "2026-03-01T00:00:00Z"}


@pytest.fixture(scope="module")
def manager(served: Served) -> Person:
    """Who manages incidents of the whole organisation."""
    return served.world.person("registered_manager", None)


def entries(lines: list[Line]) -> list[tuple[str, str]]:
    """Return act and outcome of lines."""
    return [(line.e["act"], line.e["out"]) for line in lines]


def resident_at(served: Served, manager: Person, home: str) -> str:
    """Admit somebody and return their id."""
    answer = served.ask("POST", "/v1/residents", manager, json=admission(home, "Reached"))
    assert 201 == answer.status_code, answer.text
    return str(answer.json()["id"])


def scope_of(served: Served, who: Person, path: str, **selection: Any) -> dict[str, Any]:
    """Say what an incident is about and return the scope."""
    answer = served.ask("PUT", f"{path}/scope", who, json=EVER | selection)
    assert 200 == answer.status_code, answer.text
    scope: dict[str, Any] = answer.json()["scope"]
    return scope


def test_a_scope_counts_what_somebody_did(served: Served, manager: Person) -> None:
    """Reads, changes and refusals are counted by resident and category, with the name the trail has."""
    world = served.world
    carer = world.person("carer", name="Cora Carer")
    here = resident_at(served, manager, world.home)
    there = resident_at(served, manager, world.other_home)
    note = served.ask("POST", f"/v1/residents/{here}/records", carer, json=record_of("daily_note", "slept"))
    record = f"/v1/residents/{here}/records/{note.json()['id']}"
    asked = [
        ("GET", f"/v1/residents/{here}", 200),
        ("GET", record, 200),
        ("GET", record, 200),
        ("GET", f"/v1/residents/{here}/records", 200),
        ("GET", f"/v1/residents/{there}", 404),
        ("GET", "/v1/audit/events", 403),
    ]
    assert [status for *_, status in asked] == [
        served.ask(method, path, carer).status_code for method, path, _ in asked
    ]
    path = path_of(recorded(served, manager, None))

    scope = scope_of(served, manager, path, user_ids=[carer.id])

    wanted = {"counted": 8, "read": 4, "changed": 1, "exported": 0, "refused": 2, "failed": 0, "other": 1}
    assert wanted == scope["entries"]  # the other one is the sign-in
    by_id = {one["resident_id"]: one for one in scope["residents"]}
    assert {here, there} == by_id.keys()
    assert (4, 1, 0) == tuple(by_id[here][deed] for deed in ("read", "changed", "refused"))
    assert (0, 0, 1) == tuple(by_id[there][deed] for deed in ("read", "changed", "refused"))
    notes = by_id[here]["categories"]["daily_note"]
    assert (2, 1) == (notes["read"], notes["changed"])
    assert (1, 2) == (scope["residents_affected"], scope["residents_named"])
    assert {carer.id: 1} == by_id[there]["actors"]
    [actor] = scope["actors"]
    assert (carer.id, carer.display_name, ["carer"], 1) == (
        actor["user_id"],
        actor["name"],
        actor["roles"],
        actor["residents"],
    )
    counts = {one["code"]: one["count"] for one in scope["not_known"]}
    assert {"categories": 1, "refused": 1, "outside": None} == {
        code: counts[code] for code in ("categories", "refused", "outside")
    }
    assert scope["complete"]


def test_a_scope_is_kept_and_computed_anew(served: Served, manager: Person) -> None:
    """PUT keeps the selection sealed, GET counts again; each is one entry, and names whom it told of."""
    carer = served.world.person("carer")
    resident = resident_at(served, manager, served.world.home)
    path = path_of(recorded(served, manager, None))
    unset = served.ask("GET", f"{path}/scope", manager)
    put = served.ask("PUT", f"{path}/scope", manager, json=EVER | {"user_ids": [carer.id]})
    served.ask("GET", f"/v1/residents/{resident}", carer)
    again = served.ask("GET", f"{path}/scope", manager)
    twice = served.ask("PUT", f"{path}/scope", manager, json=EVER | {"resident_ids": [resident]})

    assert (None, None) == (unset.json()["selection"], unset.json()["scope"])
    assert (0, 1) == (put.json()["scope"]["entries"]["read"], again.json()["scope"]["entries"]["read"])
    assert [1, 1, 2] == [one.json()["selection"]["version"] for one in (put, again, twice)]
    lines = [served.lines_of(one) for one in (unset, put, again, twice)]
    assert [
        [("incident.scope_read", "ok")],
        [("incident.scope", "ok")],
        [("incident.scope_read", "ok")],
        [("incident.scope", "ok")],
    ] == [entries(one) for one in lines]
    assert [None, None, [resident], [resident]] == [line.e.get("subs") for [line] in lines]
    assert carer.id not in repr(served.world.rows(incident_scope)) + repr(lines[1])
    assert 1 == len([row for row in served.world.rows(incident) if path.endswith(row["id"])])


def test_a_scope_is_asked_for_strictly(served: Served, manager: Person) -> None:
    """A period that ends before it begins, an unknown field, too many ids or no beginning is 422."""
    path = path_of(recorded(served, manager, None))
    bodies = [
        EVER | {"to": "2026-02-01T00:00:00Z"},
        EVER | {"since": "x"},
        EVER | {"user_ids": ["x"] * 101},
        EVER | {"sources": ["10.0.0.1"]},
        {},
    ]

    assert [422] * 5 == [
        served.ask("PUT", f"{path}/scope", manager, json=body).status_code for body in bodies
    ]


def test_whoever_manages_a_home_is_told_of_that_home(served: Served, manager: Person) -> None:
    """A deputy's scope holds nothing of another home, and says that it does not."""
    world = served.world
    deputy = world.person("deputy_manager")
    here = resident_at(served, manager, world.home)
    there = resident_at(served, manager, world.other_home)
    for one in (here, there):
        served.ask("GET", f"/v1/residents/{one}", manager)
    path = path_of(recorded(served, deputy, world.home))

    answer = served.ask("PUT", f"{path}/scope", deputy, json=EVER | {"user_ids": [manager.id]})
    wide = scope_of(served, manager, path, user_ids=[manager.id])

    assert here in answer.text
    assert there not in answer.text
    assert world.other_home not in answer.text
    assert "other-homes" in {one["code"] for one in answer.json()["scope"]["not_known"]}
    assert there in {one["resident_id"] for one in wide["residents"]}
    [line] = served.lines_of(answer)
    assert there not in repr(line)


def test_asking_for_a_scope_does_not_add_to_it(served: Served, manager: Person) -> None:
    """However often it is said and asked, the count stays; nothing of it is a change of anybody's data."""
    resident = resident_at(served, manager, served.world.home)
    path = path_of(recorded(served, manager, None))
    scopes = [scope_of(served, manager, path, resident_ids=[resident]) for _ in range(3)]
    other = path_of(recorded(served, manager, None))
    elsewhere = scope_of(served, manager, other, resident_ids=[resident])

    assert [(1, 0)] * 3 == [(one["entries"]["changed"], one["entries"]["read"]) for one in scopes]
    told = [{one["code"]: one["count"] for one in scope["not_known"]} for scope in scopes]
    assert [None, 1, 2] == [one.get("handling") for one in told]
    assert (1, 3) == (elsewhere["entries"]["changed"], elsewhere["entries"]["read"])


def test_an_answer_ends_by_residents_too(
    served: Served, manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists that name many end an answer before its lines do; it says where, and a pack goes on."""
    carer = served.world.person("carer")
    for _ in range(3):
        resident_at(served, manager, served.world.home)
    for _ in range(3):
        assert 200 == served.ask("GET", "/v1/residents", carer).status_code
        served.world.pass_time(seconds=1)
    path = path_of(recorded(served, manager, None))
    monkeypatch.setattr("app.incidents.scope_reading.MOST_NAMED", 3)
    stopped = scope_of(served, manager, path, user_ids=[carer.id])
    pack = served.ask("GET", f"{path}/pack", manager, params={"format": "json"}).json()["scope"]

    assert (1, 3) == (stopped["entries"]["read"], pack["entries"]["read"])
    assert (False, "stopped") == (stopped["complete"], stopped["not_known"][0]["code"])


def test_a_long_period_is_counted_in_pieces_and_says_where_it_stopped(
    served: Served, manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pieces it counts what it counts at once; an answer that stops early says so, and a pack goes on."""
    carer = served.world.person("carer")
    resident = resident_at(served, manager, served.world.home)
    for _ in range(7):
        served.ask("GET", f"/v1/residents/{resident}", carer)
        served.world.pass_time(seconds=1)
    path = path_of(recorded(served, manager, None))
    sessions = {"session_ids": [carer.session.id if carer.session else ""]}
    whole = scope_of(served, manager, path, user_ids=[carer.id])
    monkeypatch.setattr("app.incidents.scope_reading.LINES_AT_ONCE", 3)
    pieces = scope_of(served, manager, path, user_ids=[carer.id])
    walked = scope_of(served, manager, path, **sessions)
    monkeypatch.setattr("app.incidents.scope_reading.MOST_AT_ONCE", 3)
    stopped = scope_of(served, manager, path, user_ids=[carer.id])
    monkeypatch.setattr("app.incidents.pack_works.LINES_AT_ONCE", 3)
    pack = served.ask("GET", f"{path}/pack", manager, params={"format": "json"}).json()["scope"]

    assert whole == pieces
    assert (7, True) == (whole["entries"]["read"], whole["complete"])
    assert 7 == walked["entries"]["read"]  # by the session: no index leads there
    assert stopped["entries"]["counted"] < whole["entries"]["counted"]
    assert (False, "stopped") == (stopped["complete"], stopped["not_known"][0]["code"])
    assert whole["entries"] == pack["entries"]
