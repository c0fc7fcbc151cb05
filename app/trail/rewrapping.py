"""A new generation of an organisation's key: owners' keys are wrapped anew under it, some at a time.

Data keys, and what they seal, stay as they are. A row gets another wrapped key and so another digest, which
an entry `key.rewrap` names (`rows`); its version, and so everybody's ETag, stays. Broken off anywhere, what
is wrapped is wrapped and the rest opens under the generation before; run again, it goes on.

A row that is not what the trail knows is left alone: a new digest would vouch for what somebody did to it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import Executable, Table, bindparam, func, select, update

from app.access.drafting import further_entry
from app.access.opened import Opened
from app.access.work import Answer, Work
from app.core.clock import spell
from app.core.errors import AlteredRow, SealBrokenError
from app.trail.rotation import REWRAP
from app.vault.generations import OrganisationKey, header
from app.vault.sealing import DataKey, refuse_altered
from app.vault.table import organisation_keys

PIECE = 100
_keys = organisation_keys.c
_GENERATION = (
    select(_keys.generation, _keys.completed_at)
    .where(_keys.org == bindparam("of"))
    .order_by(_keys.generation.desc())
    .limit(1)
)
_COMPLETE = (
    update(organisation_keys)
    .where(_keys.org == bindparam("of"), _keys.completed_at.is_(None))
    .values(completed_at=bindparam("at"))
)


@dataclass(frozen=True)
class Owners:
    """Rows that hold the wrapped key of whom they are about.

    Attributes:
        kind: What entries call such a row.
        table: Where they are: `org`, `id`, `version`, `wrapped_key`, `state`.
        row: The named tuple of the columns that are bound.
        digest: From the owner's key and a row to its digest.
    """

    kind: str
    table: Table
    row: Any
    digest: Callable[[DataKey, Any], bytes]

    def behind(self, newest: bytes) -> tuple[Any, ...]:
        """Return the condition of rows whose keys are wrapped under an earlier generation."""
        c = self.table.c
        begins = func.substr(c.wrapped_key, 1, len(newest))
        return c.org == bindparam("of"), func.length(c.wrapped_key) > 0, begins != newest

    def count(self, newest: bytes) -> Executable:
        """Return the statement that counts such rows."""
        return select(func.count()).select_from(self.table).where(*self.behind(newest))

    def next(self, newest: bytes) -> Executable:
        """Return the statement that reads and locks the next of such rows."""
        c = self.table.c
        columns = [c[name] for name in self.row._fields]
        after = c.id > bindparam("after")
        found = select(*columns).where(*self.behind(newest), after).order_by(c.id).limit(PIECE)
        return found.with_for_update()

    @cached_property
    def write(self) -> Executable:
        """The one statement that gives a row its key wrapped anew."""
        c = self.table.c
        return (
            update(self.table)
            .where(c.org == bindparam("of"), c.id == bindparam("which"))
            .where(c.wrapped_key == bindparam("key_was"))
            .values(wrapped_key=bindparam("wrapped"), state=bindparam("bound"))
        )


class Begun(NamedTuple):
    """A rotation that is under way.

    Attributes:
        generation: The one that seals now.
        resumed: An earlier run had begun it.
        behind: How many owners' keys are wrapped under earlier ones.
    """

    generation: int
    resumed: bool
    behind: int


class Piece(NamedTuple):
    """What came of a piece: where to go on (None: nothing is left), how many rows, which were left alone."""

    after: str | None
    wrapped: int
    altered: tuple[str, ...]


@dataclass
class BeginGeneration(Work):
    """Make the next generation of an organisation's key, or take up the one that an earlier run made."""

    owners: Sequence[Owners]
    silent = True  # its entry is the one beside it
    own_sql = True
    alone = True

    def perform(self, opened: Opened) -> Answer:
        """Return a `Begun`."""
        found = opened.execute(_GENERATION.with_for_update(), {"of": opened.org}).one()
        generation, resumed = found.generation, found.completed_at is None
        if not resumed:
            generation += 1
            opened.keyring().begin_generation(opened.connection(), opened.org, generation, opened.at)
            _enter(opened, generation)
        return Answer(Begun(generation, resumed, _behind(opened, self.owners)))


@dataclass
class WrapOwners(Work):
    """Wrap the next owners' keys under the newest generation, with one entry for all of them."""

    owners: Owners
    after: str
    silent = True  # its entry is the one beside it, where there was anything to wrap
    own_sql = True
    alone = True

    def perform(self, opened: Opened) -> Answer:
        """Return a `Piece`."""
        key = opened.organisation_key()
        found = opened.execute(
            self.owners.next(header(key.generation)), {"of": opened.org, "after": self.after}
        ).all()
        rows: list[dict[str, Any]] = []
        for one in found:
            row = self.owners.row._make(one)
            try:
                rows.append(self._wrap(opened, key, row))
            except SealBrokenError:
                opened.altered.append(AlteredRow(self.owners.kind, row.id))
        if rows:
            opened.note.members["rows"] = rows
            opened.note.count = len(rows)
            _enter(opened, key.generation)
        altered = tuple(one.id for one in opened.altered)
        return Answer(Piece(found[-1].id if len(found) == PIECE else None, len(rows), altered))

    def _wrap(self, opened: Opened, key: OrganisationKey, row: Any) -> dict[str, Any]:
        owners, of = self.owners, (opened.org, row.id)
        data_key, wrapped = opened.keyring().wrap_owner_anew(key, *of, bytes(row.wrapped_key))
        refuse_altered(row.state, owners.digest(data_key, row), AlteredRow(owners.kind, row.id))
        bound = owners.digest(data_key, row._replace(wrapped_key=wrapped))
        where = {"of": opened.org, "which": row.id, "key_was": row.wrapped_key}
        opened.change(owners.write, where | {"wrapped": wrapped, "bound": bound})
        return {"t": owners.kind, "id": row.id, "ver": row.version, "state": bound.hex()}


@dataclass
class CompleteGeneration(Work):
    """Say that a rotation is over, if nothing is left under an earlier generation but what was left alone."""

    owners: Sequence[Owners]
    left_alone: int
    silent = True  # its entry is the one beside it
    own_sql = True
    alone = True

    def perform(self, opened: Opened) -> Answer:
        """Return how many rows are behind. Only where these are no more than were left alone it is over."""
        behind = _behind(opened, self.owners)
        if (
            behind <= self.left_alone
            and opened.execute(_COMPLETE, {"of": opened.org, "at": spell(opened.at)}).rowcount
        ):
            opened.note.members["left"] = behind
            _enter(opened, opened.organisation_key().generation, ended=True)
        return Answer(behind)


def _behind(opened: Opened, owners: Sequence[Owners]) -> int:
    newest = header(opened.organisation_key().generation)
    return sum(opened.execute(one.count(newest), {"of": opened.org}).scalar_one() for one in owners)


def _enter(opened: Opened, generation: int, *, ended: bool = False) -> None:
    """Add the entry of a step: which key follows which, and the rows that were wrapped."""
    key = opened.organisation_key()
    opened.note.object = ("organisation_key", key.name(generation))
    opened.note.members["key"] = {"old": key.name(generation - 1), "new": key.name(generation)}
    if ended:
        opened.note.members["key"]["whole"] = True
    opened.also.append(further_entry(opened, REWRAP.act))
