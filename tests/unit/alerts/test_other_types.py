"""Rows of alerts with a value of another type: told of by the comparison, refused on reading."""

import pytest
from sqlalchemy import text

from app.alerts.listing import ReadAlert
from app.alerts.rule_works import SetRule
from tests.support.alarming import finding, raised
from tests.unit.alerts.test_state import PUT, told


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("alert_step", "comment = 9e999"),
        ("alert_step", "finding = lower(hex(finding))"),
        ("alert", "story = lower(hex(story))"),
        ("alert", "incident_id = 9e999"),
        ("alert_rule", "enabled = 'x'"),
        ("alert_rule", "enabled = ''"),
    ],
)
def test_a_value_of_another_type_is_told(world, table, change):
    """The row differs from its entry, also where JSON spells both values alike."""
    raised(world, finding(world.org, world.home))
    world.answer(SetRule("refusals", False, {}, "noise"), PUT, world.person("registered_manager", None))
    assert [] == told(world)[0]
    world.looking(lambda connection: connection.execute(text(f"UPDATE {table} SET {change}")))

    assert [table] == [one.split()[1] for one in told(world)[0] if "row differs from entry" in one]


@pytest.mark.parametrize("change", ["earlier_id = 9e999", "story = lower(hex(story))", "state = 7"])
def test_an_alert_with_a_value_of_another_type_is_refused(world, change):
    """It is refused as altered, and the trail is told."""
    manager = world.person("registered_manager", None)
    [alert_id] = raised(world, finding(world.org, world.home))
    world.looking(lambda connection: connection.execute(text(f"UPDATE alert SET {change}")))

    refused = world.refusal(ReadAlert(alert_id), "GET /v1/alerts/{alert_id}", manager)

    assert ("integrity", "state-broken") == (refused.slug, refused.why)
    alarms = [e["obj"] for e in world.entries() if e["act"] == "integrity.fail"]
    assert [{"t": "alert", "id": alert_id}] == alarms
