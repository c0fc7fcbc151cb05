"""A process that starts while the clock is behind the trail revives nothing, and lets nobody act unasked."""

import asyncio

import pytest

from app.access.visit import Visit, Visited, VisitRefusedError
from app.core.errors import (
    AuditUnavailableError,
    CaretrailError,
    SessionEndedError,
    SessionIdleError,
    SessionLockedError,
    StartRefusedError,
)
from app.identity.own_session import ReadSession
from app.identity.set_back import revive_none
from tests.support.at_once import at_once
from tests.support.world import Person, World

OWN = "GET /v1/sessions/current"


def started_anew(world: World) -> World:
    """Return another process, after what it does before it answers anybody."""
    anew = world.beside()
    asyncio.run(revive_none(at_once(anew)))
    return anew


def refused(process: World, person: Person) -> type[CaretrailError]:
    return type(process.refusal(ReadSession(), OWN, person))


def test_what_ended_by_time_stays_ended(each_world: World) -> None:
    """A shift that was over and a session that idled away are not back, whatever the clock says now."""
    agency, carer = each_world.person("agency_carer", shift_hours=8), each_world.person("carer")
    each_world.pass_time(hours=9)
    each_world.person("nurse")
    each_world.pass_time(hours=-8, minutes=-58)
    anew = started_anew(each_world)

    assert [SessionEndedError, SessionLockedError] == [refused(anew, one) for one in (agency, carer)]
    each_world.pass_time(hours=8)
    assert SessionEndedError is refused(each_world.beside(), agency)


def test_what_was_seen_at_an_hour_to_come_does_not_wake_by_itself_when_it_comes(each_world: World) -> None:
    """Three hours ahead and set right: what was used then is locked, and what began then is over for good."""
    carer = each_world.person("carer")
    each_world.pass_time(minutes=8)
    each_world.answer(ReadSession(), OWN, carer)
    each_world.pass_time(hours=3)
    nurse = each_world.person("nurse")
    each_world.pass_time(hours=-3, minutes=-7)
    started_anew(each_world)
    each_world.pass_time(minutes=7)
    asleep = refused(each_world.beside(), carer)
    each_world.pass_time(hours=3)

    assert [SessionLockedError, SessionEndedError] == [asleep, refused(each_world.beside(), nurse)]


def test_a_clock_that_is_not_behind_locks_nobody(each_world: World) -> None:
    """Nor one that another machine's is a minute ahead of."""
    nurse = each_world.person("nurse")
    each_world.pass_time(minutes=-1)
    each_world.beside().answer(ReadSession(), OWN, nurse)
    assert not isinstance(started_anew(each_world).do(ReadSession(), OWN, nurse), CaretrailError)
    each_world.pass_time(minutes=12)
    assert SessionIdleError is refused(started_anew(each_world), nurse)


def test_nobody_is_answered_where_it_cannot_be_done() -> None:
    """Who could not look whether the clock was set back does not start: sessions might act again."""

    async def away(_visit: Visit) -> Visited:
        raise VisitRefusedError(AuditUnavailableError(), None)

    with pytest.raises(StartRefusedError):
        asyncio.run(revive_none(away))
