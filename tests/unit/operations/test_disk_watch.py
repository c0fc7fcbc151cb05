"""What the trail is told of a full disk, also by a process that started meanwhile."""

import asyncio
import logging

import pytest

from app.access.visit import System, VisitRefusedError
from app.core.errors import AuditUnavailableError
from app.core.identifiers import SYSTEM
from app.core.settings import Settings
from app.operations import disk_watch
from app.operations.disk_watch import FULL, LOOK_EVERY_S, SAY_AGAIN_S, DiskWatch, TellOfDisk
from app.storage.reserve import Reserve
from tests.support.at_once import at_once
from tests.support.world import World


@pytest.fixture
def world(tmp_path):
    """A provider."""
    with World.at(tmp_path) as made:
        yield made


@pytest.fixture
def look(world, tmp_path):
    """Have a process that starts now look so many times at a disk with room."""
    settings = Settings(data_dir=tmp_path)

    def looked(times=1):
        watch = DiskWatch(at_once(world), settings, Reserve(tmp_path / "reserve", 4096))

        async def run():
            for _ in range(times):
                await watch.look()

        asyncio.run(run())
        return [one["act"] for one in world.entries(SYSTEM) if one["act"].startswith("disk.")]

    return looked


def test_room_is_told_by_whoever_finds_it(world, look):
    """The process that told of a full disk ended; the next one finds room and tells of it, once."""
    world.answer(TellOfDisk(), FULL, System("disk", SYSTEM))

    assert ["disk.full", "disk.room"] == look(times=3)
    assert ["disk.full", "disk.room"] == look()


def test_a_disk_that_never_was_full_is_not_told_of(look):
    """Whoever starts on a disk with room leaves no entry about it."""
    assert [] == look(times=2)


def test_a_disk_that_is_full_again_is_told_of_again(world, look):
    """Each time it was full there is an entry, and one of the room after it."""
    for _ in range(2):
        world.answer(TellOfDisk(), FULL, System("disk", SYSTEM))
        told = look()

    assert ["disk.full", "disk.room"] * 2 == told


class Disk(Reserve):
    """A reserve that is given back, and made again, by a test."""

    def keep(self):
        """Say whether there is room."""
        return not self.spent


@pytest.mark.parametrize("trail", ["full too", "told"])
def test_the_log_says_when_it_begins_seldom_while_it_lasts_and_when_it_is_over(
    world, tmp_path, monkeypatch, caplog, trail
):
    """Whether or not the trail can be told: a log on the same disk is not what fills it."""
    seconds, known, disk = 0.0, at_once(world), Disk(tmp_path / "reserve")

    async def visit(wanted):
        if trail == "full too":
            raise VisitRefusedError(AuditUnavailableError(), None)
        return await known(wanted)

    async def looked(*, spent, times):
        nonlocal seconds
        disk.spent = spent
        for _ in range(times):
            await watch.look()
            seconds += LOOK_EVERY_S
        said = [one.message for one in caplog.records]
        caplog.clear()
        return said

    monkeypatch.setattr(disk_watch, "spaces", lambda _settings: [])
    watch = DiskWatch(visit, Settings(data_dir=tmp_path), disk, now=lambda: seconds)
    caplog.set_level(logging.WARNING, disk_watch.logger.name)
    for _ in range(2):
        assert ["disk-full"] == asyncio.run(looked(spent=True, times=int(SAY_AGAIN_S / LOOK_EVERY_S)))
        assert ["disk-full"] == asyncio.run(looked(spent=True, times=10))
        assert ["disk-has-room"] == asyncio.run(looked(spent=False, times=10))
