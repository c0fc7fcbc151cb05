"""Beginning anew: the windows are filled from lines that were judged, and the place is held meanwhile."""

import asyncio

import orjson
import pytest
from sqlalchemy import select

from app.access.visit import System, Visited, VisitRefusedError
from app.alerts import watched
from app.alerts.judging import HOLD_EVERY_S, JUDGE, LEASE, ReadPiece, Take
from app.alerts.table import judged
from app.alerts.watching import Watching
from app.audit.table import event
from app.core.clock import parse
from tests.unit.alerts.test_watching import guess, judge, raised, watching

SLOW_S = LEASE.total_seconds() / 2 + 1
"""How long reading a piece takes here: two of them outlast the lease."""
PIECE = 5


@pytest.fixture
def world(each_world):
    """A world on each database."""
    return each_world


@pytest.fixture
def behind(world, monkeypatch):
    """A chain of which all but the last lines were judged by a process that then ended; up to where."""
    monkeypatch.setattr(watched, "WARM_PIECE", PIECE)
    monkeypatch.setattr(watched, "monotonic", lambda: world.now.timestamp())
    carer = world.person("carer")
    guess(world, carer, 12)
    judge(watching(world))
    world.pass_time(seconds=LEASE.total_seconds() + 1)
    guess(world, carer, 4)
    return place(world)["seq"]


def place(world):
    """Return the row that says up to where the organisation's chain was judged, and by whom."""
    [row] = [row for row in world.rows(judged) if (row["org"], row["chain"]) == (world.org, world.org)]
    return row


def instants(world):
    """Return when each line of the organisation's chain was written."""
    query = select(event.c.line).where(event.c.org == world.org).order_by(event.c.seq)
    lines = world.looking(lambda connection: connection.execute(query).scalars().all())
    return [parse(orjson.loads(bytes(line))["c"]["ts"]) for line in lines]


def slowly(world, behind, amid):
    """Return a consumer whose reading of lines that were judged takes long; `amid` is awaited after each.

    The pieces of its warming up are kept in `amid.read`.
    """
    amid.read = []

    async def visit(one):
        world.turn.serve([one])
        if not isinstance(one.outcome, Visited):
            raise VisitRefusedError(one.outcome, one.stamp)
        asked = one.work
        if isinstance(asked, ReadPiece) and asked.chain == world.org and asked.start < behind:
            amid.read.append(asked.start)
            world.pass_time(seconds=SLOW_S)
            await amid()
        return one.outcome

    return Watching(visit, lambda: world.now, hurry=True)


def test_who_warms_up_longer_than_a_lease_is_not_overtaken(world, behind):
    """Another process that looks after every piece finds the place held; the first judges all there is."""
    other = watching(world.beside())

    async def amid():
        await other.look()
        assert place(world)["runner"] == first._runner

    first = slowly(world, behind, amid)
    asyncio.run(first.look())

    assert HOLD_EVERY_S < SLOW_S < LEASE.total_seconds() < len(amid.read) * SLOW_S
    assert (first._runner, len(world.entries())) == (place(world)["runner"], place(world)["seq"])
    assert 1 == len(raised(world))


def test_who_lost_the_place_gives_up_warming_up(world, behind):
    """A lease that ended all the same, and somebody who has the place: nothing more is read for it."""

    async def amid():
        world.pass_time(seconds=LEASE.total_seconds())
        taken = world.answer(Take(world.org, "other"), JUDGE, System("detection", world.org)).payload
        assert taken is not None

    late = slowly(world, behind, amid)

    assert asyncio.run(late.look()) is False
    assert 1 == len(amid.read)
    assert ("other", behind) == (place(world)["runner"], place(world)["seq"])
    assert 1 == late.gauges()["detection_chains_held"], "the system's, and not the one it lost"


def test_who_is_told_to_stop_gives_up_warming_up(world, behind):
    """A day of lines takes many seconds to read: a service that ends does not wait for them."""

    async def amid():
        ends.append(asyncio.create_task(early.stop()))
        await asyncio.sleep(0)  # by then it says that it ends, and waits

    async def serve():
        early.start()
        await asyncio.wait_for(early._task, 30)
        await ends[0]

    ends: list[asyncio.Task] = []
    early = slowly(world, behind, amid)
    asyncio.run(serve())

    assert 1 == len(amid.read) < behind // PIECE
    assert behind == place(world)["seq"], "whoever comes next begins there"
    other = watching(world.beside())
    judge(other)
    assert (other._runner, len(world.entries())) == (place(world)["runner"], place(world)["seq"])


def test_windows_are_filled_from_a_day_before(world):
    """The longest window is 24 hours: who begins anew reads from the first line of that day."""
    carer = world.person("carer", signed_in=False)
    for _ in range(30):
        world.try_sign_in(carer.username, "not the password", address="198.51.100.9")
        world.pass_time(hours=1)
    judge(watching(world))
    world.pass_time(minutes=1)
    taken = world.answer(Take(world.org, "other"), JUDGE, System("detection", world.org)).payload

    at = instants(world)[: taken.seq]
    day = [n for n, one in enumerate(at) if (at[-1] - one).total_seconds() <= 24 * 3600]
    assert 0 < day[0] == taken.warm_from


def test_what_is_spread_over_hours_is_found_over_restarts(world):
    """Four refusals for want of a shift within twelve hours are told, though each met another process."""
    agency = world.person("agency_nurse", signed_in=False, shift_hours=-0.5)
    for _ in range(4):
        assert raised(world, "off-shift-attempts") == []
        world.try_sign_in(agency.username, otp=world.otp(agency))
        watch = watching(world)
        judge(watch)
        asyncio.run(watch.stop())
        world.pass_time(hours=3)

    [one] = raised(world, "off-shift-attempts")
    assert f"user:{agency.id}" == one["subject"]
