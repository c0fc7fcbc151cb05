"""How many entries a second are judged: 45 people read notes of 60 residents, then the consumer catches up.

    python -m tests.tools.judging_rate 60000

On both databases, one process, from the first line on; habits, alerts and places are stored as while serving.
"""

import asyncio
import random
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from app.access.operations import OPERATIONS
from app.access.visit import System, Visit, Visited, VisitRefusedError
from app.alerts.table import alert
from app.alerts.watching import Watching
from app.residents.admission import AdmitResident
from app.residents.recording import MakeRecord
from app.residents.records import ReadRecord
from tests.support import postgresql
from tests.support.world import Person, World

STAFF, RESIDENTS, AT_ONCE = 45, 60, 64
PAUSE = timedelta(seconds=25)
"""Between turns: 60,000 entries stay within the longest life of a session."""
READ = OPERATIONS["GET /v1/residents/{resident_id}/records/{record_id}"]
ROLES = ("carer", "senior_carer", "nurse")


def main() -> None:
    """Measure on SQLite, then on PostgreSQL."""
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
    with tempfile.TemporaryDirectory(prefix="caretrail-rate-") as folder, World.at(Path(folder)) as world:
        measure("sqlite", world, entries)
    with (
        postgresql.server_of_its_own() as url,
        World(postgresql.make_database(url, "rate").superuser) as world,
    ):
        measure("postgresql", world, entries)


def measure(name: str, world: World, entries: int) -> None:
    """Write a history, judge it, and tell the rate."""
    read(world, entries)
    began = time.perf_counter()
    asyncio.run(consumer(world).catch_up())
    seconds, judged = time.perf_counter() - began, len(world.entries())
    told = f"{judged:,} entries judged in {seconds:.1f} s, {judged / seconds:,.0f} a second"
    sys.stdout.write(f"{name}: {told}; {len(world.rows(alert))} alerts\n")


def read(world: World, entries: int) -> None:
    """Have everybody read records at random until there are so many entries."""
    people = [world.person(ROLES[n % len(ROLES)]) for n in range(STAFF)]
    notes = [note(world, n) for n in range(RESIDENTS)]
    chance = random.Random(1)
    for _ in range(entries // AT_ONCE):
        visits = [visit(chance.choice(people), *chance.choice(notes)) for _ in range(AT_ONCE)]
        world.turn.serve(visits)
        refused = next((one.outcome for one in visits if not isinstance(one.outcome, Visited)), None)
        if refused is not None:
            raise SystemExit(f"a read was refused: {refused}")
        world.clock.advance(PAUSE)


def note(world: World, number: int) -> tuple[str, str]:
    """Admit somebody and write a note about them; return both ids."""
    cli = System("cli", world.org)
    identity = {"given_name": f"Sample {number}", "family_name": f"Example {number}"}
    admitted = AdmitResident(
        world.home, None, str(number), identity, {"date_of_birth": "1938-04-05"}, "2026-01-01"
    )
    resident = world.answer(admitted, "POST /v1/residents", cli).payload["id"]
    made = MakeRecord(resident, "daily_note", world.later(minutes=-5), {"text": "slept well"})
    return resident, world.answer(made, "POST /v1/residents/{resident_id}/records", cli).payload["id"]


def visit(person: Person, resident: str, record: str) -> Visit:
    """Return a reading of a record by somebody who is signed in."""
    assert person.session is not None
    return Visit(person.session, READ, ReadRecord(resident, record), purpose="care")


def consumer(world: World) -> Watching:
    """Return the consumer that judges while a process serves."""

    async def through(one: Visit) -> Visited:
        await asyncio.to_thread(world.turn.serve, [one])
        if not isinstance(one.outcome, Visited):
            raise VisitRefusedError(one.outcome, one.stamp)
        return one.outcome

    return Watching(through, lambda: world.now, hurry=True)


if __name__ == "__main__":
    main()
