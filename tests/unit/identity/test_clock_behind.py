"""While the machine's clock is behind what was, time goes on, and what ended stays ended."""

from datetime import timedelta

import pytest

from app.access import instants
from app.core.errors import CaretrailError, SessionIdleError
from app.identity.own_session import ReadSession
from tests.support.world import World

OWN = "GET /v1/sessions/current"


@pytest.fixture
def ticks(monkeypatch):
    """The seconds of the monotonic clock, as a list of one."""
    seconds = [100.0]
    monkeypatch.setattr(instants, "monotonic", lambda: seconds[0])
    return seconds


def test_a_session_idles_away_although_the_clock_was_set_back(tmp_path, ticks):
    """Two hours back: after twice its idle time nobody has used it, by whatever clock."""
    with World.at(tmp_path) as world:
        nurse = world.person("nurse")
        assert not isinstance(world.do(ReadSession(), OWN, nurse), CaretrailError)
        world.clock.advance(timedelta(hours=-2))
        ticks[0] += 60
        assert not isinstance(world.do(ReadSession(), OWN, nurse), CaretrailError)
        ticks[0] += 2 * 600 + 60
        assert isinstance(world.do(ReadSession(), OWN, nurse), SessionIdleError)


def test_a_clock_that_catches_up_is_believed_again(tmp_path, ticks):
    """A minute back, two minutes later: entries have the clock's time, none is before another."""
    with World.at(tmp_path) as world:
        nurse = world.person("nurse")
        world.answer(ReadSession(), OWN, nurse)
        before = world.visit.at
        world.clock.advance(timedelta(seconds=-60))
        ticks[0] += 10
        world.answer(ReadSession(), OWN, nurse)
        assert before + timedelta(seconds=5) == world.visit.at
        world.clock.advance(timedelta(seconds=121))
        ticks[0] += 121
        world.answer(ReadSession(), OWN, nurse)
        assert world.clock.now() == world.visit.at
