"""An incident is hidden from whom it is about, and never from everybody who oversees its author."""

from typing import Any, NamedTuple

import httpx2
import pytest

from app.incidents.table import incident as incidents
from tests.support.alarming import finding, raised
from tests.support.reporting import INCIDENTS, SCORED, path_of, recorded, said
from tests.support.reporting import incident as body_of
from tests.support.served import Person, Served


class Small(NamedTuple):
    """An organisation with one home, whose manager and deputy are all who manage incidents."""

    org: str
    home: str
    manager: Person
    deputy: Person


@pytest.fixture
def small(served: Served) -> Small:
    """A new one."""
    world = served.world
    org = world.found("Small Care")
    home = world.open_home(org, "Small House")
    manager = world.person("registered_manager", None, org=org)
    return Small(org, home, manager, world.person("deputy_manager", home, org=org))


def naming(served: Served, who: Person, home: str | None, *people: Person) -> httpx2.Response:
    """Record an incident that is about some people."""
    body = body_of(home, concerned_ids=[one.id for one in people])
    return served.ask("POST", INCIDENTS, who, json=body)


def freeze(served: Served, path: str, who: Person, *users: Person, **more: Any) -> httpx2.Response:
    """Freeze the exports of some people."""
    body = {"user_ids": [one.id for one in users], "freeze_exports": "users", "reason": "seen"} | more
    return served.ask("POST", f"{path}/containment", who, json=body)


def why(served: Served, answer: httpx2.Response) -> tuple[int, str | None]:
    """Return the status of an answer and the reason in its entry."""
    return answer.status_code, served.lines_of(answer)[0].e.get("why")


def test_nobody_hides_an_incident_from_all_who_oversee_them(served: Served, small: Small) -> None:
    """A deputy names every manager in no way: not when it is recorded, not later, not through an alert."""
    world, (org, home, manager, deputy) = served.world, small
    path = path_of(recorded(served, deputy, home))
    [alert_id] = raised(world, finding(org, home, user_id=manager.id), org=org)
    before = world.rows(incidents)

    refused = [
        naming(served, deputy, home, manager),
        served.ask("PATCH", path, deputy, json={"concerned_ids": [manager.id]}),
        served.ask("POST", INCIDENTS, deputy, json=body_of(home, alert_ids=[alert_id])),
        served.ask("PATCH", path, deputy, json={"alert_ids": [alert_id]}),
    ]

    assert [(409, "nobody-else-sees")] * 4 == [why(served, answer) for answer in refused]
    assert before == world.rows(incidents)
    assert 200 == served.ask("GET", path, manager).status_code
    officer = world.person("privacy_officer", None, org=org)
    assert 200 == served.ask("PATCH", path, deputy, json={"concerned_ids": [manager.id]}).status_code
    assert [404, 200] == [served.ask("GET", path, who).status_code for who in (manager, officer)]
    more = {"concerned_ids": [manager.id, officer.id]}
    assert 409 == served.ask("PATCH", path, deputy, json=more).status_code


def test_a_colleague_of_the_home_or_who_oversees_it_suffices(served: Served, small: Small) -> None:
    """Another deputy who still sees it is enough; a manager names a deputy also where nobody else is."""
    world, (org, home, manager, deputy) = served.world, small

    alone = naming(served, manager, home, deputy)
    carer = naming(served, deputy, home, world.person("carer", home, org=org))
    second = world.person("deputy_manager", home, org=org)
    with_second = naming(served, deputy, home, manager)
    both = naming(served, deputy, home, manager, second)

    assert [201, 201, 201, 409] == [one.status_code for one in (alone, carer, with_second, both)]
    world.person("deputy_manager", world.open_home(org, "Far House"), org=org)
    assert 409 == naming(served, second, home, manager, deputy).status_code  # whom it does not reach
    officer = world.person("privacy_officer", None, org=org)
    of_all = [naming(served, manager, where, officer).status_code for where in (None, home)]
    assert [201, 201] == of_all  # of the home, the deputies see it; of all, who is one of two records it


