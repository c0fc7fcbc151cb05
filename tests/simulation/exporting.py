"""An export of the trail: its two entries, as the route leaves them."""

from app.access.visit import Visited
from app.core.identifiers import new_id
from app.trail.export_works import EVERYTHING, EXPORT, EXPORT_END, ExportEnd, ExportStart, Filter
from tests.simulation.people import Member, Spot
from tests.simulation.playing import Misuse, Player


def exported(
    player: Player, who: Member, spot: Spot, misuse: Misuse | None, resident: str | None = None
) -> None:
    """Export the trail, or a resident's part of it."""
    house = player.house
    session = player.session(who, spot, misuse)
    if session is None:
        return
    wanted = Filter(resident_id=resident) if resident else EVERYTHING
    export = new_id()
    start = ExportStart(export, "jsonl", wanted, house.notary, house.guards)
    began = player.visit(session, EXPORT, start, spot.address, misuse)
    if isinstance(began.outcome, Visited):
        player.visit(session, EXPORT_END, ExportEnd(export, 1000, True), spot.address, misuse)
    elif misuse is None:
        player.surprises[f"audit.export: {getattr(began.outcome, 'why', '')}"] += 1
