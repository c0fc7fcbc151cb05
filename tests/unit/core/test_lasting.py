"""What runs beside the serving begins again after a defect."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import pytest

from app.core import lasting
from app.core.lasting import Lasting


class DefectError(Exception):
    """Something nobody thought of."""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(lasting, "AGAIN_S", 0.05)


class Task:
    """A task that breaks so many times before it waits for its end."""

    def __init__(self, breaks: int) -> None:
        self.breaks, self.begun = breaks, 0
        self.stopping = asyncio.Event()
        self.lasting = Lasting("the task", self.run, self.stopping)

    async def run(self) -> None:
        self.begun += 1
        if self.begun <= self.breaks:
            raise DefectError("about Mrs Example")
        await self.stopping.wait()


def within(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 10))


def test_a_task_that_broke_off_begins_again_and_it_is_told(caplog):
    """Each defect is one critical line: the task's name and the kind of error, nothing of its text."""
    task, seen = Task(2), set()

    async def story() -> None:
        running = asyncio.create_task(task.lasting.run())
        while task.begun < 3:
            await asyncio.sleep(0.01)
            seen.add((task.begun, task.lasting.broken))
        task.stopping.set()
        await running

    within(story())

    assert {(1, True), (2, True)} <= seen
    assert (3, False) == (task.begun, task.lasting.broken)
    told = [(r.levelno, r.message, r.kind, r.cause, r.exc_info) for r in caplog.records]
    assert [(logging.CRITICAL, "broken-off", "the task", "DefectError", None)] * 2 == told
    assert "Example" not in caplog.text


def test_a_task_that_ends_by_itself_is_not_begun_again(caplog):
    """Stopping ends it once and for all."""
    task = Task(0)
    task.stopping.set()

    within(task.lasting.run())

    assert (1, False, []) == (task.begun, task.lasting.broken, caplog.records)


def test_a_task_that_is_stopped_in_the_pause_ends_at_once(monkeypatch):
    """Nobody waits half a minute for a process to end; it stays broken off."""
    monkeypatch.setattr(lasting, "AGAIN_S", 60.0)
    task = Task(9)

    async def story() -> None:
        running = asyncio.create_task(task.lasting.run())
        while not task.lasting.broken:
            await asyncio.sleep(0.01)
        task.stopping.set()
        await running

    within(story())

    assert (1, True) == (task.begun, task.lasting.broken)


def test_a_task_without_an_end_is_cancelled():
    """Cancelling is no defect."""
    task = Task(0)

    async def story() -> None:
        running = asyncio.create_task(Lasting("the task", task.run).run())
        while not task.begun:
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    within(story())

    assert 1 == task.begun
