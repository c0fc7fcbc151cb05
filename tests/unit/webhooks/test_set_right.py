"""The clock ran ahead while messages were written or claimed, and the service is started anew when right."""

from typing import Any

import pytest
from sqlalchemy import update

from app.access.visit import System
from app.core.identifiers import SYSTEM
from app.webhooks.claiming import DISPATCH, AnyDue, ClaimMessages
from app.webhooks.table import webhook_message
from tests.support.announcing import tell
from tests.support.world import World

HOOKS = System("webhooks", SYSTEM)
URL = "https://example.org/hooks"


def claim(process: World) -> Any:
    return process.answer(ClaimMessages(16), DISPATCH, HOOKS).payload


def due(process: World) -> Any:
    return process.answer(AnyDue(), DISPATCH, HOOKS).payload


@pytest.mark.parametrize(("ahead", "held"), [({"days": 3}, False), ({"days": 1000}, False),
                                             ({"seconds": 45}, True)])  # fmt: skip
def test_who_was_killed_while_the_clock_was_ahead_holds_no_message(
    world: World, enter: Any, ahead: dict[str, int], held: bool
) -> None:
    """It goes out now, not when its lease ends; of a clock within a minute a lease is honoured."""
    enter(world, URL)
    tell(world)
    world.pass_time(**ahead)
    assert len(claim(world)) == 1
    world.pass_time(**{unit: -much for unit, much in ahead.items()})
    anew = world.beside()

    assert (not held, 0 if held else 1) == (due(anew), len(claim(anew)))


def test_what_was_written_while_the_clock_was_ahead_goes_out(world: World, enter: Any) -> None:
    """Its due time was to come only with that hour."""
    enter(world, URL)
    world.pass_time(days=3)
    tell(world)
    world.pass_time(days=-3)
    anew = world.beside()

    assert due(anew)
    assert len(claim(anew)) == 1


def test_the_longest_pause_is_no_fault_of_a_clock(world: World, enter: Any) -> None:
    """A message that waits for its last attempt stays due when it was, also by a clock a minute behind."""
    enter(world, URL)
    tell(world)
    later = world.later(hours=26, minutes=24)
    world.looking(lambda connection: connection.execute(update(webhook_message).values(due_at=later)))
    world.pass_time(seconds=-60)

    assert (False, []) == (due(world), claim(world))
    [row] = world.rows(webhook_message)
    assert later == row["due_at"]
