"""Whoever's account came after an incident about somebody adds to it, and does not make it go away."""

from typing import Any, NamedTuple

import httpx2
import pytest

from tests.support.alarming import finding, raised
from tests.support.reporting import SCORED, path_of, recorded, said
from tests.support.served import Person, Served

NOW = {"recipient": "ico"}


class Case(NamedTuple):
    """An incident and a freeze about a registered manager, and who is there to deal with it."""

    path: str
    manager: Person
    officer: Person
    newcomer: Person
    carer: Person
    owner: Person
    aware: str


@pytest.fixture
def case(served: Served) -> Case:
    """The officer who recorded it is gone, by the hand of the manager; a new one was made by them."""
    world = served.world
    org = world.found("Dark Care")
    manager, officer = (
        world.person(role, None, org=org) for role in ("registered_manager", "privacy_officer")
    )
    carer, owner = (world.person(role, None, org=org) for role in ("carer", "registered_manager"))
    aware = world.later(hours=-30)
    body = {"concerned_ids": [manager.id], "became_aware_at": aware, "detected_at": aware}
    path = path_of(recorded(served, officer, None, **body))
    frozen = {"user_ids": [manager.id], "freeze_exports": "users", "reason": "seen with a list"}
    said(served, "POST", f"{path}/containment", officer, frozen)
    world.pass_time(minutes=5)
    said(served, "POST", f"/v1/users/{officer.id}/deactivate", manager, {"reason": "left"})
    newcomer = world.person("privacy_officer", None, org=org)
    return Case(path, manager, officer, newcomer, carer, owner, aware)


def attempts(served: Served, case: Case, who: Person) -> list[httpx2.Response]:
    """Try everything that would make the incident go away, the end of it last."""
    path, later = case.path, served.world.later(minutes=-1)
    missed = {"nature": "near_miss", "reason": "nothing came of it"}
    moved = [{name: later, "reason": "a mistake"} for name in ("detected_at", "became_aware_at")]
    earlier = {"detected_at": served.world.later(hours=-31), "reason": "a mistake"}
    others = {"concerned_ids": []}
    return [
        *(served.ask("PATCH", path, who, json=body) for body in (missed, *moved, earlier, others)),
        served.ask("POST", f"{path}/assessments", who, json=SCORED | {"decision": "none"}),
        served.ask("POST", f"{path}/containment/lift", who, json={"reason": "nothing came of it"}),
        served.ask("POST", f"{path}/close", who, json={"root_cause": "none"}),
    ]


def why(served: Served, answer: httpx2.Response) -> tuple[int, str | None]:
    """Return the status of an answer and the reason in its entry."""
    return answer.status_code, served.lines_of(answer)[0].e.get("why")


def test_a_newcomer_does_not_make_it_go_away(served: Served, case: Case) -> None:
    """A younger account lifts, closes, excuses and hides nothing; it is told who can."""
    before = served.ask("GET", case.path, case.newcomer)

    refused = attempts(served, case, case.newcomer)

    assert [(403, "younger-account")] * 8 == [why(served, answer) for answer in refused]
    assert {True} == {"whose account is older" in answer.json()["detail"] for answer in refused}
    assert 200 == before.status_code
    assert before.json()["version"] == served.ask("GET", case.path, case.newcomer).json()["version"]
    assert 404 == served.ask("GET", case.path, case.manager).status_code


def test_a_newcomer_reads_it_and_adds_to_it(served: Served, case: Case) -> None:
    """They write down what they learn, score, tell the ICO, plan, freeze, and lift what they froze."""
    path, who, now = case.path, case.newcomer, {"told_at": served.world.later()}
    added: list[tuple[str, str, Any]] = [
        ("PATCH", "", {"consequences": "none yet", "occurred_at": served.world.later(hours=-40)}),
        ("POST", "/assessments", SCORED | {"decision": "ico"}),
        ("POST", "/notifications", NOW | now),
        ("POST", "/actions", {"what": "look at the exports"}),
        ("PUT", "/scope", {"from": case.aware}),
        ("GET", "/pack?format=json", None),
    ]

    statuses = [served.ask(method, path + end, who, json=body).status_code for method, end, body in added]

    assert [200, 201, 201, 201, 200, 200] == statuses
    own = path_of(recorded(served, who, None))
    frozen = {"user_ids": [case.manager.id], "freeze_exports": "users", "reason": "again"}
    said(served, "POST", f"{own}/containment", who, frozen)
    said(served, "POST", f"{own}/containment/lift", who, {"reason": "it was found"})


