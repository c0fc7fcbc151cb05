"""A pack as a sequence of turns: which homes, who lives there, what is disclosed of them, its end.

Each piece names its residents in an entry that is committed before the piece is handed over. So the trail
knows of every disclosure, also of a pack that was never finished.

Source: AUDIT-2, promise P1.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Select, bindparam, select

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.continuity.sheet import CATEGORIES, Recorded, Sheet, sheet
from app.core.errors import CaretrailError
from app.identity.table import home, organisation
from app.residents.boxes import key_of, unseal_body, unseal_personal
from app.residents.rows import RecordRow, ResidentRow
from app.residents.showing import RECORD_COLUMNS, RESIDENT_COLUMNS
from app.residents.table import record, resident

PACK = Operation("*", "*", "system", "self", "continuity.pack", 200)
PACK_END = Operation(PACK.method, PACK.path, "system", "self", PACK.act + ".end", 200)


class Site(NamedTuple):
    """A home that has a pack."""

    org: str
    provider: str
    id: str
    name: str


_SITES = (
    select(home.c.org, organisation.c.name, home.c.id, home.c.name)
    .join(organisation, organisation.c.id == home.c.org)
    .order_by(home.c.org, home.c.name, home.c.id)
)
_LIVING_THERE = (
    resident.c.org == bindparam("org"),
    resident.c.home_id == bindparam("at_home"),
    resident.c.status == "resident",
    resident.c.deleted.is_(False),
)
_IDS = select(resident.c.id).where(*_LIVING_THERE).order_by(resident.c.id)


def _of_residents(statement: Select[tuple[object, ...]]) -> Select[tuple[object, ...]]:
    return statement.where(resident.c.id.in_(bindparam("residents", expanding=True)))


_RESIDENTS = _of_residents(select(*RESIDENT_COLUMNS).where(*_LIVING_THERE).order_by(resident.c.id))
_RECORDS = (
    select(*RECORD_COLUMNS)
    .where(
        record.c.org == bindparam("org"),
        record.c.resident_id.in_(bindparam("residents", expanding=True)),
        record.c.category.in_(CATEGORIES),
        record.c.deleted.is_(False),
    )
    .order_by(record.c.occurred_at.desc(), record.c.id.desc())
)


@dataclass
class ListSites(Work):
    """Read which homes there are, of every provider."""

    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return a `Site` for each."""
        return Answer([Site._make(row) for row in opened.execute(_SITES).all()])


@dataclass
class WhoLives(Work):
    """Read who lives at a home now: ids, nothing else."""

    home_id: str
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return the ids."""
        rows = opened.execute(_IDS, {"org": opened.org, "at_home": self.home_id})
        return Answer(list(rows.scalars()))


@dataclass
class DisclosePiece(Work):
    """Read what the pack prints of some residents of a home. One who left meanwhile is left out."""

    pack_id: str
    home_id: str
    residents: tuple[str, ...]

    def asked(self) -> tuple[str, str | None]:
        """Return the pack."""
        return "continuity_pack", self.pack_id

    def perform(self, opened: Opened) -> Answer:
        """Return a `Sheet` for each, and name each in the entry."""
        asked = {"org": opened.org, "at_home": self.home_id, "residents": self.residents}
        found = [ResidentRow._make(row) for row in opened.execute(_RESIDENTS, asked).all()]
        rows = [row for row in found if not row.erased]
        sheets = _sheets(opened, rows)
        opened.note.homes = (self.home_id,)
        opened.discloses(*(row.id for row in rows), count=len(rows))
        return Answer(sheets)


def _sheets(opened: Opened, rows: Sequence[ResidentRow]) -> list[Sheet]:
    for row in rows:
        opened.allows("identity:read", row.place(opened.at))
    keys = {row.id: key_of(opened, row) for row in rows}
    records: dict[str, dict[str, list[Recorded]]] = {one: defaultdict(list) for one in keys}
    for raw in opened.execute(_RECORDS, {"org": opened.org, "residents": sorted(keys)}).all():
        one = RecordRow._make(raw)
        recorded = Recorded(one.occurred_at, unseal_body(keys[one.resident_id], one))
        records[one.resident_id][one.category].append(recorded)
    return [
        sheet(row.id, row.unit, unseal_personal(keys[row.id], row), records[row.id], opened.at)
        for row in rows
    ]


@dataclass
class EndPack(Work):
    """Record that a pack is where it should be, or that it broke off."""

    pack_id: str
    home_id: str
    residents: int
    why: str | None = None
    closing = True

    def asked(self) -> tuple[str, str | None]:
        """Return the pack."""
        return "continuity_pack", self.pack_id

    def perform(self, opened: Opened) -> Answer:
        """Note of how many residents it tells."""
        opened.note.homes = (self.home_id,)
        opened.note.count = self.residents
        return Answer(refusal=CaretrailError(why=self.why) if self.why else None)
