"""Two processes step one alert at once: one does, the other is told so."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from app.access.opened import Opened
from app.access.work import Answer
from app.alerts.listing import ReadAlert
from app.alerts.steps import TakeStep
from tests.support.alarming import finding, raised
from tests.support.postgresql import make_database
from tests.support.world import World

READ, STEP = "GET /v1/alerts/{alert_id}", "POST /v1/alerts/{alert_id}/steps"


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A world on PostgreSQL: on SQLite whoever writes has the database."""
    name = f"steps_{request.getfixturevalue('worker_id')}"
    with World(make_database(request.getfixturevalue("postgresql_url"), name).superuser) as made:
        yield made


@dataclass
class Overtaken(TakeStep):
    """A step between whose reading and writing something else happens, once."""

    meanwhile: Callable[[], object] = lambda: None

    def perform(self, opened: Opened) -> Answer:
        """Read and prepare, then let it happen."""
        answer = super().perform(opened)
        happens, self.meanwhile = self.meanwhile, lambda: None
        happens()
        return answer


def test_of_two_steps_at_once_one_is_refused(world: World) -> None:
    """Whoever commits first has the alert; the other is a conflict, and nothing of it is written."""
    first, second = world.person("registered_manager"), world.person("deputy_manager")
    [alert_id] = raised(world, finding(world.org, world.home))
    beside = world.beside()

    def take_up() -> None:
        beside.answer(TakeStep(alert_id, "in_review"), STEP, second)

    late = Overtaken(alert_id, "in_review", comment="mine", meanwhile=take_up)
    refused = world.refusal(late, STEP, first)
    shown = world.answer(ReadAlert(alert_id), READ, first).payload

    assert (409, "alert-state") == (refused.status, refused.why)
    assert ("in_review", second.id, 2) == (shown["state"], shown["owner_id"], shown["version"])
    assert (["raised", "step"], []) == ([one["what"] for one in shown["history"]], shown["comments"])
    outcomes = [(e["out"], e.get("why")) for e in world.entries() if e["act"] == "alert.step"]
    assert [("ok", None), ("fail", "alert-state")] == outcomes


def test_what_is_found_meanwhile_is_not_explained(world: World) -> None:
    """An explanation of what was read does not close what another process folded in since."""
    manager = world.person("registered_manager")
    again = finding(world.org, world.home)
    [alert_id] = raised(world, again)
    world.answer(TakeStep(alert_id, "in_review"), STEP, manager)
    beside = world.beside()
    explained = Overtaken(alert_id, "explained", None, "a drill", 2, lambda: raised(beside, again))

    assert "alert-moved" == world.refusal(explained, STEP, manager).why
    shown = world.answer(ReadAlert(alert_id), READ, manager).payload
    assert ("in_review", 2) == (shown["state"], shown["count"])
