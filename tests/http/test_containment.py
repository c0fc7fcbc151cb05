"""Containment over HTTP: what it shuts, for whom, at once and all or nothing, and how it is undone."""

import asyncio
from typing import Any

import httpx2
import pytest

from app.access.visit import System
from app.core.errors import ForbiddenError
from app.exchange.subject_works import EXPORT as COPY
from app.exchange.subject_works import BeginCopy
from app.identity.table import account, session
from app.trail import exporting
from app.trail.table import containment
from tests.http.bodies import admission
from tests.support.reporting import path_of, recorded
from tests.support.served import Line, Person, Served

REASON = "seen with a list of residents"


@pytest.fixture(scope="module")
def manager(served: Served) -> Person:
    """Who manages incidents of the whole organisation."""
    return served.world.person("registered_manager", None)


@pytest.fixture
def incident(served: Served, manager: Person) -> str:
    """The path of an incident."""
    return path_of(recorded(served, manager, None))


def shut(served: Served, path: str, who: Person, *users: Person, **more: Any) -> httpx2.Response:
    """Send a containment."""
    body = {"user_ids": [user.id for user in users], "reason": REASON} | more
    return served.ask("POST", f"{path}/containment", who, json=body)


def lift(served: Served, path: str, who: Person) -> httpx2.Response:
    """End the freezes of an incident."""
    return served.ask("POST", f"{path}/containment/lift", who, json={"reason": "it was found"})


def entries(lines: list[Line]) -> list[tuple[str, str]]:
    """Return act and outcome of lines."""
    return [(line.e["act"], line.e["out"]) for line in lines]


def states(served: Served) -> list[tuple[object, ...]]:
    """Return what a containment changes."""
    world = served.world
    rows = [(row["id"], row["active"], row["version"]) for row in world.rows(account)]
    rows += [(row["id"], row["ended_at"], None) for row in world.rows(session)]
    return sorted(rows + [(row["id"], row["status"], row["version"]) for row in world.rows(containment)])


def export(served: Served, who: Person, **params: str) -> httpx2.Response:
    """Ask for an export of the trail."""
    return served.ask("GET", "/v1/audit/export", who, params={"format": "jsonl"} | params)


def test_one_call_ends_sessions_and_accounts(served: Served, manager: Person, incident: str) -> None:
    """Sessions and accounts end at once; beside its entry stand those of the single acts, about each."""
    one, two = (served.world.person("carer") for _ in range(2))
    served.world.sign_in(one)

    answer = shut(served, incident, manager, one, two, end_sessions=True, deactivate=True)

    assert (201, "done") == (answer.status_code, answer.json()["status"])
    told = [(u["user_id"], u["sessions_ended"], u["deactivated"]) for u in answer.json()["users"]]
    assert [(one.id, 2, True), (two.id, 1, True)] == told
    assert [401, 401] == [served.ask("GET", "/v1/users/me", who).status_code for who in (one, two)]
    lines = served.lines_of(answer)
    own = [("auth.end", "ok")] * 2 + [("user.deactivate", "ok")]
    assert [("incident.contain", "ok"), *own, own[0], own[2]] == entries(lines)
    assert [one.id, two.id] == [line.e["obj"]["id"] for line in lines if line.e["obj"]["t"] == "user"]
    assert {"rows", "chg"} <= lines[0].e.keys()
    assert {"state", "chg"} <= lines[3].e.keys()
    assert REASON not in repr(served.world.rows(containment)) + repr(lines)
    back = served.ask("POST", f"/v1/users/{one.id}/reactivate", manager, json={"reason": "cleared"})
    assert (200, 3) == (back.status_code, back.json()["version"])


def test_a_freeze_meets_whom_it_names(served: Served, manager: Person, incident: str) -> None:
    """Whoever is named exports nothing, others do, and packs stay open to them; a lift ends it."""
    officer = served.world.person("privacy_officer", None)
    assert 201 == shut(served, incident, manager, officer, freeze_exports="users").status_code

    refused = [
        export(served, officer),
        export(served, officer, format="zip"),
        served.ask("GET", "/v1/fhir/AuditEvent", officer, params={"_count": "51"}),
        served.ask("GET", f"{incident}/pack", officer, params={"format": "json"}),
    ]
    allowed = [
        export(served, manager),
        served.ask("GET", "/v1/fhir/AuditEvent", officer, params={"_count": "50"}),
        served.ask("GET", f"{incident}/pack", manager, params={"format": "json"}),
    ]
    own_lift, lifted = lift(served, incident, officer), lift(served, incident, manager)

    assert [403] * 4 == [answer.status_code for answer in refused]
    assert {"exports-frozen"} == {served.lines_of(answer)[0].e["why"] for answer in refused}
    assert ["frozen" in answer.json()["detail"] for answer in refused] == [True] * 4
    assert [200] * 3 == [answer.status_code for answer in allowed]
    assert (404, 200) == (own_lift.status_code, lifted.status_code)
    assert 1 == len(lifted.json()["lifted"])
    assert 200 == export(served, officer).status_code
    assert (409, "nothing-frozen") == (
        (again := lift(served, incident, manager)).status_code,
        served.lines_of(again)[0].e["why"],
    )


