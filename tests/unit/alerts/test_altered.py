"""Alerts that were changed behind the service's back: told of, and in nobody's way."""

from typing import Any

import pytest
from sqlalchemy import update

from app.access.visit import System
from app.alerts.listing import ListAlerts, ReadAlert
from app.alerts.same import digest_of
from app.alerts.stream_works import STREAM, StreamLook
from app.alerts.table import alert, alert_step
from tests.support.alarming import finding, raised
from tests.support.world import Person, World

LIST, READ = "GET /v1/alerts", "GET /v1/alerts/{alert_id}"


@pytest.fixture
def manager(world: World) -> Person:
    """Who manages the home."""
    return world.person("registered_manager")


def alter(world: World, alert_id: str, **columns: Any) -> None:
    """Change an alert in the database."""
    statement = update(alert).where(alert.c.id == alert_id).values(columns)
    assert 1 == world.looking(lambda connection: connection.execute(statement)).rowcount


def told_of(world: World) -> list[tuple[str, str]]:
    """Return kind and id of the rows the trail is told of."""
    objects = [e["obj"] for e in world.entries(world.org) if e["act"] == "integrity.fail"]
    return [(one["t"], one["id"]) for one in objects]


def test_an_altered_closed_alert_stops_nothing(world: World) -> None:
    """The next finding about the same is an alert as if it were not there, and the trail is told once."""
    again = finding(world.org, world.home)
    [first] = raised(world, again)
    alter(world, first, status="explained")
    ids = raised(world, again, finding(world.org), again)

    assert first not in ids
    assert ids[0] == ids[2]
    assert [("alert", first)] == told_of(world)


def test_beside_an_altered_open_alert_another_is_raised(world: World, manager: Person) -> None:
    """It keeps its place in the database, so the new one stands beside it, folds, and is about the same."""
    again = finding(world.org, world.home, subject=f"user:{manager.id}")
    officer = world.person("privacy_officer", None)
    [first] = raised(world, again)
    alter(world, first, severity="low")
    [second] = raised(world, again)
    alter(world, second, severity="low")
    ids = raised(world, again, again)
    shown = world.answer(ReadAlert(ids[0]), READ, officer).payload

    assert 3 == len({first, second, *ids})
    assert (2, f"user:{manager.id}", None) == (shown["count"], shown["subject"], shown["earlier_alert_id"])
    assert [] == world.answer(ListAlerts(), LIST, manager).payload["items"], "it is about them all the same"
    assert {("alert", first), ("alert", second)} == set(told_of(world))


def test_a_list_leaves_out_what_was_altered(world: World, manager: Person) -> None:
    """The others are listed, over pages too; reading the altered one is refused."""
    ids = raised(world, *(finding(world.org, world.home) for _ in range(5)))
    alter(world, ids[2], severity="low")
    first = world.answer(ListAlerts(limit=3), LIST, manager).payload
    rest = world.answer(ListAlerts(limit=3, cursor=first["next_cursor"]), LIST, manager).payload

    assert [ids[4], ids[3], ids[1]] == [one["id"] for one in first["items"]]
    assert [ids[0]] == [one["id"] for one in rest["items"]]
    assert [("alert", ids[2])] == told_of(world)
    assert "state-broken" == world.refusal(ReadAlert(ids[2]), READ, manager).why


def test_a_stream_leaves_out_what_was_altered(world: World, manager: Person) -> None:
    """An altered alert, and an altered step, hide themselves and no other event."""
    ids = raised(world, *(finding(world.org, world.home) for _ in range(4)))
    alter(world, ids[0], severity="low")
    lie = update(alert_step).where(alert_step.c.alert_id == ids[2]).values(by="somebody else")
    world.looking(lambda connection: connection.execute(lie))
    seen = world.answer(StreamLook(0, 100), STREAM, manager).payload

    assert [ids[1], ids[3]] == [event.shown["id"] for event in seen.events]
    assert {"alert", "alert_step"} == {kind for kind, _ in told_of(world)}
    again = world.answer(StreamLook(seen.onward, 100), STREAM, manager).payload
    assert ([], False) == (again.events, again.more)


def test_a_step_that_was_altered_hides_no_finding(world: World) -> None:
    """Whoever writes into a step that something was told already is not believed."""
    awaited = finding(world.org, entries=(3,), subject="source:x")
    [other] = raised(world, finding(world.org))
    forge = update(alert_step).where(alert_step.c.alert_id == other).values(finding=digest_of(awaited))
    world.looking(lambda connection: connection.execute(forge))

    assert [other] != raised(world, awaited)
    assert ["alert_step"] == [kind for kind, _ in told_of(world)]


def test_detection_is_not_a_reader(world: World) -> None:
    """What detection raises goes on while a person who reads that very alert is refused."""
    [one] = raised(world, finding(world.org, subject="source:y"))
    alter(world, one, owner_id="x" * 36)
    assert "state-broken" == world.refusal(ReadAlert(one), READ, System("cli", world.org)).why
    assert one not in raised(world, finding(world.org, subject="source:y"))
