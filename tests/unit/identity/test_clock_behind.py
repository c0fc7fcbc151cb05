"""While the machine's clock is behind what was, time goes on, and what ended stays ended."""

from datetime import timedelta

import pytest

from app.access import instants
from app.access.visit import System, Visited
from app.core.errors import CaretrailError, OtpRequiredError, SessionEndedError, SessionIdleError
from app.identity.own_credentials import ChangePassword, ConfirmTotp, OfferTotp, PreparePassword
from app.identity.own_session import ReadSession
from app.identity.resetting import RESET, ResetAccount
from tests.support.world import PASSWORD, World

OWN = "GET /v1/sessions/current"
OFFER, CONFIRM = "POST /v1/users/me/totp", "POST /v1/users/me/totp/confirm"
CHANGE = "PUT /v1/users/me/password"
NEW = "seven dry owls by the gate"


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


def test_a_session_used_while_the_clock_was_ahead_sleeps_when_it_was_set_right(each_world):
    """A process that starts then lets nobody act whose last activity is still to come, until they wake it."""
    nurse = each_world.person("nurse")
    each_world.pass_time(minutes=8)
    each_world.answer(ReadSession(), OWN, nurse)
    each_world.pass_time(minutes=-7)
    anew = each_world.beside()

    assert isinstance(anew.refusal(ReadSession(), OWN, nurse), SessionIdleError)


def test_a_session_begun_while_the_clock_was_ahead_is_over_when_it_was_set_right(each_world):
    """Woken, it would last until that hour and its whole life beyond."""
    each_world.pass_time(days=300)
    nurse = each_world.person("nurse")
    each_world.pass_time(days=-300)
    anew = each_world.beside()
    refused = anew.refusal(ReadSession(), OWN, nurse)

    assert (SessionEndedError, "lifetime-over") == (type(refused), refused.why)


def test_a_new_authenticator_lets_in_whoever_signed_in_while_the_clock_was_ahead(each_world):
    """Codes of the old one fit when that hour has come; a reset and a new one do not wait for it."""
    each_world.pass_time(days=3)
    nurse = each_world.person("nurse")
    each_world.pass_time(days=-3)
    nurse.last_step = 0
    anew = each_world.beside()
    assert isinstance(anew.try_sign_in(nurse.username, otp=anew.otp(nurse)), OtpRequiredError)

    reset = ResetAccount(nurse.id, anew.hashes.hash(PASSWORD), "the clock was ahead")
    anew.answer(reset, RESET, System("cli", nurse.org))
    nurse.totp_secret = None
    anew.sign_in(nurse)
    prepared = anew.answer(PreparePassword(), CHANGE, nurse).payload
    anew.answer(ChangePassword(prepared, True, anew.hashes.hash(NEW)), CHANGE, nurse)
    nurse.totp_secret, nurse.last_step = (
        anew.answer(OfferTotp("Caretrail"), OFFER, nurse).payload["secret"],
        0,
    )
    first = anew.otp(nurse)
    anew.answer(ConfirmTotp(first), CONFIRM, nurse)

    assert isinstance(anew.try_sign_in(nurse.username, NEW, otp=first), OtpRequiredError)
    assert isinstance(anew.try_sign_in(nurse.username, NEW, otp=anew.otp(nurse)), Visited)
