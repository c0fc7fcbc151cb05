"""Every row of alerts is bound to the trail: what is changed, set back or removed past the door is told."""

import pytest
from sqlalchemy import text

from app.alerts.rule_works import SetRule
from app.alerts.state_kinds import ALERT_KINDS
from app.alerts.steps import TakeStep
from app.audit.checkpoint import Notary
from app.audit.database_check import check_database
from app.core.identifiers import new_id
from app.trail.state_check import check_state
from app.vault.keyring import Keyring
from tests.support.alarming import finding, raised
from tests.support.world import World
from tests.unit.alerts.test_linking import OPEN, STEP, OpenFrom

PUT = "PUT /v1/alert-rules/{rule}"


def told(world: World) -> tuple[list[str], list[str]]:
    """Return what a comparison of the rows finds, and what it compared."""
    keyring = Keyring(world._root, world.entropy)
    report = check_database(
        world.engine,
        Notary("care.example", bytes(range(32))),
        None,
        lambda snapshot, report: check_state(snapshot, report, keyring, ALERT_KINDS, world.now),
    )
    chain = next(c for c in report.chains if c.organisation == world.org)
    return [str(one) for one in chain.findings], list(chain.checked)


@pytest.fixture
def past(world: World) -> World:
    """A world in which alerts were raised, found again, reviewed and linked, and rules set."""
    manager = world.person("registered_manager", None)
    again = finding(world.org, world.home)
    [one] = raised(world, again)
    raised(world, again, finding(world.org))
    world.answer(TakeStep(one, "in_review", comment="whose tablet is it?"), STEP, manager)
    [two] = raised(world, finding(world.org, world.other_home))
    world.answer(OpenFrom([two], new_id()), OPEN, manager)
    for enabled in (False, True):
        world.answer(SetRule("refusals", enabled, {}, "noise"), PUT, manager)
    return world


def test_what_the_service_wrote_is_what_its_entries_say(past: World) -> None:
    """Of 3 alerts, 6 steps and 1 rule nothing is found."""
    findings, checked = told(past)
    assert [] == findings
    assert any(text.startswith("10 rows are what their entries say") for text in checked), checked


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        ("UPDATE alert SET status = 'explained' WHERE status = 'in_review'", 1),
        ("UPDATE alert SET concerned = '[\"x\"]'", 3),
        ("UPDATE alert SET story = concerned", 3),
        ("DELETE FROM alert WHERE status = 'incident'", 1),
        ("UPDATE alert_step SET by = 'somebody else' WHERE what = 'step'", 1),
        ("DELETE FROM alert_step WHERE what = 'found_again'", 1),
        ("UPDATE alert_step SET entry = NULL WHERE what = 'step'", 1),
        ("UPDATE alert_step SET entry = entry + 1", 6),
        ("UPDATE alert_rule SET enabled = (1 = 0)", 1),
        ("DELETE FROM alert_rule", 1),
    ],
)
def test_what_is_changed_past_the_door_is_told(past: World, change: str, rows: int) -> None:
    """A column changed or a row removed is one finding for each row."""
    past.looking(lambda connection: connection.execute(text(change)))
    assert rows == len(told(past)[0])
