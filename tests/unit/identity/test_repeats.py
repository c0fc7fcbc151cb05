"""Answers kept for repeats go when their day is over, piece by piece, and no earlier."""

import asyncio

import pytest
from sqlalchemy import select

from app.access.visit import System
from app.core.identifiers import SYSTEM
from app.identity import folding
from app.identity.homes import OpenHome
from app.identity.repeats import FORGET_ANSWERS, MOST_FORGOTTEN, ForgetOutdated
from app.identity.table import idempotency
from app.storage.guard import carrying

HOMES = "POST /v1/homes"


@pytest.fixture
def manager(each_world):
    """Somebody who may open homes, signed in."""
    return each_world.person("registered_manager", None)


def forget(world):
    return world.answer(ForgetOutdated(), FORGET_ANSWERS, System("repeats", SYSTEM)).payload


def open_home(world, who, key):
    return world.answer(OpenHome(f"Home {key}", None, None), HOMES, who, key=key).payload["id"]


def multiply(world, times):
    """Keep so many answers more, as old as the one there is."""

    def enter(connection):
        kept = dict(connection.execute(select(idempotency)).one()._mapping)
        connection.execute(idempotency.insert(), [kept | {"key": f"more {n:03}"} for n in range(times)])

    world.looking(enter)


def keys(world):
    return {row["key"] for row in world.rows(idempotency)}


def test_an_answer_is_kept_for_a_day_and_then_removed(each_world, manager):
    """Up to 24 hours a repeat gets the first answer, whatever housekeeping does; then the key is free."""
    world = each_world
    first = open_home(world, manager, "early")
    world.pass_time(hours=23, minutes=59)
    world.sign_in(manager)
    open_home(world, manager, "late")

    assert 0 == forget(world)
    assert first == open_home(world, manager, "early")
    world.pass_time(minutes=1)
    assert 1 == forget(world)
    assert {"late"} == keys(world)
    assert first != open_home(world, manager, "early")


def test_a_backlog_goes_piece_by_piece(each_world, manager):
    """However many are outdated, a turn removes so many of them: it has a deadline."""
    world = each_world
    open_home(world, manager, "one")
    multiply(world, 2 * MOST_FORGOTTEN)
    world.pass_time(hours=24)

    assert [MOST_FORGOTTEN, MOST_FORGOTTEN, 1, 0] == [forget(world) for _ in range(4)]
    assert set() == keys(world)


def test_it_goes_on_while_serving_until_nothing_is_left(each_world, manager, monkeypatch):
    """A serving process removes pieces one after the other, then looks once in a while."""
    world = each_world
    open_home(world, manager, "one")
    multiply(world, 2 * MOST_FORGOTTEN)
    world.pass_time(hours=24)
    monkeypatch.setattr(folding, "EVERY_S", 0.001)
    seconds, forgotten = iter(range(1000)), []

    async def visit(visit):
        world.turn.serve([visit])
        if isinstance(visit.work, ForgetOutdated):
            forgotten.append(visit.outcome.answer.payload)
            if len(forgotten) == 4:
                raise asyncio.CancelledError
        return visit.outcome

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(folding.fold_while_serving(visit, now=lambda: float(next(seconds))))

    assert [MOST_FORGOTTEN, MOST_FORGOTTEN, 1, 0] == forgotten
    assert folding.FORGET_EVERY_S <= next(seconds), "the last look was not at once"


@pytest.mark.parametrize("each_world", ["postgresql"], indirect=True)
def test_a_key_that_is_used_again_meanwhile_is_kept(each_world, manager):
    """What another process is replacing is passed over: its new answer is there for the next repeat."""
    world = each_world
    open_home(world, manager, "again")
    world.pass_time(hours=24)
    other = world.beside()

    with other.engine.connect() as connection, carrying(connection, "test"), connection.begin():
        connection.execute(idempotency.update().values(made_at=world.later()))
        removed = forget(world)

    assert (0, 0, {"again"}) == (removed, forget(world), keys(world))
