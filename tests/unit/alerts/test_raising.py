"""From a finding to an alert: new, folded, or told already."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from app.access.agent import Agent
from app.access.opened import Opened
from app.access.visit import System
from app.access.work import Answer
from app.alerts.concern import MOST
from app.alerts.listing import ListAlerts, ReadAlert
from app.alerts.steps import TakeStep
from app.alerts.table import alert
from app.core.errors import CaretrailError
from app.core.identifiers import new_id
from app.detection.finding import Finding
from tests.support.alarming import DETECT, Raise, finding, raised
from tests.support.world import Person, World

LIST, READ, STEP = "GET /v1/alerts", "GET /v1/alerts/{alert_id}", "POST /v1/alerts/{alert_id}/steps"


def shown(world: World, alert_id: str, who: Person) -> dict[str, Any]:
    """Return an alert as somebody reads it."""
    payload: dict[str, Any] = world.answer(ReadAlert(alert_id), READ, who).payload
    return payload


def listed(world: World, who: Person) -> list[str]:
    """Return the ids of the alerts somebody sees."""
    items = world.answer(ListAlerts(), LIST, who).payload["items"]
    return [item["id"] for item in items]


def step(world: World, alert_id: str, who: Person, **what: Any) -> None:
    """Have a step taken."""
    world.answer(TakeStep(alert_id, **what), STEP, who)


def acts(world: World) -> list[str]:
    """Return the acts of the organisation's chain that concern alerts."""
    return [e["act"] for e in world.entries(world.org) if e["act"].startswith("alert.")]


def explain(world: World, alert_id: str, who: Person) -> None:
    """Have an alert taken up and explained."""
    step(world, alert_id, who, state="in_review")
    version = shown(world, alert_id, who)["version"]
    step(world, alert_id, who, state="explained", comment="a fire drill", version=version)


def about(world: World, user_id: str, *entries: int, **more: Any) -> Finding:
    """Return a finding about somebody that rests on entries."""
    subject = f"user:{user_id}"
    return finding(world.org, world.home, subject=subject, user_id=user_id, entries=entries, **more)


def test_a_finding_becomes_an_alert_with_its_entry(world: World) -> None:
    """One finding is one alert and one `alert.raise` of `system:detection` with the digests of its rows."""
    manager = world.person("registered_manager")
    carer = world.person("carer")
    [alert_id] = raised(world, about(world, carer.id, 3, 4))
    [entry] = [e for e in world.entries(world.org) if e["act"] == "alert.raise"]
    alert = shown(world, alert_id, manager)

    assert {"id": "system:detection", "kind": "system"} == entry["actor"]
    assert ("alert", alert_id, 1) == (entry["obj"]["t"], entry["obj"]["id"], entry["obj"]["ver"])
    assert [("alert_step", 1)] == [(row["t"], row["ver"]) for row in entry["rows"]]
    assert "homes" not in entry, "whoever reads the trail of the home may be whom it is about"
    assert len(entry["state"]) == 64
    assert carer.id not in str(entry)
    assert ("new", "medium", 1, None) == tuple(alert[k] for k in ("state", "severity", "count", "owner_id"))
    assert "40 requests were refused within an hour." == alert["explanation"]
    assert {"refused": 40} == alert["figures"]
    assert [(world.org, 3), (world.org, 4)] == [(e["chain"], e["seq"]) for e in alert["evidence"]]
    assert all(e["act"] for e in alert["evidence"])


def test_an_alert_belongs_to_where_somebody_works_too(world: World) -> None:
    """Who asks for residents of another home is seen there and at their own; of the organisation, nowhere."""
    carer, manager = world.person("carer"), world.person("registered_manager", None)
    probing = replace(about(world, carer.id, 3), homes=(world.other_home,))
    everywhere = replace(about(world, None, 4), homes=())
    [there, nowhere] = raised(world, probing, everywhere)

    assert {world.home, world.other_home} == set(shown(world, there, manager)["home_ids"])
    assert [] == shown(world, nowhere, manager)["home_ids"]


def test_another_finding_about_the_same_is_folded(world: World) -> None:
    """Same rule and subject: count, instants, evidence and homes grow, the severity only rises."""
    manager = world.person("registered_manager")
    carer = world.person("carer")
    [first] = raised(world, about(world, carer.id, 3, severity="high"))
    later = replace(about(world, carer.id, 5, severity="low"), at="2026-03-02T09:30:00.000000Z")
    [second] = raised(world, replace(later, homes=(world.other_home,)))
    alert = shown(world, first, manager)

    assert first == second
    assert (2, "high") == (alert["count"], alert["severity"])
    assert [world.home, world.other_home] == alert["home_ids"]
    assert ["2026-03-02T08:59:00.000000Z", "2026-03-02T09:30:00.000000Z"] == [
        alert["first_at"],
        alert["last_at"],
    ]
    assert [3, 5] == [e["seq"] for e in alert["evidence"]]
    assert ["alert.raise", "alert.raise", "alert.read"] == acts(world)

    raised(world, about(world, carer.id, 6, severity="critical"))
    assert "critical" == shown(world, first, manager)["severity"]


def test_two_findings_of_one_turn_are_folded(world: World) -> None:
    """What a work raises twice is one alert, and each has its entry."""
    carer = world.person("carer")
    ids = raised(world, about(world, carer.id, 3), about(world, carer.id, 4))

    assert ids[0] == ids[1]
    assert ["alert.raise", "alert.raise"] == acts(world)


