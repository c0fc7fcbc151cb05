"""One resident's access log as an export for them or their family: nothing in it is about anybody else.

Whole lines are enclosed only of entries that can name nobody but the resident. Of every other entry, a
list of a home's residents say, the leaf with its proof is enclosed and what may be told of it: when, who,
what, and how it ended. When in doubt a line is withheld: one with a member that is not known here, or
with an id that somebody asked for and that was never found to be the resident's.

Source: AUDIT-2.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from app.audit import verify
from app.audit.checkpoint import Notary
from app.audit.guard_file import Guards
from app.core.clock import spell
from app.core.identifiers import new_id
from app.trail import export_files
from app.trail.export_works import EXPORT, FAMILY, ExportStart, Filter
from app.trail.exporting import Export, Parts, Serve, made_apart
from app.trail.packing import Parcel

MEMBERS = frozenset(
    (
        *("v", "id", "act", "out", "why", "actor", "for", "sess", "dev", "purpose", "reason_h", "src"),
        *("obj", "homes", "subs", "n", "chg", "state", "grant"),
    )
)
"""Members of an entry that tell of nobody but whoever `subs` names and who acted."""
FOUND = frozenset({"out-of-scope", "not-for-role", "action-not-allowed", "version-conflict"})
"""Refusals that come after the record was found to be the resident's."""


def is_only_of(event: dict[str, Any], resident: str) -> bool:
    """Say whether an entry can tell of no other resident."""
    if not event.keys() <= MEMBERS or event.get("subs") != [resident]:
        return False
    thing = event.get("obj", {})
    if thing.get("t") == "resident":
        return bool(thing.get("id") in (None, resident))
    # an id stands in the entry as it was asked for, whoever's it is
    return "id" not in thing or event["out"] == "ok" or event.get("why") in FOUND


async def begin(serve: Serve, notary: Notary, guards: Guards, format_: str, chosen: Filter) -> "FamilyExport":
    """Begin an export for a family: take the turn that decides, fixes the range and writes the first entry.

    Args:
        serve: Runs a work through the door with the caller's credential.
        notary: Who signs the checkpoint and the manifest.
        guards: What is known of the chain outside the database.
        format_: `zip`; the turn refuses any other.
        chosen: Whose entries, and of which time.

    Raises:
        VisitRefusedError: The caller may not, or asks for what there is not.
    """
    export_id = new_id()
    visited = await serve(EXPORT, ExportStart(export_id, format_, chosen, notary, guards, FAMILY))
    return FamilyExport(serve, notary, export_id, format_, chosen, visited)


class FamilyExport(Export):
    """An export for a family, under way."""

    def __init__(self, *begun: Any) -> None:
        super().__init__(*begun)
        self.filename = f"access-log-{self._chosen.resident_id}.zip"
        self._withheld = 0

    async def _zip(self) -> Parts:
        names: dict[int, str] = {}
        held: set[int] = set()
        with Parcel() as parcel:
            files = {
                "events.jsonl": self._own_lines(held),
                "withheld.jsonl": self._withheld_lines(),
                "names.jsonl": self._name_lines(held, names),
                "proofs.jsonl": self._proofs(),
                "segments.jsonl": self._segments(),
                "access-log.csv": self._table(names),
                "access-log.html": self._page(names),
            }
            for name, parts in files.items():
                async for part in self._file(parcel, name, parts):
                    yield part
            about = {"audience": FAMILY, "withheld": self._withheld}
            for part in self._small_files(parcel, export_files.FAMILY_README, about):
                yield part

    async def _own_lines(self, held: set[int]) -> Parts:
        """Yield the lines that are handed over; leave behind whose names all of the entries need."""
        async for lines in self._chunks(count=True):
            held |= await asyncio.to_thread(export_files.names_held, lines)
            own = await asyncio.to_thread(self._own, lines)
            self._withheld += len(lines) - len(own)
            for piece in export_files.jsonl_of(own):
                yield piece

    async def _withheld_lines(self) -> Parts:
        async for lines in self._chunks(count=False):
            async for piece in made_apart(export_files.pieces(self._withheld_of(lines))):
                yield piece

    def _withheld_of(self, lines: Sequence[bytes]) -> Iterator[bytes]:
        for line in lines:
            if not self._is_own(line):
                yield verify.withheld(orjson.loads(line), verify.leaf_hash(line).hex())

    def _own(self, lines: Sequence[bytes]) -> list[bytes]:
        return [line for line in lines if self._is_own(line)]

    def _is_own(self, line: bytes) -> bool:
        return is_only_of(orjson.loads(line)["e"], str(self._chosen.resident_id))

    async def _table(self, names: dict[int, str]) -> Parts:
        log = verify.AccessLog()
        yield verify.LOG_HEAD
        async for lines in self._chunks(count=False):
            async for piece in made_apart(export_files.pieces(self._rows(log.row, lines, names))):
                yield piece

    async def _page(self, names: dict[int, str]) -> Parts:
        log, plan = verify.AccessLog(), self._plan
        said = {
            "filter": self._chosen.given(),
            "made_at": spell(plan.at),
            "checkpoint": {"size": plan.signed.said.size},
            "pruned": plan.pruned,
        }
        yield log.page_head(plan.signed.said.origin, said)
        async for lines in self._chunks(count=False):
            async for piece in made_apart(export_files.pieces(self._rows(log.page_row, lines, names))):
                yield piece
        yield log.page_tail()

    def _rows(self, row: Any, lines: Sequence[bytes], names: dict[int, str]) -> Iterator[bytes]:
        """Yield rows for lines, each from what the export tells of it: a withheld one gives away no more."""
        for line in lines:
            leaf, told = verify.leaf_hash(line).hex(), orjson.loads(line)
            if not self._is_own(line):
                told = orjson.loads(verify.withheld(told, leaf))
            yield row(told, leaf, names)
