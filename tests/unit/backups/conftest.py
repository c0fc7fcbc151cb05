"""A small deployment on SQLite, backups of it, and what opens them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.audit.checkpoint import Notary
from app.backups import sealing
from app.backups.creating import Made, Recipe, make
from app.core.entropy import SystemEntropy
from app.core.identifiers import SYSTEM
from app.storage.engine import open_engine
from app.vault.keyring import Keyring
from app.vault.provider import ROOT_KEY, FileKeys
from tests.support.served import Database, Deployment

AT = datetime(2026, 3, 2, 2, 15, tzinfo=UTC)


@dataclass
class Bench:
    """Where backups are made and brought back.

    Attributes:
        world: The deployment.
        notary: Who signs.
        folder: Where backups go.
        identities: What opens them.
        recipient: Whom they are sealed for.
    """

    world: Deployment
    notary: Notary
    folder: Path
    identities: sealing.Identities
    recipient: str

    def make(self, at: datetime = AT) -> Made:
        """Make a backup."""
        engine = open_engine(self.world.url, patient=True)
        recipe = Recipe(engine, self.notary, "care.example", "test", self.folder, [self.recipient])
        try:
            return make(recipe, at, lambda _done, _all: None)
        finally:
            engine.dispose()

    @property
    def keys(self):
        """The keys that may have signed it."""
        return self.notary.keys(SYSTEM)

    @property
    def keyring(self) -> Keyring:
        """The deployment's root key."""
        return Keyring(FileKeys(self.world.settings.keys_dir).secret(ROOT_KEY), SystemEntropy())


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A deployment with a resident or two, and an identity."""
    folder = tmp_path_factory.mktemp("bench")
    url = f"sqlite:///{folder}/caretrail.db"
    secret, recipient = sealing.new_identity()
    identity = folder / "identity.txt"
    identity.write_text(f"# made for tests\n{secret}\n")
    with Deployment.on(Database("sqlite", url, url), folder) as world:
        world.person("carer")
        notary = Notary("care.example", bytes(range(32)))
        yield Bench(world, notary, folder / "backups", sealing.identities(identity), recipient)
