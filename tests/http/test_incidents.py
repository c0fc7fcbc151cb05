"""Incidents over HTTP: recorded, scored, told of, acted upon, closed; by whom, and with which entries."""

from typing import Any

import pytest

from app.incidents.table import incident, incident_assessment, incident_notification
from tests.support.alarming import finding, raised
from tests.support.reporting import INCIDENTS, SCORED, path_of, recorded, said
from tests.support.reporting import incident as body_of
from tests.support.served import Line, Person, Served

TOLD = {"recipient": "senior_management", "told_at": "2026-03-02T09:00:00Z"}
UNKNOWN = "01890000-0000-7000-8000-000000000001"


@pytest.fixture(scope="module")
def manager(served: Served) -> Person:
    """Who manages incidents of the whole organisation."""
    return served.world.person("registered_manager", None)


@pytest.fixture(scope="module")
def deputy(served: Served) -> Person:
    """Who manages those of one home."""
    return served.world.person("deputy_manager")


def entries(lines: list[Line]) -> list[tuple[str, str]]:
    """Return act and outcome of lines."""
    return [(line.e["act"], line.e["out"]) for line in lines]


def now(served: Served, **by: float) -> str:
    """Return an instant of the world's clock."""
    return served.world.later(**by)


def test_what_is_not_said_is_unknown(served: Served, deputy: Person) -> None:
    """An incident needs a kind and what happened; the rest is unknown, and its clocks count from now."""
    shown = recorded(served, deputy, served.world.home)

    told = {name: shown[name] for name in ("occurred_at", "became_aware_at", "people_affected", "decision")}
    assert {"occurred_at": None, "became_aware_at": None, "people_affected": None, "decision": None} == told
    assert ("unknown", "incident", "open", 1) == (
        shown["ongoing"],
        shown["nature"],
        shown["status"],
        shown["version"],
    )
    clock = shown["clocks"]["72h"]
    assert (True, now(served, hours=72), "running") == (clock["assumed"], clock["due_at"], clock["state"])
    assert shown == said(served, "GET", path_of(shown), deputy)


def test_texts_are_sealed_and_each_step_is_one_entry(served: Served, deputy: Person) -> None:
    """What was written stands in no row and no line; every request leaves one entry about the incident."""
    secret = "the laptop of room eleven"
    opened = served.ask("POST", INCIDENTS, deputy, json=body_of(served.world.home, how_found=secret))
    path = path_of(opened.json())
    asked = [
        ("POST", f"{path}/assessments", SCORED | {"reasons": secret, "decision": "ico"}, 201),
        ("POST", f"{path}/notifications", TOLD | {"told_by": secret}, 201),
        ("POST", f"{path}/actions", {"what": secret}, 201),
        ("PATCH", path, {"root_cause": secret}, 200),
        ("GET", path, None, 200),
    ]
    answers = [served.ask(method, where, deputy, json=body) for method, where, body, _ in asked]

    assert [status for *_, status in asked] == [answer.status_code for answer in answers]
    acts = ["assess", "notify", "action", "update", "read"]
    lines = [served.lines_of(answer) for answer in (opened, *answers)]
    assert [[(f"incident.{act}", "ok")] for act in ("open", *acts)] == [entries(one) for one in lines]
    assert [1, 2, 3, 4, 5, 5] == [line.e["obj"]["ver"] for [line] in lines]
    assert {path.rpartition("/")[2]} == {line.e["obj"]["id"] for [line] in lines}
    stored = repr([served.world.rows(t) for t in (incident, incident_assessment, incident_notification)])
    assert secret not in stored + repr(lines)
    assert secret in answers[-1].text


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"occurred_at": "2026-03-09T09:00:00Z"}, "/occurred_at"),
        ({"occurred_at": "2026-03-02T08:00:00Z", "detected_at": "2026-03-02T07:00:00Z"}, "/detected_at"),
        (
            {"detected_at": "2026-03-02T08:00:00Z", "became_aware_at": "2026-03-02T07:00:00Z"},
            "/became_aware_at",
        ),
        ({"occurred_at": "2026-03-02T08:00:00Z", "ended_at": "2026-03-02T07:00:00Z"}, "/ended_at"),
        ({"ongoing": "yes", "ended_at": "2026-03-02T07:00:00Z"}, "/ended_at"),
        ({"kind": "gossip"}, "/kind"),
        ({"people_affected": -1}, "/people_affected"),
        ({"what_happened": " "}, "/what_happened"),
        ({"concerned_ids": [UNKNOWN]}, "/concerned_ids/0"),
        ({"severity": "high"}, ""),
    ],
)
def test_what_cannot_be_is_refused(
    wrong: dict[str, Any], pointer: str, served: Served, deputy: Person
) -> None:
    """Instants in the future or out of order, unknown words, people and fields are 422."""
    answer = served.ask("POST", INCIDENTS, deputy, json=body_of(served.world.home, **wrong))

    assert (422, [pointer]) == (answer.status_code, [e["pointer"] for e in answer.json()["errors"]])