def test_who_was_there_before_ends_it(served: Served, case: Case) -> None:
    """The officer, once let back in, does all of it; what is about nobody anybody ends."""
    world = served.world
    said(served, "POST", f"/v1/users/{case.officer.id}/reactivate", case.manager, {"reason": "a mistake"})
    world.sign_in(case.officer)

    done = attempts(served, case, case.officer)

    assert [200, 422, 200, 200, 200, 409, 200, 409] == [answer.status_code for answer in done]
    told = {"recipient": "senior_management", "told_at": world.later()}
    plain = path_of(recorded(served, case.officer, None, nature="near_miss"))
    world.pass_time(minutes=1)
    late = world.person("privacy_officer", None, org=case.newcomer.org)
    said(served, "POST", f"{plain}/notifications", late, told | {"told_at": world.later()})
    said(served, "POST", f"{plain}/close", late, {"root_cause": "a list"})
    said(served, "POST", f"{plain}/reopen", late, {"reason": "there is more"})


@pytest.mark.parametrize("giver", ["whom it is about", "a newcomer"])
def test_rights_given_since_count_as_new(giver: str, served: Served, case: Case) -> None:
    """An old account is a newcomer that got its role from whom it is about, or from an account they made."""
    world, org = served.world, case.newcomer.org
    who = case.manager if giver == "whom it is about" else world.person("registered_manager", None, org=org)
    rights = {"assignments": [{"role": "privacy_officer", "home_id": None}]}
    match = {"If-Match": '"1"'}
    given = served.ask("PATCH", f"/v1/users/{case.carer.id}", who, json=rights, headers=match)
    assert 200 == given.status_code, given.text
    world.sign_in(case.carer)
    assert 200 == served.ask("GET", case.path, case.carer).status_code

    refused = attempts(served, case, case.carer)

    assert [(403, "younger-rights")] * 8 == [why(served, answer) for answer in refused]


def test_rights_given_by_others_are_rights(served: Served, case: Case) -> None:
    """Whoever has nothing to do with it appoints an officer from among those who were there before."""
    world = served.world
    rights = {"assignments": [{"role": "privacy_officer", "home_id": None}]}
    match = {"If-Match": '"1"'}
    given = served.ask("PATCH", f"/v1/users/{case.carer.id}", case.owner, json=rights, headers=match)
    assert 200 == given.status_code, given.text
    world.sign_in(case.carer)

    lifted = served.ask("POST", f"{case.path}/containment/lift", case.carer, json={"reason": "found"})

    assert 200 == lifted.status_code


def test_what_no_clock_counts_from_yet_stays_too(served: Served, case: Case) -> None:
    """Of a near miss a newcomer does not change when it was known: it may turn out to be an incident."""
    body = {"nature": "near_miss", "detected_at": case.aware, "became_aware_at": case.aware}
    path = path_of(recorded(served, case.owner, None, concerned_ids=[case.manager.id], **body))
    served.world.pass_time(minutes=1)
    later = served.world.person("privacy_officer", None, org=case.newcomer.org)
    known = {"became_aware_at": served.world.later(), "reason": "a mistake"}

    refused = served.ask("PATCH", path, later, json=known)

    assert (403, "younger-account") == why(served, refused)
    assert 200 == served.ask("PATCH", path, case.owner, json=known).status_code


def test_an_alert_about_all_of_them_is_about_somebody(served: Served, case: Case) -> None:
    """Where an alert is about everybody who looks into it, a newcomer still does not close its incident."""
    org, known = case.newcomer.org, (case.newcomer.id, case.owner.id, case.manager.id)
    acted = tuple(line.seq for line in served.lines() if line.e["actor"]["id"] in known and line.org == org)
    [alert_id] = raised(served.world, finding(org, entries=acted), org=org)
    near_miss = {"nature": "near_miss", "alert_ids": [alert_id]}
    shown = recorded(served, case.owner, None, **near_miss)
    served.world.pass_time(minutes=1)
    later = served.world.person("privacy_officer", None, org=org)

    refused = served.ask("POST", f"{path_of(shown)}/close", later, json={"root_cause": "a list"})

    assert [] == shown["concerned_ids"]
    assert (403, "younger-account") == why(served, refused)


def test_what_was_shut_says_whom_it_is_about(served: Served, case: Case) -> None:
    """An incident that names nobody is about whom something was shut for: a newcomer does not close it."""
    world, who = served.world, case.newcomer
    path = path_of(recorded(served, who, None, nature="near_miss"))
    shut = {"user_ids": [case.manager.id], "freeze_exports": "users", "reason": "seen"}
    said(served, "POST", f"{path}/containment", who, shut)
    world.pass_time(minutes=1)
    later = world.person("privacy_officer", None, org=who.org)

    refused = served.ask("POST", f"{path}/close", later, json={"root_cause": "a list"})
    lifted = served.ask("POST", f"{path}/containment/lift", later, json={"reason": "no"})

    assert [(403, "younger-account")] * 2 == [why(served, one) for one in (refused, lifted)]
    told = {"recipient": "senior_management", "told_at": world.later()}
    said(served, "POST", f"{path}/notifications", who, told)
    said(served, "POST", f"{path}/close", who, {"root_cause": "a list"})
    again = served.ask("POST", f"{path}/reopen", later, json={"reason": "more"})
    assert (403, "younger-account") == why(served, again)