@pytest.mark.parametrize("whom", ["users", "organisation"])
def test_a_freeze_leaves_one_page_of_the_trail(
    whom: str, served: Served, manager: Person, incident: str
) -> None:
    """Of entries, an access log and FHIR: 50 at once, no further page; whoever is not named reads on."""
    officer, world = served.world.person("privacy_officer", None), served.world
    body = admission(world.home, "Asked")
    resident = served.ask("POST", "/v1/residents", manager, json=body).json()["id"]
    for _ in range(2):
        served.ask("GET", f"/v1/residents/{resident}", manager)
    paths = ["/v1/audit/events", f"/v1/residents/{resident}/access-log"]
    cursors = [served.ask("GET", p, officer, params={"limit": "1"}).json()["next_cursor"] for p in paths]
    assert None not in cursors
    named = [officer] if whom == "users" else []
    assert 201 == shut(served, incident, manager, *named, freeze_exports=whom).status_code
    try:
        further = [{"limit": "1", "cursor": cursor} for cursor in cursors]
        refused = [served.ask("GET", p, officer, params={"limit": "51"}) for p in paths]
        refused += [
            served.ask("GET", p, officer, params=more) for p, more in zip(paths, further, strict=True)
        ]
        first = [served.ask("GET", p, officer, params={"limit": "50"}).status_code for p in paths]
        others = served.ask("GET", paths[0], manager, params={"limit": "200"}).status_code
    finally:
        assert 200 == lift(served, incident, manager).status_code

    assert [(403, "exports-frozen")] * 4 == [(r.status_code, served.lines_of(r)[0].e["why"]) for r in refused]
    assert {True} == {"one page of at most 50" in answer.json()["detail"] for answer in refused}
    assert ([200, 200], 200 if whom == "users" else 403) == (first, others)


def test_a_freeze_of_everybody_spares_packs(served: Served, manager: Person, incident: str) -> None:
    """Exports of the trail and of a family are refused to all, a pack is handed over; a lift ends it."""
    resident = {"resident_id": "01890000-0000-7000-8000-000000000001", "audience": "family", "format": "zip"}
    deputy = served.world.person("deputy_manager")
    theirs = path_of(recorded(served, deputy, served.world.home))
    assert 403 == shut(served, theirs, deputy, freeze_exports="organisation").status_code
    there = served.ask("POST", "/v1/residents", manager, json=admission(served.world.home, "Asked")).json()[
        "id"
    ]
    assert 201 == shut(served, incident, manager, freeze_exports="organisation").status_code
    try:
        refused = [export(served, manager), export(served, manager, **resident)]
        pack = served.ask("GET", f"{incident}/pack", manager)
        copy = served.world.do(BeginCopy(there, "asked for"), COPY, System("cli", served.world.org))
        foreign = served.world.person("registered_manager", None, org=served.world.other_org)
        elsewhere = export(served, foreign)
    finally:
        assert 200 == lift(served, incident, manager).status_code

    assert [403, 403] == [answer.status_code for answer in refused]
    assert {"exports-frozen"} == {served.lines_of(answer)[0].e["why"] for answer in refused}
    assert (200, 200) == (pack.status_code, elsewhere.status_code)
    assert isinstance(copy, ForbiddenError)
    assert 200 == export(served, manager).status_code


