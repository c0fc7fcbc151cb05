"""Worlds whose jobs run as a process would run them."""

import pytest

from app.access.visit import VisitRefusedError
from app.core.errors import CaretrailError


@pytest.fixture
def world(each_world):
    """A world on each database."""
    return each_world


@pytest.fixture
def serving():
    """A door for a world: visits are served at once."""

    def door(world):
        async def visit(visit):
            world.turn.serve([visit])
            if isinstance(visit.outcome, CaretrailError):
                raise VisitRefusedError(visit.outcome, visit.stamp)
            return visit.outcome

        return visit

    return door
