"""What the tests of the trail let happen in a world: residents come, people look at them."""

import asyncio

from sqlalchemy import text

from app.access.operation import Operation
from app.access.visit import System, Visited, VisitRefusedError
from app.access.work import Work
from app.core.errors import CaretrailError
from app.residents.admission import AdmitResident
from app.residents.register import ListResidents, ReadResident
from app.trail import exporting
from app.trail.export_works import EVERYTHING
from tests.support.world import Person, World

ADMIT = "POST /v1/residents"
READ = "GET /v1/residents/{resident_id}"
LIST = "GET /v1/residents"
EVENTS = "GET /v1/audit/events"
EVENT = "GET /v1/audit/events/{seq}"
LOG = "GET /v1/residents/{resident_id}/access-log"


def admit(world: World, home: str, family_name: str = "Example", number: str | None = None) -> str:
    """Admit a resident to a home and return the id."""
    identifiers = {"date_of_birth": "1938-04-05"} | ({"nhs_number": number} if number else {})
    identity = {"given_name": "Edith", "family_name": family_name}
    work = AdmitResident(home, None, None, identity, identifiers, "2026-01-05")
    return str(world.answer(work, ADMIT, System("cli", world.org)).payload["id"])


def look_at(world: World, resident: str, who: Person) -> int:
    """Let somebody read a resident and return the number of the entry, permitted or not."""
    world.do(ReadResident(resident), READ, who)
    assert world.visit is not None
    assert world.visit.stamp is not None
    return world.visit.stamp.seq


def list_residents(world: World, who: Person, home: str | None = None) -> int:
    """Let somebody list residents and return the number of the entry."""
    world.answer(ListResidents(home, None, 50, None), LIST, who)
    assert world.visit is not None
    assert world.visit.stamp is not None
    return world.visit.stamp.seq


def serving(world: World, who: Person | System, served: list[str] | None = None):
    """Return what runs the works of an export through the door, for somebody."""

    async def serve(operation: Operation, work: Work) -> Visited:
        outcome = world.do(work, operation, who)
        if served is not None:
            served.append(type(work).__name__)
        if isinstance(outcome, CaretrailError):
            assert world.visit is not None
            raise VisitRefusedError(outcome, world.visit.stamp)
        return outcome

    return serve


def story(world: World) -> Person:
    """Let some people do something, and return the auditor."""
    carer, kitchen = world.person("carer", name="Carer"), world.person("kitchen", name="=Cook")
    residents = [admit(world, home) for home in (world.home, world.home, world.other_home)]
    for resident in residents:
        look_at(world, resident, carer)
        look_at(world, resident, kitchen)
    list_residents(world, carer)
    return world.person("auditor", None, name="Auditor")


def exported(world, who, notary, guards, format_="zip", served=None, chosen=EVERYTHING) -> bytes:
    """Return a whole export, or a filtered one."""

    async def run() -> bytes:
        export = await exporting.begin(serving(world, who, served), notary, guards, format_, chosen)
        return b"".join([part async for part in export.stream()])

    return asyncio.run(run())


def lines_of(world: World, end: int | None = None, org: str | None = None) -> list[bytes]:
    """Return the stored lines of a chain."""
    query = text("SELECT line FROM audit_event WHERE org = :org ORDER BY seq")
    rows = world.looking(lambda c: c.execute(query, {"org": org or world.org}).scalars().all())
    return [bytes(line) for line in rows][:end]


def last_two(world: World) -> list[tuple[str, str]]:
    """Return act and outcome of the last two entries."""
    return [(e["act"], e["out"]) for e in world.entries()[-2:]]