def test_an_alert_about_everybody_is_about_the_one_whose_behaviour_it_is(
    served: Served, small: Small
) -> None:
    """Where an alert is about all who could see it, its incident is about one of them only."""
    world, (org, home, manager, deputy) = served.world, small
    officer = world.person("privacy_officer", None, org=org)
    entries = tuple(line.seq for line in served.lines() if line.e["actor"]["id"] == officer.id)
    [alert_id] = raised(world, finding(org, home, user_id=manager.id, entries=entries), org=org)

    shown = recorded(served, deputy, home, alert_ids=[alert_id])

    assert [manager.id] == shown["concerned_ids"]
    assert 200 == served.ask("GET", path_of(shown), officer).status_code


def test_whom_a_freeze_names_does_not_run_the_incident(served: Served, small: Small) -> None:
    """While it stands they find no incident: not to read, score, close, lift or list; afterwards they do."""
    _, home, manager, deputy = small
    path = path_of(recorded(served, manager, home))
    assert 201 == freeze(served, path, manager, deputy).status_code

    tried = [
        served.ask("GET", path, deputy),
        served.ask("POST", f"{path}/assessments", deputy, json=SCORED | {"decision": "none"}),
        served.ask("POST", f"{path}/close", deputy, json={}),
        served.ask("POST", f"{path}/containment/lift", deputy, json={"reason": "mine"}),
        served.ask("GET", f"{path}/scope", deputy),
    ]
    listed = said(served, "GET", INCIDENTS, deputy)["items"]

    assert [(404, "own-containment")] * 5 == [why(served, answer) for answer in tried]
    assert [] == listed
    said(served, "POST", f"{path}/containment/lift", manager, {"reason": "it was found"})
    assert 200 == served.ask("GET", path, deputy).status_code
    assert [path_of(one) for one in said(served, "GET", INCIDENTS, deputy)["items"]] == [path]


def test_a_freeze_does_not_name_all_who_see_it(served: Served, small: Small) -> None:
    """A deputy who reaches the only manager does not freeze them out; nor by a freeze and a name together."""
    world, (org, home, manager, deputy) = served.world, small
    both = [{"role": "registered_manager", "home_id": where} for where in (None, home)]
    boss = world.person(org=org, assignments=both)
    path = path_of(recorded(served, deputy, home))

    first, second = (freeze(served, path, deputy, who) for who in (boss, boss))
    named = served.ask("PATCH", path, deputy, json={"concerned_ids": [manager.id]})

    assert [201, 201] == [first.status_code, second.status_code]
    assert (409, "nobody-else-sees") == why(served, named)
    other = path_of(recorded(served, deputy, home))
    said(served, "PATCH", other, deputy, {"concerned_ids": [manager.id]})
    mate = world.person("deputy_manager", home, org=org)
    assert 201 == freeze(served, other, deputy, mate).status_code
    assert (409, "nobody-else-sees") == why(served, freeze(served, other, deputy, boss))
    urgent = path_of(recorded(served, manager, None))
    assert 201 == freeze(served, urgent, manager, boss).status_code


def test_a_freeze_is_lifted_by_who_could_have_made_it(served: Served, small: Small) -> None:
    """Of a freeze that names somebody of another home a deputy is told without them, and does not end it."""
    world, (org, home, manager, deputy) = served.world, small
    here = world.person("carer", home, org=org)
    away = world.person("carer", world.open_home(org, "Far House"), org=org)
    path = path_of(recorded(served, manager, home))
    assert 201 == freeze(served, path, manager, here, away).status_code

    [shut] = said(served, "GET", path, deputy)["containments"]
    refused = served.ask("POST", f"{path}/containment/lift", deputy, json={"reason": "ours"})

    assert ([here.id], "in_force", "seen") == tuple(shut[n] for n in ("user_ids", "status", "reason"))
    assert (403, "out-of-scope") == why(served, refused)
    assert "out of your reach" in refused.json()["detail"]
    said(served, "POST", f"{path}/containment/lift", manager, {"reason": "it was found"})
    own = path_of(recorded(served, manager, home))
    assert 201 == freeze(served, own, manager, here).status_code
    said(served, "POST", f"{own}/containment/lift", deputy, {"reason": "it was found"})


