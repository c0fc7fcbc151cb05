"""Homes with residents on each database, and packs made of them as a job makes them."""

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from app.access.visit import System, Visit, Visited, VisitRefusedError
from app.audit.checkpoint import Notary
from app.audit.guard_file import Guards
from app.backups import sealing
from app.continuity.job import PackMeans, continuity_job
from app.core.errors import CaretrailError
from app.core.settings import Settings
from app.jobs.scheduler import Job, Running, run_now
from app.residents.admission import AdmitResident
from app.residents.recording import MakeRecord
from app.trail.housekeeping import Housekeeping
from tests.support.world import World
from tests.unit.continuity.samples import FULL

REASON = "caretrail continuity pack, run by a test"


@dataclass
class Homes:
    """A world whose homes have packs.

    Attributes:
        world: The world.
        folder: Where packs go.
        recipients: The file of recipients.
        options: Further settings.
        before: Called with each visit of a pack before it is served.
    """

    world: World
    folder: Path
    recipients: Path
    options: dict[str, Any] = field(default_factory=dict)
    before: Callable[[Visit], None] = lambda _visit: None
    secrets: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make an identity that opens everything."""
        self.notary = Notary("care.example", bytes(range(32)))
        self.recipients.write_text(f"{self.identity('all')}  # the manager\n")

    def identity(self, name: str) -> str:
        """Make an identity, keep its secret under a name, and return its recipient."""
        self.secrets[name], recipient = sealing.new_identity()
        return recipient

    # --- residents ------------------------------------------------------------------------------

    def admit(self, name: str, home: str | None = None, org: str | None = None, **records: Any) -> str:
        """Have somebody live at a home, with records; by default as full as can be."""
        cli = System("cli", org or self.world.org)
        identity = {"given_name": "Ada", "family_name": name}
        born = {"date_of_birth": "1938-04-05"}
        work = AdmitResident(home or self.world.home, "Garden", "7", identity, born, "2012-01-05")
        resident = str(self.world.answer(work, "POST /v1/residents", cli).payload["id"])
        for category, bodies in (records or FULL).items():
            for body in bodies:
                made = MakeRecord(resident, category, self.world.later(minutes=-5), body)
                self.world.answer(made, "POST /v1/residents/{resident_id}/records", cli)
        return resident

    # --- packs ----------------------------------------------------------------------------------

    def visit(self, visit: Visit) -> Visited:
        """Serve a visit as a door does."""
        self.before(visit)
        self.world.turn.serve([visit])
        if isinstance(visit.outcome, CaretrailError):
            raise VisitRefusedError(visit.outcome, visit.stamp)
        assert visit.outcome is not None
        return visit.outcome

    def job(self, home: str | None = None) -> Job:
        """Return the job."""
        chosen = {"continuity_dir": self.folder, "continuity_recipients": self.recipients}
        settings = Settings(**(chosen | self.options))
        return continuity_job(PackMeans(settings, self.notary, self.visit, "cli", REASON, self._sign), home)

    def _sign(self) -> None:
        async def visit(visit: Visit) -> Visited:
            self.world.turn.serve([visit])
            assert isinstance(visit.outcome, Visited), visit.outcome
            return visit.outcome

        guards = Guards(self.recipients.parent / "guard", self.notary)
        asyncio.run(Housekeeping(visit, self.notary, guards).look(last=True))

    def run(self, home: str | None = None) -> list[dict[str, Any]]:
        """Make packs and return what is told of each."""
        told: list[dict[str, Any]] = self.job(home).body(Running("run", 0))["packs"]
        return told

    def run_recorded(self) -> dict[str, Any]:
        """Make packs as the command does, with the run recorded."""

        async def do(operation: Any, work: Any) -> Visited:
            return self.visit(Visit(System("cli", "system"), operation, work))

        return asyncio.run(run_now(do, self.job()))

    def opened(self, told: dict[str, Any], name: str = "all") -> bytes:
        """Return a pack as it is printed, opened with an identity."""
        file = self.recipients.parent / f"{name}.identity"
        file.write_text(self.secrets[name])
        out = io.BytesIO()
        with Path(told["path"]).open("rb") as sealed:
            sealing.unseal(sealed, out, sealing.identities(file))
        return out.getvalue()

    def files(self) -> list[str]:
        """Return the names of all packs that lie in any home's folder, finished or not."""
        return sorted(path.name for path in self.folder.rglob("*.age*"))

    def behind(self, *statements: str) -> None:
        """Change the database behind the service's back."""
        engine = create_engine(self.world.url, poolclass=NullPool)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()

    def entries(self, act: str, org: str | None = None) -> list[dict[str, Any]]:
        """Return the entries of an act."""
        return [one for one in self.world.entries(org) if one["act"] == act]


@pytest.fixture
def homes(each_world, tmp_path):
    """A world on each database with a folder for packs."""
    (folder := tmp_path / "packs").mkdir()
    return Homes(each_world, folder, tmp_path / "continuity-recipients.txt")
