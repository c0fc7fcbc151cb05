"""Alerts over HTTP: who sees which, the steps of a review, and what an organisation sets of rules."""

from typing import Any

import httpx2
import pytest

from app.alerts.table import alert, alert_rule, alert_step
from app.detection.catalogue import RULES
from tests.http.bodies import CANARY
from tests.support.alarming import finding, raised
from tests.support.served import Ask, Person, Served

ALERTS = "/v1/alerts"
RULE = "/v1/alert-rules/refusals"
NOBODY = "01890000-0000-7000-8000-0000000000ab"


@pytest.fixture(scope="module")
def manager(served: Served) -> Person:
    """Who manages one home."""
    return served.world.person("registered_manager")


@pytest.fixture(scope="module")
def deputy(served: Served) -> Person:
    """Who manages it, too."""
    return served.world.person("deputy_manager")


@pytest.fixture(scope="module")
def officer(served: Served) -> Person:
    """Who looks into alerts of the whole organisation."""
    return served.world.person("privacy_officer", None)


def at_home(served: Served, *homes: str, **more: Any) -> str:
    """Have one alert raised at the home, or at others, and return its path."""
    world = served.world
    [alert_id] = raised(world, finding(world.org, *(homes or (world.home,)), **more))
    return f"{ALERTS}/{alert_id}"


def seen(served: Served, who: Person, **filters: str) -> list[str]:
    """Return the paths of all alerts somebody is shown, walking by threes."""
    found: list[str] = []
    params = filters | {"limit": "3"}
    while True:
        answer = served.ask("GET", ALERTS, who, params=params)
        assert answer.status_code == 200, answer.text
        found += [f"{ALERTS}/{item['id']}" for item in answer.json()["items"]]
        if answer.json()["next_cursor"] is None:
            return found
        params = filters | {"limit": "3", "cursor": answer.json()["next_cursor"]}


def step(served: Served, path: str, who: Person, **what: Any) -> httpx2.Response:
    """Take a step; who explains names the version there is, unless they name another."""
    if what.get("state") == "explained" and "version" not in what:
        read = served.ask("GET", path, who)
        what["version"] = read.json()["version"] if read.status_code == 200 else 1
    return served.ask("POST", f"{path}/steps", who, json=what)


def told(served: Served, answer: httpx2.Response) -> list[tuple[str, str, str | None]]:
    """Return act, outcome and reason of the entries of an answer."""
    return [(line.e["act"], line.e["out"], line.e.get("why")) for line in served.lines_of(answer)]


# --- who sees what ----------------------------------------------------------------------------------


def test_a_home_sees_its_own_and_the_organisation_all(served: Served, officer: Person) -> None:
    """With the permission at a home: alerts of that home; organisation-wide: all, newest first, by pages."""
    world = served.world
    manager, neighbour = (
        world.person("registered_manager"),
        world.person("registered_manager", world.other_home),
    )
    mine = [at_home(served) for _ in range(4)]
    theirs, both = at_home(served, world.other_home), at_home(served, world.home, world.other_home)
    everywhere = at_home(served, severity="high", homes=())
    [abroad] = raised(world, finding(world.other_org, world.foreign_home), org=world.other_org)
    new = [everywhere, both, theirs, *reversed(mine)]

    assert [both, *reversed(mine)] == [path for path in seen(served, manager) if path in new]
    assert [both, theirs] == [path for path in seen(served, neighbour) if path in new]
    assert new == [path for path in seen(served, officer) if path in new]
    assert f"{ALERTS}/{abroad}" not in seen(served, officer)
    assert [404, 404, 404] == [
        served.ask("GET", path, manager).status_code for path in (theirs, everywhere, f"{ALERTS}/{abroad}")
    ]
    assert 404 == served.ask("GET", ALERTS, manager, params={"home_id": world.other_home}).status_code
    assert 404 == step(served, theirs, manager, state="in_review").status_code


def test_a_list_is_filtered(served: Served, officer: Person) -> None:
    """By state, severity, rule, person, home and the time of raising; each alone and with others."""
    world = served.world
    carer = world.person("carer", signed_in=False)
    about = {"subject": f"user:{carer.id}", "user_id": carer.id}
    world.pass_time(seconds=60)
    since = world.later()
    one = at_home(served, rule="bulk-reading", severity="critical", **about)
    two = at_home(served, world.other_home, rule="bulk-export", severity="critical", **about)
    world.pass_time(seconds=60)
    until = world.later()
    three = at_home(served, rule="two-devices", **about)
    assert 201 == step(served, one, officer, state="in_review").status_code
    mine = {"user_id": carer.id}

    assert [three, two, one] == seen(served, officer, **mine)
    assert [one] == seen(served, officer, state="in_review", **mine)
    assert [two, one] == seen(served, officer, severity="critical", **mine)
    assert [two] == seen(served, officer, rule="bulk-export", **mine)
    assert [two] == seen(served, officer, home_id=world.other_home, **mine)
    assert [two, one] == seen(served, officer, **{"from": since, "to": until}, **mine)
    assert [] == seen(served, officer, severity="low", **mine)
    assert [one] == seen(served, officer, rule="bulk-reading", user_id=carer.id.upper())
    assert [] == seen(served, officer, user_id=NOBODY, rule="break-glass")
    refused = [{"state": "open"}, {"severity": "worst"}, {"from": until, "to": since}, {"owner_id": "x"}]
    assert [422] * 4 == [served.ask("GET", ALERTS, officer, params=one).status_code for one in refused]


