"""What the service does for itself and keeps failing at is told of by the doctor, from the entries of it."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from app.access.opened import Opened
from app.access.visit import System
from app.access.work import Answer, Work
from app.core.errors import ConflictError
from app.core.identifiers import SYSTEM
from app.operations.finding import Finding
from app.operations.own_works import check_own_works, troubles
from app.storage.snapshot import open_snapshot
from app.trail.checkpoints import HOUSEKEEPING
from tests.support.world import World


@dataclass
class Fails(Work):
    """A work that fails, if it does, as the housekeeping's do: silent when it goes well."""

    fails: bool = True
    silent = True

    def perform(self, _opened: Opened) -> Answer:
        """Fail, or do nothing."""
        if self.fails:
            raise ConflictError(why="in-the-way")
        return Answer()


def found(world: World) -> Finding:
    with open_snapshot(world.engine) as view:
        return check_own_works(troubles(view), world.now)


def failing(world: World, *after: float, who: str = "checkpoints", org: str = "") -> None:
    """Fail so many seconds after each other."""
    for seconds in after:
        world.pass_time(seconds=seconds)
        world.refusal(Fails(), HOUSEKEEPING, System(who, org or world.org))


def test_what_fails_again_and_again_is_told_of_with_why(each_world: World) -> None:
    """Once for all chains it fails at, in every chain; other entries and another's works change nothing."""
    world = each_world
    assert "ok" == found(world).result
    for org in (world.org, SYSTEM):
        failing(world, 1, 30, 31, org=org)
        world.answer(Fails(fails=False), HOUSEKEEPING, System("checkpoints", org))
    told = found(world)

    assert ("housekeeping", "failed", False) == (told.name, told.result, told.stops)
    assert told.told.endswith("minute: checkpoints fails at audit.housekeeping (in-the-way)")
    assert told.advice


@pytest.mark.parametrize(
    ("after", "by", "then"),
    [
        pytest.param((1, 2, 4, 8, 16), "checkpoints", 0, id="shorter than a minute"),
        pytest.param((1, 3600, 3600), "checkpoints", 0, id="three troubles of a day"),
        pytest.param((1, 30, 31), "checkpoints", 181, id="over"),
        pytest.param((1, 30, 31), "cli", 0, id="somebody tries a command"),
    ],
)
def test_what_is_no_lasting_trouble_is_not(
    each_world: World, after: tuple[float, ...], by: str, then: float
) -> None:
    """What the next try mended, or ended, and commands, which say themselves what they failed of."""
    failing(each_world, *after, who=by)
    each_world.pass_time(seconds=then)

    assert "ok" == found(each_world).result


def test_a_minute_of_it_is_enough(each_world: World) -> None:
    """Told within two tries at the longest pause there is."""
    failing(each_world, 1, 60)
    assert "failed" == found(each_world).result
    each_world.pass_time(seconds=timedelta(minutes=3).total_seconds())
    assert "failed" == found(each_world).result, "a try may be that late"
