"""The evidence of a pack: exact lines with proofs, in the format of an export of the trail, as a zip.

Somebody else can check it with the `verify.py` it brings. What it proves is that each line is in the signed
trail. That none was left out it does not prove; how many were, because they name homes that whoever asks may
not see, its manifest says.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final

import orjson

from app.access.work import Work
from app.audit.checkpoint import Notary
from app.incidents.pack_files import EVIDENCE_README, enclosed
from app.incidents.pack_works import Brief, EvidenceNames, ProveLines
from app.incidents.scope import Fold
from app.trail import export_files
from app.trail.export_works import Filter
from app.trail.names import KeptName
from app.trail.packing import Parcel

PROOFS_AT_ONCE: Final = 250
Parts = AsyncIterator[bytes]
Do = Callable[[Work], Awaitable[Any]]
"""Has a work done as a piece of the pack, and returns what it answered."""
Lines = Callable[[], AsyncIterator[Sequence[bytes]]]
"""Goes through the lines of the period once more."""


class Evidence:
    """The evidence of one pack, in the making.

    Attributes:
        count: How many lines are enclosed.
        left_out: How many that counted are not.
    """

    def __init__(self, do: Do, lines: Lines, notary: Notary, brief: Brief, fold: Fold, incident: str) -> None:
        self._do, self._lines, self._notary = do, lines, notary
        self._brief, self._fold, self._incident = brief, fold, incident
        self._first: int | None = None
        self._last: int | None = None
        self._named: set[int] = set()
        self.count, self.left_out = 0, 0

    async def stream(self) -> Parts:
        """Yield the zip."""
        with Parcel() as parcel:
            for name, parts in (
                ("events.jsonl", self._events()),
                ("names.jsonl", self._names()),
                ("proofs.jsonl", self._proofs()),
            ):
                parcel.begin(name)
                async for part in parts:
                    yield await asyncio.to_thread(parcel.add, part)
                yield parcel.end()
            for name, data in export_files.small_files(self._brief.plan, EVIDENCE_README):
                yield parcel.whole(name, data)
            manifest = self._manifest(parcel)
            yield parcel.whole("manifest.json", manifest)
            org = self._brief.plan.org
            yield parcel.whole("manifest.sig", self._notary.sign_manifest(org, manifest).encode())
            yield parcel.close()

    def _manifest(self, parcel: Parcel) -> bytes:
        plan, selection = self._brief.plan, self._fold.selection
        chosen = Filter(selection.since, selection.until)
        asked = {
            **chosen.given(),
            "incident_id": self._incident,
        }  # so that it counts as a choice, not as a run
        handed, vkeys = (self._first, self._last, self.count), self._notary.vkeys(plan.org)
        about = {"filter": asked, "left_out": self.left_out}
        return export_files.manifest_of(plan, chosen, handed, parcel.files, vkeys, about)

    async def _kept(self) -> AsyncIterator[tuple[list[bytes], int]]:
        """Yield the lines of each piece that are enclosed, and how many that counted are not."""
        async for lines in self._lines():
            yield await asyncio.to_thread(enclosed, lines, self._fold)

    async def _events(self) -> Parts:
        async for kept, left_out in self._kept():
            self.left_out += left_out
            if not kept:
                continue
            self._first = _number(kept[0]) if self._first is None else self._first
            self._last = _number(kept[-1])
            self.count += len(kept)
            self._named |= export_files.names_held(kept)
            for piece in export_files.jsonl_of(kept):
                yield piece

    async def _proofs(self) -> Parts:
        async for kept, _ in self._kept():
            for at in range(0, len(kept), PROOFS_AT_ONCE):
                seqs = [_number(line) for line in kept[at : at + PROOFS_AT_ONCE]]
                proven = await self._do(self._prove(seqs))
                proofs = [(seq, proof) for seq, (_, proof) in zip(seqs, proven, strict=True)]
                yield export_files.proof_lines(proofs)

    async def _names(self) -> Parts:
        """Yield the names with the entries that set them, but for entries that name homes outside reach."""
        seqs = sorted(self._named)
        for at in range(0, len(seqs), PROOFS_AT_ONCE):
            work = EvidenceNames(self._incident, self._brief.reach, seqs[at : at + PROOFS_AT_ONCE])
            names: list[KeptName] = await self._do(work)
            entries = await self._do(self._prove([name.seq for name in names])) if names else []
            told = [
                (name, entry)
                for name, entry in zip(names, entries, strict=True)
                if self._brief.reach.whole(orjson.loads(entry[0])["e"])
            ]
            yield export_files.proven_name_lines([name for name, _ in told], [entry for _, entry in told])

    def _prove(self, seqs: Sequence[int]) -> ProveLines:
        return ProveLines(self._incident, self._brief.reach, seqs, self._brief.plan.signed)


def _number(line: bytes) -> int:
    return int(orjson.loads(line)["c"]["seq"])