def test_scope(served: Served, deputy: Person, manager: Person) -> None:
    """A deputy sees the incidents of their home; others are not there for them."""
    world = served.world
    stranger = world.person("registered_manager", None, org=world.other_org)
    own, other, whole = (recorded(served, manager, home) for home in (world.home, world.other_home, None))
    shown = [
        [served.ask("GET", path_of(one), who).status_code for one in (own, other, whole)]
        for who in (deputy, manager, stranger)
    ]
    listed = {one["id"] for one in said(served, "GET", f"{INCIDENTS}?limit=200", deputy)["items"]}

    assert [[200, 404, 404], [200, 200, 200], [404, 404, 404]] == shown
    assert ({own["id"]}) == listed & {one["id"] for one in (own, other, whole)}
    changes = [("PATCH", "", {"lessons": "x"}), ("POST", "/close", {}), ("POST", "/actions", {"what": "x"})]
    tried = [served.ask(m, path_of(other) + end, deputy, json=body).status_code for m, end, body in changes]
    assert [404] * 3 == tried
    homeless = served.ask("POST", INCIDENTS, deputy, json=body_of(None))
    assert (403, True) == (homeless.status_code, "(home_id)" in homeless.json()["detail"])
    assert "home_id" not in served.ask("POST", INCIDENTS, world.person("carer"), json=body_of(None)).text
    assert 403 == served.ask("GET", path_of(own), world.person("carer")).status_code


def test_whom_it_is_about_does_not_see_it(served: Served, manager: Person) -> None:
    """Whom a linked alert is about, or who is named, finds no incident and lists none, and is told 404."""
    world = served.world
    about = [world.person("deputy_manager") for _ in range(3)]
    whole = world.person("registered_manager", None)
    [alert_id] = raised(world, finding(world.org, world.home, user_id=about[0].id))
    more = {"alert_ids": [alert_id], "concerned_ids": [about[1].id, whole.id]}
    shown = recorded(served, manager, world.home, **more)
    path = path_of(shown)

    assert {about[0].id, about[1].id, whole.id} == set(shown["concerned_ids"])
    asking = [*about, whole]
    assert [404, 404, 200, 404] == [served.ask("GET", path, who).status_code for who in asking]
    changed = served.ask("PATCH", path, about[0], json={"lessons": "none"})
    assert (404, [("incident.update", "deny")]) == (changed.status_code, entries(served.lines_of(changed)))
    listed = [shown["id"] in served.ask("GET", f"{INCIDENTS}?limit=200", who).text for who in asking]
    assert [False, False, True, False] == listed
    own = served.ask("POST", INCIDENTS, about[2], json=body_of(world.home, concerned_ids=[about[2].id]))
    assert (422, "/concerned_ids/0") == (own.status_code, own.json()["errors"][0]["pointer"])


def test_alerts_become_incidents(served: Served, manager: Person) -> None:
    """An alert an incident is opened from is closed by that, with an entry of its own; it opens one only."""
    world = served.world
    first, later = raised(world, *(finding(world.org, world.home) for _ in range(2)))
    answer = served.ask("POST", INCIDENTS, manager, json=body_of(world.home, alert_ids=[first]))
    path = path_of(answer.json())
    said(served, "PATCH", path, manager, {"alert_ids": [later]})

    assert [("incident.open", "ok"), ("alert.link", "ok")] == entries(served.lines_of(answer))
    alerts = [served.ask("GET", f"/v1/alerts/{one}", manager).json() for one in (first, later)]
    wanted = [("incident", path.rpartition("/")[2])] * 2
    assert wanted == [(one["state"], one["incident_id"]) for one in alerts]
    assert [first, later] == said(served, "GET", path, manager)["alert_ids"]
    again = served.ask("POST", INCIDENTS, manager, json=body_of(world.home, alert_ids=[first]))
    unknown = served.ask("POST", INCIDENTS, manager, json=body_of(world.home, alert_ids=[UNKNOWN]))
    assert [409, 404] == [again.status_code, unknown.status_code]


