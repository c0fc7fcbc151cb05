"""Misuse by writing, and what happens to the service itself."""

from datetime import timedelta
from functools import partial

from sqlalchemy import update

from app.access.visit import System
from app.core.identifiers import SYSTEM
from app.residents.table import record
from app.trail.clock_watch import STEP, RecordStep
from tests.simulation import asking
from tests.simulation.asking import Asked
from tests.simulation.house import House, Kept, Resident
from tests.simulation.playing import Player
from tests.simulation.staging import Stage


def rewriting(stage: Stage) -> None:
    """Have a nurse rewrite notes of others: 40 in half an hour, 15 in an hour, 5."""
    duty = stage.working("nurse day")
    kept = _notes(stage, stage.size(40, 15, 5))
    asks = [partial(asking.amended, kept=one, reason="corrected") for one in kept]
    at = duty.came + timedelta(hours=5.5)
    stage.does(at, duty.member, stage.tablet(duty.unit), asks, stage.size(40, 200, 300))


def removing(stage: Stage) -> None:
    """Have the deputy's account mark notes as entered in error: 30, 8, 2."""
    who = stage.one("deputy")
    spot = stage.outside() if stage.misuse.size == "gross" else stage.house.spots.office
    asks = [partial(_removed, kept=one) for one in _notes(stage, stage.size(30, 8, 2))]
    stage.does(stage.at("22:10" if stage.misuse.size == "gross" else "15:30"), who, spot, asks, 40)


def _removed(_house: House, kept: Kept) -> Asked:
    return asking.removed(kept)


def _notes(stage: Stage, count: int) -> list[Kept]:
    found = [
        kept
        for resident in stage.here
        for kept in stage.house.records[(resident, "daily_note")][-3:]
        if not kept.gone
    ]
    return stage.random.sample(found, min(count, len(found)))


def after_an_incident(stage: Stage) -> None:
    """Have a night carer fill in observations that were not made, after a fall: nine, five, two."""
    duty = stage.working("carer night")
    resident: Resident = stage.random.choice([one for one in stage.here if one.unit == duty.unit])
    who, spot = duty.member, stage.tablet(duty.unit)
    fell = duty.came + timedelta(hours=4)
    # the report itself is honest, and no misuse
    stage.does(
        fell, who, spot, [partial(asking.written, resident=resident, category="incident_report", ago=15)]
    )
    back = stage.size(9, 5, 2)
    asks = [
        partial(asking.written, resident=resident, category="observation", ago=120 + 20 * n)
        for n in range(back)
    ]
    stage.does(fell + timedelta(minutes=70), who, spot, asks, 60)


def row_changed(stage: Stage) -> None:
    """Change rows in the database past the service; who reads them next is refused: ten, three, one."""
    kept = _notes(stage, stage.size(10, 3, 1))
    duty = stage.working("senior early")

    def tampered(player: Player) -> None:
        for one in kept:
            other = (
                update(record).where(record.c.id == one.id).values(occurred_at="2026-01-01T00:00:00.000000Z")
            )
            player.world.looking(lambda connection, other=other: connection.execute(other))
            one.gone = True

    at = duty.came + timedelta(hours=2)
    stage.beside(at, tampered)
    for one in kept:
        at += timedelta(seconds=40)
        stage.special(at, partial(Player.met, who=duty.member, spot=stage.tablet(duty.unit), kept=one))


def clock_set_back(stage: Stage) -> None:
    """Set the clock back: by three hours, twenty minutes, five seconds."""
    step = RecordStep(stage.size(3 * 3600, 20 * 60, 5))

    def stepped(player: Player) -> None:
        player.world.answer(step, STEP, System("clock", SYSTEM))

    stage.special(stage.at("03:33"), stepped)


def backup_fails(stage: Stage) -> None:
    """Have the nightly backup fail: on three nights, on two, once and then succeed at a second try."""
    night, wanted = 1, stage.size(3, 2, 1)
    while wanted:
        date = stage.at("02:30", night).date()
        if date not in stage.house.failing_backups:  # another size may have that night
            stage.house.failing_backups[date] = stage.misuse
            wanted -= 1
        night += 1


def backup_missing(stage: Stage) -> None:
    """Have no backup made at all: for six nights, for three, for one."""
    nights = stage.size(6, 3, 1)
    for night in range(1, 1 + nights):
        stage.house.missing_backups.add(stage.at("02:30", night).date())
    stage.lasts(stage.at("02:30", 1), stage.at("02:30", 1 + nights))