def test_other_rules_and_subjects_are_other_alerts(world: World) -> None:
    """Only rule and subject together make two findings one alert."""
    carer, other = world.person("carer"), world.person("carer")
    found = [about(world, carer.id, 3), about(world, carer.id, 3, rule="bulk-reading")]
    ids = raised(world, *found, about(world, other.id, 3))

    assert 3 == len(set(ids))


def test_what_is_told_already_changes_nothing(world: World) -> None:
    """A judgement of the same entries again leaves alert and trail as they are, explained or not."""
    manager = world.person("registered_manager")
    carer = world.person("carer")
    [first] = raised(world, about(world, carer.id, 3, 4))
    assert [first] == raised(world, about(world, carer.id, 3))
    explain(world, first, manager)
    assert [first] == raised(world, about(world, carer.id, 3, 4, severity="critical"))

    assert 1 == acts(world).count("alert.raise")
    assert ("explained", 1) == tuple(shown(world, first, manager)[k] for k in ("state", "count"))


def test_after_an_explanation_a_new_alert_names_the_earlier(world: World) -> None:
    """A closed alert takes nothing in: the next finding begins another that names it."""
    manager = world.person("registered_manager")
    carer = world.person("carer")
    [first] = raised(world, about(world, carer.id, 3))
    explain(world, first, manager)
    [second] = raised(world, about(world, carer.id, 5))
    [third] = raised(world, about(world, carer.id, 6))

    assert first != second == third
    assert first == shown(world, second, manager)["earlier_alert_id"]
    assert [second, first] == listed(world, manager)


def test_an_owner_whom_the_alert_comes_to_be_about_loses_it(world: World) -> None:
    """Who acted in a further entry neither owns nor sees the alert any more."""
    manager, deputy = world.person("registered_manager"), world.person("deputy_manager")
    world.answer(ListAlerts(), LIST, deputy)
    seq = len(world.entries(world.org)) - 1
    [alert_id] = raised(world, finding(world.org, world.home, subject="source:aa", entries=(1,)))
    step(world, alert_id, deputy, state="in_review")
    assert deputy.id == shown(world, alert_id, manager)["owner_id"]
    raised(world, finding(world.org, world.home, subject="source:aa", entries=(seq,)))

    assert None is shown(world, alert_id, manager)["owner_id"]
    assert [] == listed(world, deputy)


def test_a_work_without_a_savepoint_cannot_raise(world: World) -> None:
    """What was written must go when the work fails: without `own_sql` nothing is written at all."""

    class Careless(Raise):
        own_sql = False

        def perform(self, opened: Opened) -> Answer:
            with pytest.raises(RuntimeError, match="own_sql"):
                super().perform(opened)
            return Answer([])

    careless = Careless([finding(world.org, world.home)])
    world.answer(careless, DETECT, System("detection", world.org))
    assert [] == acts(world)


def test_a_work_that_fails_leaves_no_alert(world: World) -> None:
    """Alert, step and entry are one with what the work does besides."""

    class Failing(Raise):
        def perform(self, opened: Opened) -> Answer:
            super().perform(opened)
            raise CaretrailError(why="failed-after")

    outcome = world.refusal(Failing([finding(world.org, world.home)]), DETECT, System("detection", world.org))
    assert "failed-after" == outcome.why
    assert [] == listed(world, world.person("registered_manager", None))
    assert ["alert.list"] == acts(world)


def test_the_agent_of_an_alert_is_detection(world: World) -> None:
    """Whoever makes the finding, the entry says that detection raised it."""
    raised(world, finding(world.org, world.home))
    [entry] = [e for e in world.entries(world.org) if e["act"] == "alert.raise"]
    assert Agent(world.org, "system:detection", "system", ()).id == entry["actor"]["id"]


def test_a_run_over_history_changes_nothing(world: World) -> None:
    """More findings than an alert names as evidence, of two chains, are each told once, however often."""
    manager = world.person("registered_manager", None)
    found = [
        finding(chain, world.home, subject="chain", entries=tuple(range(n, n + 50)))
        for n in range(0, 400, 50)
        for chain in (world.org, "system")
    ]
    ids = raised(world, *found)
    assert ids == raised(world, *found)

    assert 1 == len(set(ids))
    assert ["alert.raise"] * 16 == acts(world)
    told = shown(world, ids[0], manager)
    assert 16 == told["count"]
    places = [(one["chain"], one["seq"]) for one in told["evidence"]]
    told_last = [(f.chain, seq) for f in found[-4:] for seq in f.entries]
    assert told_last == places, "both chains, those told last"


def test_a_finding_of_an_earlier_alert_is_told_however_many_came_since(world: World) -> None:
    """Each of 23 explained alerts about the same is found again by its finding, and by no other."""
    manager, carer = world.person("registered_manager"), world.person("carer")
    ids = []
    for n in range(23):
        ids += raised(world, about(world, carer.id, 1000 + n))
        explain(world, ids[-1], manager)

    assert ids == raised(world, *(about(world, carer.id, 1000 + n) for n in range(23)))
    elsewhere = about(world, manager.id, 1000)
    assert ids[0] not in raised(world, elsewhere)


def test_whom_an_alert_is_about_is_bounded(world: World) -> None:
    """Folding adds people up to the number there may be."""
    officer = world.person("privacy_officer", None)
    [one] = raised(world, finding(world.org, subject="source:many"))
    many = [new_id() for _ in range(MOST + 5)]
    for person in many:
        raised(world, finding(world.org, subject="source:many", user_id=person))
    [row] = [row for row in world.rows(alert) if row["id"] == one]

    assert many[:MOST] == orjson.loads(row["concerned"])
    assert MOST + 6 == shown(world, one, officer)["count"]
