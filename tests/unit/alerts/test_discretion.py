"""What alerts tell to whom: nothing of other homes, of residents what is noted, nothing to the accused."""

from typing import Any

from app.access.visit import System
from app.alerts.listing import ListAlerts, ReadAlert
from app.alerts.steps import TakeStep
from app.alerts.stream_works import STREAM, Streams, StreamStart, Ticket
from app.residents.admission import AdmitResident
from app.residents.register import ReadResident
from app.trail.events import ListEvents
from tests.support.alarming import finding, raised
from tests.support.world import Person, World

LIST, READ, STEP = "GET /v1/alerts", "GET /v1/alerts/{alert_id}", "POST /v1/alerts/{alert_id}/steps"


def admit(world: World, home: str) -> str:
    """Admit somebody to a home and return their id."""
    identity, born = {"given_name": "Ada", "family_name": "Sample"}, {"date_of_birth": "1938-04-01"}
    work = AdmitResident(home, None, None, identity, born, "2025-01-01")
    admitted: str = world.answer(work, "POST /v1/residents", System("cli", world.org)).payload["id"]
    return admitted


def read_by(world: World, who: Person, resident_id: str) -> int:
    """Have somebody read a resident, and return the number of the entry."""
    world.answer(ReadResident(resident_id), "GET /v1/residents/{resident_id}", who)
    assert world.visit is not None
    assert world.visit.stamp is not None
    return world.visit.stamp.seq


def evidence(world: World, alert_id: str, who: Person) -> list[tuple[Any, ...]]:
    """Return whom and what the evidence of an alert names to somebody."""
    shown = world.answer(ReadAlert(alert_id), READ, who).payload["evidence"]
    return [(one["agent_id"], (one["entity"] or {}).get("id")) if "agent_id" in one else () for one in shown]


def test_evidence_names_people_of_the_readers_homes_alone(world: World) -> None:
    """Of another home's entry act and time are shown; whoever is named is named in the entry of reading."""
    manager, officer = world.person("registered_manager"), world.person("privacy_officer", None)
    nurses = world.person("nurse"), world.person("nurse", world.other_home)
    here, there = admit(world, world.home), admit(world, world.other_home)
    seqs = read_by(world, nurses[0], here), read_by(world, nurses[1], there)
    both = finding(world.org, world.home, world.other_home, entries=seqs)
    [alert_id] = raised(world, both)

    assert [(nurses[0].id, here), ()] == evidence(world, alert_id, manager)
    assert [here] == world.entry()["subs"]
    assert [(nurses[0].id, here), (nurses[1].id, there)] == evidence(world, alert_id, officer)
    assert [here, there] == world.entry()["subs"]


def test_of_a_resident_a_list_tells_only_that_it_is_one(world: World) -> None:
    """The subject of an alert about a resident is named where it is disclosed: in the alert itself."""
    manager = world.person("registered_manager")
    one = admit(world, world.home)
    about = finding(world.org, world.home, subject=f"resident:{one}", resident_ids=(one,))
    [alert_id] = raised(world, about)
    listed = world.answer(ListAlerts(), LIST, manager).payload["items"]
    stepped = world.answer(TakeStep(alert_id, "in_review"), STEP, manager).payload

    assert (["resident"], "resident") == ([item["subject"] for item in listed], stepped["alert"]["subject"])
    assert one not in str([listed, stepped])
    assert [one] == world.answer(ReadAlert(alert_id), READ, manager).payload["resident_ids"]
    assert [one] == world.entry()["subs"]


def test_who_may_look_into_a_units_alerts_sees_none_and_no_residents(world: World) -> None:
    """An alert knows homes, not units: a manager of one home and of another's unit is one of the first."""
    narrow = [
        {"role": "registered_manager", "home_id": world.home},
        {"role": "registered_manager", "home_id": world.other_home, "unit": "Garden"},
    ]
    manager = world.person(assignments=narrow)
    here, there = admit(world, world.home), admit(world, world.other_home)
    both = finding(world.org, world.home, world.other_home, resident_ids=(here, there))
    [alert_id, _] = raised(world, both, finding(world.org, world.other_home))

    assert [here] == world.answer(ReadAlert(alert_id), READ, manager).payload["resident_ids"]
    listed = world.answer(ListAlerts(), LIST, manager).payload["items"]
    assert [alert_id] == [item["id"] for item in listed]


def test_the_trail_of_a_home_tells_of_no_alert(world: World) -> None:
    """Whoever reads a home's trail finds no entry of an alert: raised, read, stepped, or refused."""
    manager, deputy = world.person("registered_manager"), world.person("deputy_manager")
    officer = world.person("privacy_officer", None)
    about = finding(world.org, world.home, subject=f"user:{manager.id}", user_id=manager.id)
    [alert_id] = raised(world, about)
    world.answer(ListAlerts(), LIST, deputy)
    world.answer(ReadAlert(alert_id), READ, deputy)
    world.answer(TakeStep(alert_id, "in_review"), STEP, deputy)
    world.refusal(TakeStep(alert_id, "new"), STEP, deputy)
    world.refusal(ReadAlert(alert_id), READ, manager)

    for who, number in ((manager, 0), (officer, 6)):
        found = [
            item["act"]
            for item in world.answer(ListEvents(), "GET /v1/audit/events", who).payload["items"]
            if item["act"].startswith("alert.")
        ]
        assert number == len(found), found


def test_whom_an_alert_is_about_is_told_as_who_is_out_of_reach(world: World) -> None:
    """No word of the trail says that it is about them, and not of another home."""
    manager = world.person("registered_manager")
    mine, theirs = raised(
        world,
        finding(world.org, world.home, subject=f"user:{manager.id}", user_id=manager.id),
        finding(world.org, world.other_home),
    )
    refused = []
    for alert_id in (mine, theirs):
        world.refusal(ReadAlert(alert_id), READ, manager)
        entry = world.entry()
        refused.append((entry["out"], entry["why"], entry.get("homes")))

    assert [("deny", "out-of-scope", None)] * 2 == refused


def test_whose_account_was_changed_an_alert_is_about(world: World) -> None:
    """Who was given rights does not judge that: as little as who gave them, were they a person."""
    manager, other = world.person("registered_manager"), world.person("registered_manager")
    acts = enumerate(world.entries(world.org))
    [made] = [n for n, e in acts if (e["act"], e["obj"].get("id")) == ("user.create", manager.id)]
    [alert_id] = raised(world, finding(world.org, world.home, entries=(made,)))

    seen = [
        [item["id"] for item in world.answer(ListAlerts(), LIST, who).payload["items"]]
        for who in (manager, other)
    ]
    assert [[], [alert_id]] == seen
    assert "out-of-scope" == world.refusal(TakeStep(alert_id, "in_review"), STEP, manager).why


def test_no_number_is_refused_a_stream(world: World) -> None:
    """Nobody finds out by `Last-Event-ID` where the newest event stands that they may not see."""
    manager = world.person("registered_manager")
    raised(world, finding(world.org, world.other_home))
    [newest] = [n for n, e in enumerate(world.entries(world.org)) if e["act"] == "alert.raise"]
    asked = [0, newest - 1, newest, newest + 1, 10**15]
    begins = [world.answer(StreamStart(Ticket(str(n)), n, Streams()), STREAM, manager) for n in asked]

    assert [0, newest - 1, newest, newest, newest] == [one.payload for one in begins]