@pytest.mark.parametrize("name", ["rule", "user_id"])
@pytest.mark.parametrize("value", ["", "0", "bulk-exprt", "BULK-EXPORT", "bulk-export ", NOBODY[:-1]])
def test_what_cannot_be_is_no_empty_list(served: Served, officer: Person, name: str, value: str) -> None:
    """A rule there is not, or an id that is none, is refused with its place, with an entry."""
    answer = served.ask("GET", ALERTS, officer, params={name: value})

    assert 422 == answer.status_code
    assert [f"/query/{name}"] == [one["pointer"] for one in answer.json()["errors"]]
    assert [("alert.list", "fail")] == [(line.e["act"], line.e["out"]) for line in served.lines_of(answer)]


def test_whoever_an_alert_is_about_does_not_see_it(served: Served, officer: Person) -> None:
    """404 for the person, for who acted in its entries, for whose session it is: in list, read and step."""
    world = served.world
    manager = world.person("registered_manager")
    answer = served.ask("GET", "/v1/users/me", manager)
    seq = int(answer.headers["Audit-Event"].split("/")[1])
    assert manager.session is not None
    alerts = [
        at_home(served, subject="source:x", user_id=manager.id),
        at_home(served, subject=f"user:{manager.id}"),
        at_home(served, subject=f"session:{manager.session.id}"),
        at_home(served, subject="source:y", entries=(seq,)),
    ]
    reads = [served.ask("GET", path, manager) for path in alerts]
    steps = [step(served, path, manager, comment="nothing to see here") for path in alerts]

    assert [404] * 8 == [one.status_code for one in (*reads, *steps)]
    assert [("alert.read", "deny", "out-of-scope")] == told(served, reads[0])
    assert [("alert.step", "deny", "out-of-scope")] == told(served, steps[0])
    assert [] == [path for path in seen(served, manager) if path in alerts]
    assert alerts[::-1] == [path for path in seen(served, officer) if path in alerts]
    assert [422] * 4 == [step(served, path, officer, owner_id=manager.id).status_code for path in alerts]


def test_where_it_is_about_all_the_organisation_looks(served: Served) -> None:
    """An alert about everybody who could see it is seen by the organisation-wide, but not by its culprit."""
    world = served.world
    org = world.found("Tiny Care")
    home = world.open_home(org, "The Only House")
    manager = world.person("registered_manager", home, org=org)
    owner = world.person("privacy_officer", None, org=org)
    seqs = [
        int(served.ask("GET", "/v1/users/me", who).headers["Audit-Event"].split("/")[1])
        for who in (manager, owner)
    ]
    spray = finding(org, home, rule="sign-in-spray", subject="source:z", entries=tuple(seqs))
    own = finding(org, home, subject=f"user:{owner.id}", user_id=owner.id, entries=tuple(seqs))
    ids = raised(world, spray, own, org=org)

    assert [f"{ALERTS}/{ids[0]}"] == seen(served, owner)
    assert [] == seen(served, manager)
    world.person("deputy_manager", home, org=org)
    assert [] == seen(served, owner)


def test_malformed_ids_name_nothing(served: Served, manager: Person) -> None:
    """What is no id is 404 with one entry."""
    for bad in ("x", "1", "streams", "%00"):
        answer = served.ask("GET", f"{ALERTS}/{bad}", manager)
        assert (404, [("alert.read", "fail", "not-found")]) == (answer.status_code, told(served, answer))


# --- reviewing --------------------------------------------------------------------------------------


