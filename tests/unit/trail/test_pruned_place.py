"""Detection where the lines it began with were pruned."""

from sqlalchemy import update

from app.access.visit import System
from app.alerts.judging import JUDGE, Take
from app.alerts.table import judged
from app.core.identifiers import SYSTEM
from tests.unit.trail.test_pruning import lines_of, old, prune  # noqa: F401 - a fixture


def taken(world, runner: str) -> int:
    """Return up to where the deployment's chain was judged for the organisation."""
    world.pass_time(seconds=16)
    return world.answer(Take(SYSTEM, runner), JUDGE, System("detection", world.org)).payload.seq


def test_a_moved_place_is_judged_again_after_line_0_was_pruned(old):  # noqa: F811
    """Whoever moves the place past what they did hides nothing: it begins with what is left."""
    for _ in range(3):
        old.try_sign_in("nobody.at.all", "wrong wrong wrong")
    first = taken(old, "one")
    prune(old)
    assert b"" == lines_of(old)[0]
    move = update(judged).where(judged.c.chain == SYSTEM).values(seq=len(old.entries(SYSTEM)))
    old.looking(lambda connection: connection.execute(move))

    assert first == taken(old, "two") == 0