def test_an_incident_knows_what_its_alerts_know(served: Served, manager: Person) -> None:
    """It was detected when the first was raised, found by what they look for; history says who says so."""
    world = served.world
    ids = raised(world, *(finding(world.org, world.home, rule=rule) for rule in ("refusals", "two-devices")))
    raised_at = now(served)
    world.pass_time(minutes=2)
    shown = recorded(served, manager, world.home, alert_ids=ids)
    path = path_of(shown)

    assert (raised_at, raised_at) == (shown["detected_at"], shown["clocks"]["12h"]["counted_from"])
    titles = "Somebody is refused again and again: they try what they may not; One account is used"
    assert f"From an alert of this service: {titles}" in shown["how_found"]
    turns = [(turn["what"], turn["became"], turn["by"]) for turn in shown["history"]]
    by = "system:detection"
    assert [("detected_at", raised_at, by), ("how_found", None, by)] == turns
    assert shown["history"] == said(served, "GET", path, manager)["history"]
    pack = served.ask("GET", f"{path}/pack", manager, params={"format": "json"}).json()["dspt"]["fields"]
    sources = {one["field"]: one["source"] for one in pack}
    told = [sources[name] for name in ("detected_at", "how_found", "what_happened")]
    assert ["from the trail", "from the trail", "entered by a person"] == told
    corrected = {"detected_at": now(served, hours=-3), "how_found": "a carer said so", "reason": "seen then"}
    said(served, "PATCH", path, manager, corrected)
    pack = served.ask("GET", f"{path}/pack", manager, params={"format": "json"}).json()["dspt"]["fields"]
    again = {one["field"]: one["source"] for one in pack}
    assert ["entered by a person"] * 2 == [again[name] for name in ("detected_at", "how_found")]


def test_what_the_author_says_goes_before_what_alerts_know(served: Served, manager: Person) -> None:
    """What is said stays as it is said; an alert that came after somebody knew does not say when."""
    world = served.world
    one, two = raised(world, *(finding(world.org, world.home) for _ in range(2)))
    own = {"detected_at": now(served, hours=-1), "how_found": "seen by a carer"}
    aware = {"became_aware_at": now(served, hours=-1)}

    said_so = recorded(served, manager, world.home, alert_ids=[one], **own)
    known = recorded(served, manager, world.home, alert_ids=[two], **aware)

    assert ([], own) == (said_so["history"], {name: said_so[name] for name in own})
    assert (None, ["how_found"]) == (known["detected_at"], [turn["what"] for turn in known["history"]])


def test_a_repeated_request_records_once(served: Served, deputy: Person) -> None:
    """The same Idempotency-Key answers with the same incident, and there is one more row, not two."""
    before = len(served.world.rows(incident))
    keyed = {"Idempotency-Key": "one-incident"}
    answers = [
        served.ask("POST", INCIDENTS, deputy, json=body_of(served.world.home), headers=keyed)
        for _ in range(2)
    ]

    assert [201, 201] == [answer.status_code for answer in answers]
    assert answers[0].json() == answers[1].json()
    assert before + 1 == len(served.world.rows(incident))


def test_the_grid_says_what_is_not_verified(served: Served, deputy: Person) -> None:
    """Whoever manages incidents reads the grid with its sources; one rule was read, nothing else."""
    grid = said(served, "GET", "/v1/incident-grid", deputy)

    rows = [*grid["likelihood"], *grid["impact"], *grid["rules"], grid["floor"], grid["otherwise"]]
    assert (False, 14) == (grid["verified"], len(rows))
    assert ["ico"] == [row["proposal"] for row in rows if row["verified"]]
    assert all(row["source"] for row in rows)
    assert 403 == served.ask("GET", "/v1/incident-grid", served.world.person("carer")).status_code
