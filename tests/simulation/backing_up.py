"""The nightly backup, as far as the trail knows of it: a run that is claimed and ends well or badly."""

from datetime import timedelta

from app.access.visit import System
from app.backups.job import CREATE
from app.core.identifiers import SYSTEM
from app.jobs.works import KEEPING, ClaimNow, EndRun, Planned
from tests.simulation.playing import Misuse, Player

NIGHTLY = Planned("backup", "30 2 * * *")


def backed_up(player: Player) -> None:
    """Make tonight's run, unless none is made tonight. One that fails but once is made again."""
    tonight = player.world.now.date()
    misuse = player.house.failing_backups.get(tonight)
    if misuse is None and tonight in player.house.missing_backups:
        return
    _run(player, misuse)
    if misuse is not None and misuse.size == "subtle":
        player.at(player.world.now + timedelta(minutes=15))
        _run(player, None)


def _run(player: Player, misuse: Misuse | None) -> None:
    """Claim the run and end it: badly, if that belongs to a misuse."""
    world, keeper = player.world, System("jobs", SYSTEM)
    claimed = world.answer(ClaimNow(NIGHTLY, "server"), KEEPING, keeper).payload
    if misuse is None:
        world.answer(EndRun(claimed.run_id, "ok", {"bytes": 1_000_000}), CREATE, keeper)
        return
    world.refusal(EndRun(claimed.run_id, "fail", {"why": "not-written"}), CREATE, keeper)
    assert world.visit is not None
    misuse.left(world.visit)
