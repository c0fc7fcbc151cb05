"""Other systems are told of alerts by the outbox, in the transaction of what happened."""

import orjson

from app.access.visit import System
from app.alerts.steps import TakeStep
from app.core.identifiers import new_id
from app.webhooks.managing import CreateEndpoint
from app.webhooks.table import webhook_message
from tests.support.alarming import finding, raised
from tests.support.world import World
from tests.unit.alerts.test_linking import OPEN, STEP, OpenFrom

CREATE = "POST /v1/webhooks"


def test_what_happens_to_an_alert_is_announced(world: World) -> None:
    """Raised, graver, taken up, made an incident: one message each; found again or commented: none."""
    world.answer(CreateEndpoint("https://example.org/in", ["*"]), CREATE, System("cli", world.org))
    manager, carer = world.person("registered_manager"), world.person("carer")
    about = {"subject": f"user:{carer.id}", "user_id": carer.id}
    [alert_id] = raised(world, finding(world.org, world.home, entries=(1,), **about))
    raised(world, finding(world.org, world.home, entries=(2,), **about))
    raised(world, finding(world.org, world.home, entries=(3,), severity="critical", **about))
    world.answer(TakeStep(alert_id, "in_review", comment="a tired carer"), STEP, manager)
    world.answer(TakeStep(alert_id, comment="said sorry"), STEP, manager)
    world.answer(OpenFrom([alert_id], new_id()), OPEN, manager)
    sent = [
        orjson.loads(row["body"]) for row in sorted(world.rows(webhook_message), key=lambda row: row["id"])
    ]

    assert [
        ("alert.raised", "new", None, "medium", 1),
        ("alert.changed", "new", "new", "critical", 3),
        ("alert.changed", "in_review", "new", "critical", 3),
        ("alert.changed", "incident", "in_review", "critical", 3),
    ] == [
        (
            one["type"],
            one["data"]["status"],
            one["data"].get("was"),
            one["data"]["severity"],
            one["data"]["count"],
        )
        for one in sent
    ]
    assert {alert_id} == {one["data"]["alert_id"] for one in sent}
    assert {world.home} == {one["data"]["home_id"] for one in sent}
    for hidden in (carer.id, manager.id, "tired", "refused within"):
        assert hidden not in str(sent)


def test_a_refused_step_tells_nobody(world: World) -> None:
    """A step that does not follow leaves no message."""
    world.answer(CreateEndpoint("https://example.org/in", ["*"]), CREATE, System("cli", world.org))
    manager = world.person("registered_manager")
    [alert_id] = raised(world, finding(world.org, world.home))
    world.refusal(TakeStep(alert_id, "explained", comment="x", version=1), STEP, manager)
    assert 1 == len(world.rows(webhook_message))