def test_a_review_from_beginning_to_end(served: Served, manager: Person, deputy: Person) -> None:
    """Taken up, said something, handed over, explained, taken up again: each an entry, all of it history."""
    path = at_home(served, explanation="40 requests were refused.")
    answers = [
        step(served, path, manager, state="in_review"),
        step(served, path, manager, comment=f"asked the shift leader, {CANARY}"),
        step(served, path, manager, owner_id=deputy.id),
        step(served, path, deputy, state="explained", comment="a broken tablet"),
        step(served, path, manager, state="in_review", comment="it happened again"),
    ]
    assert [201] * 5 == [one.status_code for one in answers], [one.text for one in answers]
    assert [[("alert.step", "ok", None)]] * 5 == [told(served, one) for one in answers]
    read = served.ask("GET", path, deputy)
    whole = read.json()

    assert ["raised", *["step"] * 5] == [one["what"] for one in whole["history"]]
    states = ["new", "in_review", "in_review", "in_review", "explained", "in_review"]
    assert states == [one["state"] for one in whole["history"]]
    assert [None, *[manager.id] * 2, *[deputy.id] * 3] == [one["owner_id"] for one in whole["history"]]
    people = ["system:detection", *[manager.id] * 3, deputy.id, manager.id]
    assert people == [one["by"] for one in whole["history"]]
    assert [f"asked the shift leader, {CANARY}", "a broken tablet", "it happened again"] == [
        one["text"] for one in whole["comments"]
    ]
    assert (6, '"6"', "40 requests were refused.") == (
        whole["version"],
        read.headers["ETag"],
        whole["explanation"],
    )
    stored = [bytes(row["comment"]) for row in served.world.rows(alert_step) if row["comment"]]
    assert not any(CANARY.encode() in box for box in stored)
    assert CANARY not in str([line.e for line in served.lines()])


@pytest.mark.parametrize(
    ("before", "what", "status", "why"),
    [
        ((), {}, 422, "invalid-request"),
        ((), {"state": "explained", "comment": "x"}, 409, "alert-state"),
        ((), {"state": "new"}, 409, "alert-state"),
        ((), {"state": "incident"}, 409, "alert-by-opening"),
        ((), {"owner_id": "nobody"}, 422, "invalid-request"),
        (("in_review",), {"state": "explained"}, 422, "invalid-request"),
        (("in_review",), {"state": "explained", "comment": "x", "version": None}, 422, "invalid-request"),
        (("in_review",), {"state": "explained", "comment": "x", "version": 1}, 409, "alert-moved"),
        (("in_review",), {"comment": "x", "version": 1}, 409, "alert-moved"),
        (("in_review",), {"state": "in_review"}, 409, "alert-state"),
        (("in_review", "explained"), {"state": "explained", "comment": "x"}, 409, "alert-state"),
    ],
)
def test_other_steps_are_refused(
    served: Served, manager: Person, before: tuple[str, ...], what: Any, status: int, why: str
) -> None:
    """What does not follow is 409, what is missing or wrong 422; the alert stays, one entry says so."""
    path = at_home(served)
    for state in before:
        assert 201 == step(served, path, manager, state=state, comment="as it is").status_code
    refused = step(served, path, manager, **what)

    assert (status, [("alert.step", "fail", why)]) == (refused.status_code, told(served, refused))
    assert 1 + len(before) == served.ask("GET", path, manager).json()["version"]


def test_an_owner_must_be_able_to_look_into_it(served: Served, manager: Person) -> None:
    """Nobody of another home, without the permission, deactivated or of another organisation."""
    world = served.world
    path = at_home(served)
    left = world.person("deputy_manager", signed_in=False)
    keeper = world.person("registered_manager", None)
    served.ask("POST", f"/v1/users/{left.id}/deactivate", keeper, json={"reason": "left"})
    wrong = [
        world.person("registered_manager", world.other_home, signed_in=False),
        world.person("nurse", signed_in=False),
        world.person("registered_manager", world.foreign_home, org=world.other_org, signed_in=False),
        left,
    ]
    assert [422] * 4 == [step(served, path, manager, owner_id=one.id).status_code for one in wrong]
    assert 201 == step(served, path, manager, owner_id=keeper.id).status_code


def test_an_explained_alert_stays_when_a_later_one_is_open(served: Served, manager: Person) -> None:
    """One alert about the same is open at a time: the earlier is not taken up beside the later."""
    world = served.world
    again = finding(world.org, world.home, subject="source:again")
    [first] = raised(world, again)
    for what in ({"state": "in_review"}, {"state": "explained", "comment": "a drill"}):
        assert 201 == step(served, f"{ALERTS}/{first}", manager, **what).status_code
    [second] = raised(world, again)
    refused = step(served, f"{ALERTS}/{first}", manager, state="in_review")
    assert (409, "alert-later-open") == (refused.status_code, told(served, refused)[0][2])
    for what in ({"state": "in_review"}, {"state": "explained", "comment": "a drill"}):
        assert 201 == step(served, f"{ALERTS}/{second}", manager, **what).status_code
    assert 201 == step(served, f"{ALERTS}/{first}", manager, state="in_review").status_code


