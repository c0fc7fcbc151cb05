"""Checkpoints, the index and the tiles, as works: what somebody may ask for, and what the housekeeping does.

The works of the housekeeping are silent: an entry for each checkpoint would want the next one.
"""

from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import func, select

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.audit import checkpoint, indexing, table, tiles
from app.audit.checkpoint import Checkpoint, Notary, Progress, SignerUnknownError
from app.audit.guard_file import Guards
from app.core.errors import AuditUnavailableError
from app.vault.rooted import OUTDATED

HOUSEKEEPING = Operation("*", "*", "system", "self", "audit.housekeeping", 200)

_signed = (
    select(func.max(table.checkpoint.c.size))
    .where(table.checkpoint.c.org == table.head.c.org)
    .scalar_subquery()
)
_newest_tile = (
    select(func.max(table.tile.c.n))
    .where(table.tile.c.org == table.head.c.org, table.tile.c.level == 1)
    .scalar_subquery()
)
_SURVEY = select(
    table.head.c.org, table.head.c.size, table.indexed.c.size, _signed, func.coalesce(_newest_tile, -1) + 1
).join_from(table.head, table.indexed, table.head.c.org == table.indexed.c.org)


@dataclass
class NewestCheckpoint(Work):
    """Sign the chain as it stands now, before the entry of this very request."""

    notary: Notary
    guards: Guards
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Return the note."""
        signed = sign_now(opened, self.notary, self.guards)
        opened.note.object = ("audit_checkpoint", str(signed.size))
        return Answer(signed.note)


def sign_now(opened: Opened, notary: Notary, guards: Guards) -> Checkpoint:
    """Return a checkpoint of the organisation's chain as of this turn; it continues what the guard knows."""
    known = guards.read(opened.org)
    return checkpoint.sign_head(opened.connection(), notary, opened.org, known, opened.at)


class ChainState(NamedTuple):
    """How long a chain is, how far it is indexed and signed (None: never), and its full tiles written."""

    org: str
    size: int
    indexed: int
    signed: int | None
    tiles: int


@dataclass
class SurveyChains(Work):
    """Look where all chains stand."""

    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return a `ChainState` for each.

        Raises:
            AuditUnavailableError: The database was wrapped under a root key that is not here.
        """
        if not opened.keyring().follow(opened.connection(), opened.at):
            raise AuditUnavailableError(why=OUTDATED)
        return Answer([ChainState._make(row) for row in opened.execute(_SURVEY).all()])


@dataclass
class ReadAgain(Work):
    """Read some more lines of a chain towards its next checkpoint."""

    since: Progress
    most: int
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return the `Progress`."""
        return Answer(checkpoint.reread(opened.connection(), opened.org, self.since, self.most, opened.at))


@dataclass
class SignHead(Work):
    """Sign a chain as it stands now."""

    notary: Notary
    known: Checkpoint | Progress
    silent = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Return the `Checkpoint`; None where another key signed last, and these sign nothing beside it."""
        connection, org = opened.connection(), opened.org
        try:
            return Answer(checkpoint.sign_head(connection, self.notary, org, self.known, opened.at))
        except SignerUnknownError:
            return Answer(None)


@dataclass
class IndexLines(Work):
    """Take some more lines of a chain into the index."""

    most: int
    silent = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Return how many lines are left out still."""
        return Answer(indexing.catch_up(opened.connection(), opened.org, self.most))


@dataclass
class WriteTiles(Work):
    """Write some more inner nodes of a chain's tree."""

    most: int
    silent = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Return how many full tiles are left out still."""
        return Answer(tiles.catch_up(opened.connection(), opened.org, self.most))
