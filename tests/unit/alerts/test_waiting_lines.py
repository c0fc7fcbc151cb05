"""Which lines wait to be judged, as the doctor reads it on each database."""

from app.audit.stored import entry
from app.core.clock import parse
from app.detection.event import read
from app.operations.database_facts import UnjudgedFacts, waiting_to_be_judged
from app.storage.snapshot import open_snapshot
from tests.support.world import World
from tests.unit.alerts.test_watching import guess, judge, watching


def waiting(world: World) -> list[UnjudgedFacts]:
    """Return the facts."""
    with open_snapshot(world.engine) as view:
        return waiting_to_be_judged(view, world.now)


def test_what_nobody_judged_waits_since_its_first_line(each_world: World) -> None:
    """Before anybody judged it is the whole chain, then what came since; nothing while all is judged."""
    world = each_world
    carer = world.person("carer")
    first = world.looking(lambda connection: entry(connection, world.org, 0))
    assert [(world.org, len(world.entries()), parse(read(first.line).ts), False)] == waiting(world)
    judge(watching(world))
    assert [] == waiting(world)
    world.pass_time(hours=2)
    guess(world, carer, 2)
    [(org, lines, since, held)] = waiting(world)

    assert (world.org, 2, False) == (org, lines, held)
    assert 0 <= (world.now - since).total_seconds() - 40 < 1
