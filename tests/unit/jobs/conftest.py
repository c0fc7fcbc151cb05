"""Worlds whose jobs run as a process would run them."""

import pytest

from app.access.visit import VisitRefusedError
from app.core.errors import CaretrailError
from tests.support.postgresql import make_database
from tests.support.world import World


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request, tmp_path):
    """A world on each database."""
    if request.param == "sqlite":
        made = World.at(tmp_path)
    else:
        server = request.getfixturevalue("postgresql_url")
        made = World(make_database(server, f"jobs_{request.getfixturevalue('worker_id')}").superuser)
    with made:
        yield made


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
