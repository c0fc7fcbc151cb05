"""Rows of sessions go 90 days after their end, piece by piece, and nobody is let in by it."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import insert

from app.access.visit import System
from app.access.work import Work
from app.core.clock import day_before, parse
from app.core.errors import SessionEndedError, TokenInvalidError
from app.core.identifiers import SYSTEM
from app.identity.own_session import ReadSession, SignOut
from app.identity.past_sessions import FORGET_SESSIONS, KEEP_FOR, MOST_FORGOTTEN, ForgetSessions
from app.identity.session_rows import present_session
from app.identity.table import session
from app.storage.guard import carrying
from tests.support.served import Database, Deployment
from tests.unit.trail.state_scene import compare

HOUSEKEEPING = System("sessions", SYSTEM)
OWN, OUT = "GET /v1/sessions/current", "DELETE /v1/sessions/current"


@pytest.fixture
def world(each_world):
    """A world on each database."""
    return each_world


def forget(world):
    return world.answer(ForgetSessions(), FORGET_SESSIONS, HOUSEKEEPING).payload


def there(world):
    return {row["id"] for row in world.rows(session)}


def told(world):
    return [entry for entry in world.entries(SYSTEM) if entry["act"] == "sessions.forget"]


def multiply(world, times):
    """Keep so many sessions more, as old as the one there is."""
    [kept] = world.rows(session)
    more = [kept | {"id": f"more {n:03}"} for n in range(times)]
    world.looking(lambda connection: connection.execute(insert(session), more))


def test_a_session_goes_by_its_end_and_not_by_its_start(world):
    """Two of one day, each of twelve hours: the one that ended on the next day is kept a day longer."""
    world.answer(SignOut(), OUT, world.person("carer"))
    world.pass_time(hours=13)
    world.person("nurse")
    days = [parse(row["ends_at"]).day for row in world.rows(session)]
    gone = []
    world.pass_time(days=90, minutes=60)
    for minutes in (59, 1, 24 * 60 - 1, 1):
        world.pass_time(minutes=minutes)
        gone.append((world.now.isoformat(" ", "minutes")[5:16], forget(world), len(there(world))))

    assert [2, 3] == sorted(days)
    assert [
        ("05-31 23:59", 0, 2),
        ("06-01 00:00", 1, 1),
        ("06-01 23:59", 0, 1),
        ("06-02 00:00", 1, 0),
    ] == gone


def test_what_is_younger_is_kept_however_it_ended(world):
    """Signed out, timed out, or alive: before its 90 days are over no row goes, and no entry is made."""
    out, _, agency = (world.person(role) for role in ("carer", "nurse", "agency_carer"))
    world.answer(SignOut(), OUT, out)
    world.pass_time(days=90)
    alive = world.person("registered_manager")

    assert (0, 4, []) == (forget(world), len(there(world)), told(world))
    assert isinstance(world.refusal(ReadSession(), OWN, out), SessionEndedError)
    assert "signed-out" == world.entry()["why"]
    assert agency.session.id in there(world)
    world.answer(ReadSession(), OWN, alive)


def test_one_entry_says_how_many_went(world):
    """In the chain of the deployment: the sessions were of every organisation. It names nobody."""
    world.person("carer")
    world.person("registered_manager", None, org=world.found("Another Care"))
    world.pass_time(days=92)

    assert (2, 0) == (forget(world), forget(world))
    [entry] = told(world)
    assert (2, "ok", "system:sessions") == (entry["n"], entry["out"], entry["actor"]["id"])
    assert {"subs", "obj", "rows"}.isdisjoint(entry)


def test_a_backlog_goes_piece_by_piece(world):
    """However many are outdated, a turn removes so many of them, the oldest first."""
    world.person("carer")
    multiply(world, 2 * MOST_FORGOTTEN)
    world.pass_time(days=92)

    assert [MOST_FORGOTTEN, MOST_FORGOTTEN, 1, 0] == [forget(world) for _ in range(4)]
    assert set() == there(world)
    assert [MOST_FORGOTTEN, MOST_FORGOTTEN, 1] == [entry["n"] for entry in told(world)]


def test_nobody_comes_back_by_it(world):
    """Whose session was removed is as refused as before, by a clock that was set back, too."""
    out, timed_out = world.person("carer"), world.person("nurse")
    world.answer(SignOut(), OUT, out)
    world.pass_time(days=92)
    forget(world)
    now = [world.refusal(ReadSession(), OWN, one) for one in (out, timed_out)]
    world.pass_time(days=-92)
    back = [world.beside().refusal(ReadSession(), OWN, one) for one in (out, timed_out)]

    assert [TokenInvalidError] * 4 == [type(one) for one in now + back]


def test_rows_that_a_restore_brings_back_open_nothing_and_go_again(world):
    """A backup from before has them, ended as they were."""
    out, timed_out = world.person("carer"), world.person("nurse")
    world.answer(SignOut(), OUT, out)
    rows = world.rows(session)
    world.pass_time(days=92)
    forget(world)
    world.looking(lambda connection: connection.execute(insert(session), rows))

    refused = [world.refusal(ReadSession(), OWN, one) for one in (out, timed_out)]
    assert [SessionEndedError] * 2 == [type(one) for one in refused]
    assert (2, set()) == (forget(world), there(world))


def test_rows_and_trail_are_as_sound_as_before(world):
    """Sessions are bound to no entry: `audit verify --state` finds none missing."""
    world.person("carer")
    world.pass_time(days=92)
    forget(world)

    assert [] == [finding for chain in compare(world).chains for finding in chain.findings]


@dataclass
class ForgottenMeanwhile(Work):
    """Asks for its own session after it was removed."""

    own_sql = True

    def perform(self, opened):
        opened.execute(session.delete())
        present_session(opened)


def test_one_that_goes_while_it_acts_is_over(world):
    """A process whose clock is far ahead may remove what is alive here: nothing is done with it then."""
    carer = world.person("carer")
    refused = world.refusal(ForgottenMeanwhile(), OWN, carer)

    assert (SessionEndedError, "session-ended") == (type(refused), refused.why)


@pytest.mark.parametrize("each_world", ["postgresql"], indirect=True)
def test_what_another_process_removes_is_passed_over(world):
    """Nobody waits for it, and no entry counts it twice."""
    world.person("carer")
    world.pass_time(days=92)
    other = world.beside()

    with other.engine.connect() as connection, carrying(connection, "test"), connection.begin():
        connection.execute(session.delete())
        assert (0, []) == (forget(world), told(world))


def test_the_service_may_remove_them(each_database: Database, tmp_path):
    """On PostgreSQL with the rights of its own role."""
    with Deployment.on(each_database, tmp_path) as world:
        world.person("carer")
        world.pass_time(days=92)

        assert (1, set()) == (forget(world), there(world))


def test_a_day_begins_at_midnight_in_utc(world):
    """So that what is over is removed once a day, not once a minute."""
    assert "2025-12-02T00:00:00+00:00" == day_before(world.now, KEEP_FOR).isoformat()
    assert timedelta(days=90) == KEEP_FOR
