"""Delivery that meets a defect of ours: it says so, begins again after a pause, and ends cleanly."""

import asyncio
import logging

import pytest
from sqlalchemy import select

from app.webhooks import delivering as delivery
from app.webhooks.claiming import AnyDue, ClaimMessages
from app.webhooks.delivering import Delivering
from app.webhooks.table import webhook_message
from tests.support.announcing import tell


class DefectError(Exception):
    """Something nobody thought of."""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(delivery, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(delivery, "AGAIN_S", 0.2)


def breaking(world, settings, *works):
    """Return delivery whose door breaks once for each of these works, in their order."""
    left = list(works)

    async def visit(visit):
        if left and isinstance(visit.work, left[0]):
            del left[0]
            raise DefectError
        world.turn.serve([visit])
        return visit.outcome

    return Delivering(visit, settings)


async def until(true):
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


def statuses(world):
    query = select(webhook_message.c.status)
    return world.looking(lambda connection: connection.execute(query).scalars().all())


def test_delivery_begins_again_after_a_defect(world, receiver, enter, settings, caplog):
    """It is not healthy for a while, which the log and a reading say; then it sends what waits."""
    enter(world, receiver.url())
    tell(world)
    told = []

    async def run():
        one = breaking(world, settings, AnyDue, ClaimMessages)
        one.start()
        told.append(one.gauges())
        await until(lambda: not one.healthy)
        told.append(one.gauges())
        await until(lambda: one.healthy)
        await until(lambda: receiver.got)
        told.append(one.gauges())
        await one.stop()

    asyncio.run(run())

    assert [1, 0, 1] == [one["webhook_delivery_runs"] for one in told]
    assert ["done"] == statuses(world)
    said = [record for record in caplog.records if record.message == "webhooks-broken-off"]
    assert [logging.CRITICAL] * 2 == [record.levelno for record in said]


def test_delivery_that_broke_off_ends_cleanly(world, receiver, enter, settings, monkeypatch):
    """`stop` lets go of everything and does not raise; nothing begins again afterwards."""
    enter(world, receiver.url())
    tell(world)

    async def run():
        one = breaking(world, settings, *[AnyDue] * 9)
        assert one._able()
        one.start()
        await until(lambda: not one.healthy)
        await one.stop()
        assert one._sender is None
        await asyncio.sleep(0.4)
        assert not one.healthy

    asyncio.run(run())

    assert (["due"], []) == (statuses(world), receiver.got)