def test_steps_at_once_are_one_after_the_other(served: Served, manager: Person) -> None:
    """Of twelve who take an alert up at once one does; the others are told that it is taken up."""
    path = at_home(served)
    asks = [Ask("POST", f"{path}/steps", manager, json={"state": "in_review"}) for _ in range(12)]
    answers = served.ask_all(asks)
    assert [201, *[409] * 11] == sorted(one.status_code for one in answers)
    assert 2 == served.ask("GET", path, manager).json()["version"]


def test_an_altered_alert_is_told(served: Served, manager: Person) -> None:
    """A row changed behind the service's back is refused, and the trail is told of it."""
    path = at_home(served)
    alert_id = path.rpartition("/")[2]
    served.world.looking(
        lambda connection: connection.execute(
            alert.update().where(alert.c.id == alert_id).values(severity="low")
        )
    )
    read = served.ask("GET", path, manager)
    assert 500 == read.status_code
    assert ["alert.read"] == [line.e["act"] for line in served.lines_of(read)]
    [failed] = [
        line.e
        for line in served.lines()
        if line.e["act"] == "integrity.fail" and line.e["obj"]["id"] == alert_id
    ]
    assert "alert" == failed["obj"]["t"]
    served.world.looking(
        lambda connection: connection.execute(
            alert.update().where(alert.c.id == alert_id).values(severity="medium")
        )
    )
    assert 200 == served.ask("GET", path, manager).status_code


# --- rules --------------------------------------------------------------------------------------------


def test_rules_are_shown_with_what_was_set(served: Served, officer: Person, manager: Person) -> None:
    """The whole catalogue with bounds; what is set shows by whom; a home may read it and not set it."""
    shown = served.ask("GET", "/v1/alert-rules", manager).json()["items"]
    assert sorted(RULES) == [one["rule"] for one in shown]
    name, limit = next(iter(RULES["refusals"].thresholds.items()))
    body = {"enabled": False, "thresholds": {name: limit.maximum}, "reason": f"too loud, {CANARY}"}
    assert 403 == served.ask("PUT", RULE, manager, json=body).status_code
    answer = served.ask("PUT", RULE, officer, json=body)
    assert 200 == answer.status_code, answer.text
    [line] = served.lines_of(answer)
    after = {one["rule"]: one for one in served.ask("GET", "/v1/alert-rules", manager).json()["items"]}

    assert "raises an alert" in answer.json()["warning"]
    assert ("alert.rule_set", "alert_rule", "refusals") == (
        line.e["act"],
        line.e["obj"]["t"],
        line.e["obj"]["id"],
    )
    assert {"enabled", "thresholds"} == {change["f"] for change in line.e["chg"]}
    assert "reason_h" in line.e
    assert (False, {name: limit.maximum}, officer.id) == tuple(
        after["refusals"][key] for key in ("enabled", "set", "set_by")
    )
    assert (True, None, None) == tuple(after["bulk-reading"][key] for key in ("enabled", "set", "set_by"))
    on = served.ask("PUT", RULE, officer, json={"enabled": True, "thresholds": {}, "reason": "quiet now"})
    assert (200, '"2"') == (on.status_code, on.headers["ETag"])
    assert not any(CANARY.encode() in bytes(row["reason"]) for row in served.world.rows(alert_rule))


def test_numbers_are_held_against_the_catalogue(served: Served, officer: Person) -> None:
    """Out of bounds, no such number, no reason: 422. No such rule: 404. The watching one off: 409."""
    name, limit = next(iter(RULES["refusals"].thresholds.items()))
    wrong: list[Any] = [{name: limit.minimum - 1}, {name: limit.maximum + 1}, {"other": 1}, {name: "3"}]
    bodies: list[Any] = [{"enabled": True, "thresholds": one, "reason": "x"} for one in wrong]
    bodies.append({"enabled": True, "thresholds": {}})
    before = len(served.world.rows(alert_rule))
    off = {"enabled": False, "thresholds": {}, "reason": "x"}
    for rule in ("detection-weakened", "incident-clock", "oversight-removed", "trail-check"):
        assert 409 == served.ask("PUT", f"/v1/alert-rules/{rule}", officer, json=off).status_code
    assert [422] * 5 == [served.ask("PUT", RULE, officer, json=body).status_code for body in bodies]
    right = {"enabled": True, "thresholds": {name: limit.minimum}, "reason": "x"}
    missing = served.ask("PUT", "/v1/alert-rules/nonesuch", officer, json=right)
    assert (404, [("alert.rule_set", "fail", "rule-not-found")]) == (
        missing.status_code,
        told(served, missing),
    )
    assert before == len(served.world.rows(alert_rule))