def test_what_was_shut_is_looked_up_at_the_incident(served: Served, small: Small) -> None:
    """An incident shows what was shut because of it, and each entry about that is about the incident."""
    world, (org, home, manager, deputy) = served.world, small
    carer = world.person("carer", home, org=org)
    path = path_of(recorded(served, manager, home))
    more = {"end_sessions": True, "freeze_exports": "none"}
    made = freeze(served, path, manager, carer, **more)
    frozen = freeze(served, path, manager, carer)
    said(served, "POST", f"{path}/containment/lift", manager, {"reason": "it was found"})

    shut = said(served, "GET", path, deputy)["containments"]

    told = ("id", "user_ids", "done", "freeze_exports", "status", "reason", "lifted_by", "lift_reason")
    assert [
        (made.json()["id"], [carer.id], ["end_sessions"], "none", "done", "seen", None, None),
        (frozen.json()["id"], [carer.id], [], "users", "lifted", "seen", manager.id, "it was found"),
    ] == [tuple(one[name] for name in told) for one in shut]
    [line, *_] = served.lines_of(made)
    assert {"t": "incident", "id": path.rpartition("/")[2]} == line.e["obj"]
    assert [("containment", made.json()["id"], 1)] == [(r["t"], r["id"], r["ver"]) for r in line.e["rows"]]


def test_one_of_two_records_what_is_about_the_other(served: Served, small: Small) -> None:
    """By hand or from an alert, at no home; that one person alone sees it stands in history and entry."""
    world, (org, _, manager, _) = served.world, small
    officer = world.person("privacy_officer", None, org=org)
    [alert_id] = raised(world, finding(org, user_id=manager.id), org=org)

    answers = [
        naming(served, officer, None, manager),
        served.ask("POST", INCIDENTS, officer, json=body_of(None, alert_ids=[alert_id])),
    ]

    assert [201, 201] == [answer.status_code for answer in answers]
    for answer in answers:
        shown = answer.json()
        assert [manager.id] == shown["concerned_ids"]
        assert ("seen_by_one", officer.id) == tuple(shown["history"][-1][n] for n in ("what", "by"))
        assert [404, 200] == [served.ask("GET", path_of(shown), p).status_code for p in (manager, officer)]
        assert shown["history"] == said(served, "GET", path_of(shown), officer)["history"]
        assert "seen_by_one" in {change["f"] for change in served.lines_of(answer)[0].e["chg"]}
    second = world.person("privacy_officer", None, org=org)
    assert [] == naming(served, officer, None, manager).json()["history"]
    assert "Record an incident of your own" in naming(served, officer, None, manager, second).json()["detail"]


def test_nobody_is_shut_out_of_what_they_recorded(served: Served, small: Small) -> None:
    """One of two takes the other out of an incident of their own, and of no other, by no way."""
    world, (org, _, manager, _) = served.world, small
    officer = world.person("privacy_officer", None, org=org)
    own, theirs = (path_of(recorded(served, who, None)) for who in (officer, manager))
    alert_id, other = raised(world, *(finding(org, user_id=manager.id) for _ in range(2)), org=org)
    bodies = [{"concerned_ids": [manager.id]}, {"alert_ids": [alert_id]}]

    refused = [served.ask("PATCH", theirs, officer, json=body) for body in bodies]
    refused.append(freeze(served, theirs, officer, manager))
    done = served.ask("PATCH", own, officer, json={"alert_ids": [other]})

    assert 201 == freeze(served, own, officer, manager).status_code
    assert [(409, "nobody-else-sees")] * 3 == [why(served, answer) for answer in refused]
    assert (200, "seen_by_one") == (done.status_code, done.json()["history"][-1]["what"])
    assert 404 == served.ask("GET", own, manager).status_code