def test_an_export_under_way_breaks_off(
    served: Served, manager: Person, incident: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A freeze ends a running export at its next piece, and its second entry says why."""
    monkeypatch.setattr(exporting, "LINES_AT_ONCE", 1)
    auditor = served.world.person("auditor", None)

    async def broken() -> int:
        headers = {"Authorization": f"Bearer {served.token(auditor)}"}
        params, got = {"format": "jsonl"}, 0
        async with httpx2.AsyncClient(base_url=served.url, headers=headers, timeout=30) as client:
            async with client.stream("GET", "/v1/audit/export", params=params) as answer:
                assert 200 == answer.status_code
                parts = answer.aiter_bytes()
                got += len(await anext(parts))
                frozen = await asyncio.to_thread(
                    shut, served, incident, manager, auditor, freeze_exports="users"
                )
                assert 201 == frozen.status_code
                with pytest.raises(httpx2.HTTPError):
                    async for part in parts:
                        got += len(part)
        return got

    asyncio.run(broken())
    own = [line.e for line in served.lines() if line.e["actor"]["id"] == auditor.id]
    ended = [e for e in own if e["act"].startswith("audit.export")]

    assert ["audit.export", "audit.export.end"] == [e["act"] for e in ended]
    assert ["ok", "fail"] == [e["out"] for e in ended]
    assert [None, "exports-frozen"] == [e.get("why") for e in ended]
    assert 200 == lift(served, incident, manager).status_code


def test_nobody_contains_themselves_or_whom_they_do_not_reach(served: Served, manager: Person) -> None:
    """Oneself is 409 in words, who is out of reach 404 or 403; one bad person and nothing at all is done."""
    world = served.world
    officer = world.person("privacy_officer", None)
    lone = path_of(recorded(served, officer, None))
    path = path_of(recorded(served, manager, None))
    carer, stranger = world.person("carer"), world.person("carer", world.foreign_home, org=world.other_org)
    deputy = world.person("deputy_manager")
    away = world.person("carer", world.other_home)
    theirs = path_of(recorded(served, deputy, world.home))
    before = states(served)

    refused = [
        shut(served, path, manager, carer, manager, end_sessions=True),
        shut(served, path, manager, carer, stranger, deactivate=True),
        shut(served, theirs, deputy, carer, away, end_sessions=True),
        shut(served, theirs, deputy, carer, manager, end_sessions=True),
        shut(served, lone, officer, carer, deactivate=True),
        shut(served, path, manager, deactivate=True),
        shut(served, path, manager, carer),
        shut(served, path, manager, freeze_exports="users"),
    ]
    assert [409, 404, 404, 404, 403, 422, 422, 422] == [answer.status_code for answer in refused]
    assert "Nobody contains themselves" in refused[0].json()["detail"]
    assert before == states(served)


def test_the_last_who_could_undo_it_stays(served: Served) -> None:
    """A deputy who reaches the last person that manages users for everybody cannot deactivate them."""
    world = served.world
    org = world.found("Lone Care")
    home = world.open_home(org, "Lone House")
    last, second = (world.person("registered_manager", None, org=org) for _ in range(2))
    deputy = world.person("deputy_manager", home, org=org)
    both = [{"role": "registered_manager", "home_id": where} for where in (None, home)]
    amended = served.ask(
        "PATCH", f"/v1/users/{last.id}", second, json={"assignments": both}, headers={"If-Match": '"1"'}
    )
    assert 200 == amended.status_code, amended.text
    path = path_of(recorded(served, deputy, home))
    one_of_two = shut(served, path_of(recorded(served, last, None)), last, second, deactivate=True)
    before = states(served)

    refused = shut(served, path, deputy, last, deactivate=True)
    sessions = shut(served, path, deputy, last, end_sessions=True)

    assert (201, 409, 201) == (one_of_two.status_code, refused.status_code, sessions.status_code)
    assert "Nobody would be left" in refused.json()["detail"]
    assert [("incident.contain", "fail")] == entries(served.lines_of(refused))
    assert (last.id, True, 2) in before
    assert (last.id, True, 2) in states(served)


def test_a_refused_containment_says_which_act_was_refused(served: Served) -> None:
    """Who may freeze and not end accounts is told so by act and permission; then the freeze alone is done."""
    world = served.world
    officer, carer = world.person("privacy_officer", None), world.person("carer")
    path = path_of(recorded(served, officer, None))
    all_of_it = {"end_sessions": True, "deactivate": True, "freeze_exports": "users"}

    refused = shut(served, path, officer, carer, **all_of_it)
    one = shut(served, path, officer, carer, end_sessions=True)
    frozen = shut(served, path, officer, carer, freeze_exports="users")

    assert [403, 403, 201] == [answer.status_code for answer in (refused, one, frozen)]
    told = "You may freeze exports. Ending sessions needs sessions:end and deactivating needs users:manage"
    assert refused.json()["detail"].startswith(told)
    assert one.json()["detail"].startswith("Ending sessions needs sessions:end where")
    assert "You may" not in one.json()["detail"]
    assert ["action-not-allowed"] * 2 == [served.lines_of(a)[0].e["why"] for a in (refused, one)]
    deputy = world.person("deputy_manager")
    theirs = path_of(recorded(served, deputy, world.home))
    everybody = shut(served, theirs, deputy, freeze_exports="organisation")
    assert "incidents:manage for the whole organisation" in everybody.json()["detail"]


def test_only_what_was_done_is_told(served: Served, manager: Person, incident: str) -> None:
    """What was shut already is not said to be shut again: not in the answer, the incident, or a pack."""
    carer = served.world.person("carer")
    acts = {"end_sessions": True, "deactivate": True}

    first, again = (shut(served, incident, manager, carer, **acts) for _ in range(2))

    assert [[*acts], []] == [answer.json()["done"] for answer in (first, again)]
    assert [(1, True), (0, False)] == [
        tuple(answer.json()["users"][0][name] for name in ("sessions_ended", "deactivated"))
        for answer in (first, again)
    ]
    shown = served.ask("GET", incident, manager).json()["containments"]
    assert [[*acts], []] == [one["done"] for one in shown]
    pack = served.ask("GET", f"{incident}/pack", manager, params={"format": "json"}).json()
    [told] = [one["value"] for one in pack["dspt"]["fields"] if one["field"] == "shut"]
    ended = ["sessions ended, accounts deactivated (accounts: 1)", "nothing was left to shut (accounts: 1)"]
    assert ended == [one.partition("Z: ")[2] for one in told]
