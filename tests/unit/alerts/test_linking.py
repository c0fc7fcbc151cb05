"""Alerts become part of an incident with the work that opens it."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.alerts.listing import ReadAlert
from app.alerts.steps import TakeStep, link_to_incident
from app.core.identifiers import new_id
from tests.support.alarming import finding, raised
from tests.support.world import Person, World

OPEN = Operation("POST", "/v1/incidents", "incidents:manage", "home", "incident.open", 201)
READ, STEP = "GET /v1/alerts/{alert_id}", "POST /v1/alerts/{alert_id}/steps"


@dataclass
class OpenFrom(Work):
    """Open something from alerts."""

    alert_ids: Sequence[str]
    incident_id: str
    changes = True

    def perform(self, opened: Opened) -> Answer:
        """Link the alerts."""
        rows = link_to_incident(opened, self.alert_ids, self.incident_id)
        return Answer([(row.id, row.status, row.incident_id) for row in rows])


def whole(world: World, alert_id: str, who: Person) -> tuple[object, ...]:
    """Return state, incident and number of steps of an alert."""
    shown = world.answer(ReadAlert(alert_id), READ, who).payload
    return shown["state"], shown["incident_id"], [one["what"] for one in shown["history"]]


def test_alerts_become_part_of_an_incident(world: World) -> None:
    """Each is `incident` and names it, with an entry of its own beside the one of the incident."""
    manager = world.person("registered_manager")
    one, two = raised(world, *(finding(world.org, world.home) for _ in range(2)))
    incident = new_id()
    answer = world.answer(OpenFrom([one, two, one], incident), OPEN, manager)
    acts = [(e["act"], e["obj"]["id"]) for e in world.entries() if e["act"] == "alert.link"]

    assert [(one, "incident", incident), (two, "incident", incident)] == answer.payload
    assert [("alert.link", one), ("alert.link", two)] == acts
    assert ("incident", incident, ["raised", "incident"]) == whole(world, two, manager)


def test_an_alert_belongs_to_one_incident(world: World) -> None:
    """A second incident cannot be opened from it, and no step leads away; a comment may be added."""
    manager = world.person("registered_manager")
    [one] = raised(world, finding(world.org, world.home))
    world.answer(OpenFrom([one], new_id()), OPEN, manager)

    assert "alert-linked" == world.refusal(OpenFrom([one], new_id()), OPEN, manager).why
    assert "alert-state" == world.refusal(TakeStep(one, "in_review"), STEP, manager).why
    world.answer(TakeStep(one, comment="told the family"), STEP, manager)


def test_nobody_opens_an_incident_from_what_is_about_them(world: World) -> None:
    """Of an alert about oneself, or of another home, there is nothing to open from, and nothing is linked."""
    manager, other = world.person("registered_manager"), world.person("registered_manager", None)
    own = finding(world.org, world.home, subject=f"user:{manager.id}", user_id=manager.id)
    mine, free, theirs = raised(
        world, own, finding(world.org, world.home), finding(world.org, world.other_home)
    )

    assert "out-of-scope" == world.refusal(OpenFrom([free, mine], new_id()), OPEN, manager).why
    assert "out-of-scope" == world.refusal(OpenFrom([free, theirs], new_id()), OPEN, manager).why
    assert ("new", None, ["raised"]) == whole(world, free, other)


def test_a_finding_after_the_incident_is_a_new_alert(world: World) -> None:
    """What happens once an incident was opened is looked into by itself, and names the earlier alert."""
    manager = world.person("registered_manager")
    again = finding(world.org, world.home)
    [one] = raised(world, again)
    world.answer(OpenFrom([one], new_id()), OPEN, manager)
    [two] = raised(world, again)

    assert one != two
    assert one == world.answer(ReadAlert(two), READ, manager).payload["earlier_alert_id"]
