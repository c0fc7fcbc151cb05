"""What earlier runs made for a resident, and whether a resource of this run is among it.

What one server calls `Type/id` is not what another does, unless the two are word for word the same. Where
one of two does not name its server, and they differ, nobody can tell whether it is the same, changed: then
nothing is added, and no dose is linked.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, Self

from sqlalchemy import Row, bindparam, func, or_, select

from app.access.opened import Opened
from app.exchange.matching import Recorded
from app.exchange.sources import HALF_BYTES, Named, name_of, resource_of
from app.residents.table import record

_INDEX = record.c.source_index
_RECORDS = select(_INDEX, record.c.source_digest, record.c.id, record.c.deleted).where(
    record.c.org == bindparam("org"), record.c.resident_id == bindparam("resident"), _INDEX.is_not(None)
)
_LIKE_THESE = _RECORDS.where(
    or_(
        func.substr(_INDEX, 1, HALF_BYTES, type_=_INDEX.type).in_(bindparam("resources", expanding=True)),
        func.substr(_INDEX, HALF_BYTES + 1, type_=_INDEX.type).in_(bindparam("names", expanding=True)),
    )
)

Standing = Literal["new", "unchanged", "changed", "in doubt"]


class Known(NamedTuple):
    """The records that earlier runs made for a resident, by what their source called them.

    Attributes:
        ids: Of each record, by its index.
        digests: Of what was kept, by the index of the record and by the half its resource has.
        alike: The indexes of records that differ in their server at most.
        deleted: Ids of records that were deleted.
        held: The resources of those that were not.
    """

    ids: dict[bytes, str]
    digests: dict[bytes, set[bytes]]
    alike: dict[bytes, list[bytes]]
    deleted: set[str]
    held: set[bytes]

    @classmethod
    def of(cls, opened: Opened, found: Recorded | None, alike: Iterable[Named] | None = None) -> Self:
        """Return what is known of somebody, their Patient included.

        Args:
            opened: The attempt.
            found: Who they are; None for somebody new.
            alike: Only what may be these: somebody's records are read whole once in a run.
        """
        known = cls({}, defaultdict(set), defaultdict(list), set(), set())
        if found is None:
            return known
        known.digests[resource_of(found.source_index)].add(found.source_digest)
        asked: dict[str, Any] = {"org": opened.org, "resident": found.row.id}
        if alike is None:
            known._take(opened.execute(_RECORDS, asked))
        else:
            indexes = [index for named in alike for index in named]
            asked["resources"] = list({resource_of(index) for index in indexes})
            asked["names"] = list({name_of(index) for index in indexes})
            known._take(opened.execute(_LIKE_THESE, asked))
        return known

    def _take(self, rows: Iterable[Row[Any]]) -> None:
        for row in rows:
            self.ids[row.source_index] = row.id
            self.alike[name_of(row.source_index)].append(row.source_index)
            for name in (row.source_index, resource_of(row.source_index)):
                self.digests[name].add(row.source_digest)
            if row.deleted:
                self.deleted.add(row.id)
            else:
                self.held.add(resource_of(row.source_index))

    def judge(self, named: Named, digest: bytes) -> tuple[Standing, str | None]:
        """Return how a draft stands to what there is, and the id of the record that was made of it."""
        earlier = self._digests(named.own)
        if earlier:
            there = self.ids.get(named.own)
            return ("changed" if digest not in earlier else "unchanged" if there else "new"), there
        alike = self.alike.get(name_of(named.own), [])
        same = next((index for index in alike if digest in self.digests[index]), None)
        if same is not None:
            return "unchanged", self.ids[same]
        nowhere = self._digests(named.nowhere)
        in_doubt = nowhere and digest not in nowhere if named.has_server else alike
        return "in doubt" if in_doubt else "new", None

    def _digests(self, index: bytes) -> set[bytes]:
        return self.digests.get(index) or self.digests.get(resource_of(index)) or set()

    def prescription(self, named: Named) -> tuple[Standing, str | None]:
        """Return the id of the record of a prescription that a dose names, if that is certain."""
        alike = self.alike.get(name_of(named.own), [])
        if named.own in self.ids and (named.has_server or len(alike) == 1):
            return "unchanged", self.ids[named.own]
        in_doubt = named.nowhere in self.ids if named.has_server else alike
        return "in doubt" if in_doubt else "new", None
