"""A door in which a visit is a turn of its own, served at once: for works of the background."""

from collections.abc import Awaitable, Callable

from app.access.visit import Visit, Visited, VisitRefusedError
from app.core.errors import CaretrailError
from tests.support.world import World


def at_once(world: World) -> Callable[[Visit], Awaitable[Visited]]:
    """Return what takes a visit through the door of a world."""

    async def visit(wanted: Visit) -> Visited:
        world.turn.serve([wanted])
        if isinstance(wanted.outcome, CaretrailError):
            raise VisitRefusedError(wanted.outcome, wanted.stamp)
        assert isinstance(wanted.outcome, Visited)
        return wanted.outcome

    return visit
