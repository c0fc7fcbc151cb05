"""The export as a stream of bytes, in constant memory.

`begin` takes a turn: the entry is committed before the first byte. Each further chunk is released
after a turn of its own. Whatever happens then - the end, a lost client, an ended session - one more
entry says so. The zip goes through the lines once for each of its files, so that nothing has to be
kept; the lines are the same, because the trail only grows behind them.

A filter chooses lines by the index. That the index left none out is not proven by the export: what it
proves is that each line it holds is in the signed trail (`proofs.jsonl`).

A crash of this process leaves an entry that an export began and none that it ended.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from app.access.operation import Operation
from app.access.visit import Visited, VisitRefusedError
from app.access.work import Work
from app.audit import verify
from app.audit.checkpoint import Notary
from app.audit.entry import Stamp
from app.audit.guard_file import Guards
from app.core.identifiers import new_id
from app.trail import export_files
from app.trail.export_works import (
    EVERYTHING,
    EXPORT,
    EXPORT_END,
    ExportEnd,
    ExportEntries,
    ExportLines,
    ExportNames,
    ExportProofs,
    ExportStart,
    Filter,
    Plan,
)
from app.trail.names import KeptName
from app.trail.packing import Parcel
from app.trail.segment_proofs import segment_lines

logger = logging.getLogger(__name__)

LINES_AT_ONCE = 2000
PROOFS_AT_ONCE = 250
NAMES_AT_ONCE = 250
MEDIA_TYPES = {
    "zip": "application/zip",
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "fhir": "application/fhir+ndjson",
}
ENDINGS = {"fhir": "fhir.ndjson"}
BROKEN_OFF = "broken-off"
"""Why a stream ended that is not whole, where nobody was refused."""

Serve = Callable[[Operation, Work], Awaitable[Visited]]
"""Runs one work through the door for the caller of the export, whoever that is."""
Parts = AsyncIterator[bytes]


async def begin(
    serve: Serve, notary: Notary, guards: Guards, format_: str = "zip", chosen: Filter = EVERYTHING
) -> "Export":
    """Begin an export: take the turn that decides, fixes the range and writes the first entry.

    Args:
        serve: Runs a work through the door with the caller's credential.
        notary: Who signs the checkpoint and the manifest.
        guards: What is known of the chain outside the database.
        format_: `zip`, `jsonl`, `csv` or `fhir`.
        chosen: Which lines are wanted.

    Raises:
        VisitRefusedError: The caller may not, or asks for what there is not.
    """
    export_id = new_id()
    visited = await serve(EXPORT, ExportStart(export_id, format_, chosen, notary, guards))
    return Export(serve, notary, export_id, format_, chosen, visited)


class Export:
    """An export under way. Hand out `stream()`; then, or whenever it breaks off, `close()`.

    Attributes:
        stamp: The receipt of its first entry.
        media_type: What the stream is.
        filename: What to call it.
    """

    def __init__(
        self, serve: Serve, notary: Notary, export_id: str, format_: str, chosen: Filter, visited: Visited
    ) -> None:
        self.stamp: Stamp | None = visited.stamp
        self.media_type = MEDIA_TYPES[format_]
        self._plan: Plan = visited.answer.payload
        part = "" if chosen == EVERYTHING else "-selection"
        size = self._plan.signed.said.size
        self.filename = f"audit-{self._plan.org}-{size}{part}.{ENDINGS.get(format_, format_)}"
        self._serve, self._notary, self._chosen = serve, notary, chosen
        self._id, self._format = export_id, format_
        self._first: int | None = None
        self._last: int | None = None
        self._lines = 0
        self._broken: str | None = BROKEN_OFF
        self._ending: asyncio.Task[None] | None = None

    async def stream(self) -> Parts:
        """Yield the bytes of the export, each after the turn that read it.

        Raises:
            VisitRefusedError: A chunk was refused or failed; what came before is not a whole export.
        """
        formats = {"zip": self._zip, "jsonl": self._jsonl, "csv": self._csv, "fhir": self._fhir}
        try:
            async for part in formats[self._format]():
                yield part
            self._broken = None
        except VisitRefusedError as refused:
            self._broken = why_broken(refused)
            raise
        finally:
            await self.close()

    async def close(self) -> None:
        """Record the end, once. It is recorded even when whoever waits for it is cancelled."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        try:
            await self._serve(EXPORT_END, ExportEnd(self._id, self._lines, self._broken))
        except VisitRefusedError as refused:
            if self._broken is None or refused.stamp is None:
                logger.error("export-end-not-recorded", extra={"why": refused.error.why})  # noqa: TRY400

    # --- one file -------------------------------------------------------------------------------

    async def _jsonl(self) -> Parts:
        async for lines in self._chunks(count=True):
            for piece in export_files.jsonl_of(lines):
                yield piece

    async def _csv(self) -> Parts:
        names = await self._all_names()
        async for part in self._csv_rows(names, count=True):
            yield part

    async def _fhir(self) -> Parts:
        names = await self._all_names()
        async for part in self._fhir_rows(names, count=True):
            yield part

    async def _csv_rows(self, names: dict[int, str], *, count: bool = False) -> Parts:
        yield verify.CSV_HEADER
        async for lines in self._chunks(count=count):
            async for piece in made_apart(export_files.csv_of(lines, names)):
                yield piece

    async def _fhir_rows(self, names: dict[int, str], *, count: bool = False) -> Parts:
        origin = self._plan.signed.said.origin
        async for lines in self._chunks(count=count):
            async for piece in made_apart(export_files.fhir_of(lines, names, origin)):
                yield piece

    # --- in turns -------------------------------------------------------------------------------

    async def _chunks(self, *, count: bool) -> AsyncIterator[Sequence[bytes]]:
        """Yield the wanted lines. Once for each export they are counted, when they are handed over."""
        async for read in self._read(ExportLines, LINES_AT_ONCE):
            if read.seqs:
                yield read.lines
            if read.seqs and count:
                self._first = read.seqs[0] if self._first is None else self._first
                self._last = read.seqs[-1]
                self._lines += len(read.seqs)

    async def _proofs(self) -> Parts:
        async for read in self._read(ExportProofs, PROOFS_AT_ONCE, self._plan.signed):
            yield export_files.proof_lines(read.proofs)

    def _segments(self) -> Parts:
        """Yield what the closed months say of the resident: nobody else's entries are told."""

        async def do(work: Work) -> Any:
            return (await self._serve(EXPORT, work)).answer.payload

        resident = self._chosen.resident_id or ""
        return segment_lines(do, self._plan.org, resident, self._plan.signed)

    async def _read(self, work: Callable[..., Work], most: int, *more: Any) -> AsyncIterator[Any]:
        wanted, within = self._chosen.wanted(), self._plan.within
        start: int | None = within.start
        while start is not None and start < within.stop:
            step = work(wanted, range(start, within.stop), most, *more)
            read = (await self._serve(EXPORT, step)).answer.payload
            yield read
            start = read.next

    async def _names(self, seqs: Sequence[int] | None = None) -> AsyncIterator[list[KeptName]]:
        start: int | None = 0
        while start is not None:
            work = ExportNames(start, self._plan.signed.said.size, NAMES_AT_ONCE, seqs)
            read = (await self._serve(EXPORT, work)).answer.payload
            yield read.names
            start = read.next

    async def _all_names(self) -> dict[int, str]:
        return {kept.seq: kept.name async for some in self._names() for kept in some}

    # --- the zip --------------------------------------------------------------------------------

    async def _zip(self) -> Parts:
        names: dict[int, str] = {}
        held: set[int] | None = None if self._chosen == EVERYTHING else set()
        with Parcel() as parcel:
            async for part in self._file(parcel, "events.jsonl", self._lines_that_name(held)):
                yield part
            async for part in self._file(parcel, "names.jsonl", self._name_lines(held, names)):
                yield part
            if held is not None:
                async for part in self._file(parcel, "proofs.jsonl", self._proofs()):
                    yield part
            if self._chosen.resident_id is not None:
                async for part in self._file(parcel, "segments.jsonl", self._segments()):
                    yield part
            async for part in self._file(parcel, "events.csv", self._csv_rows(names)):
                yield part
            async for part in self._file(parcel, "fhir.ndjson", self._fhir_rows(names)):
                yield part
            for part in self._small_files(parcel):
                yield part

    async def _file(self, parcel: Parcel, name: str, parts: Parts) -> Parts:
        parcel.begin(name)
        async for part in parts:
            yield await asyncio.to_thread(parcel.add, part)
        yield parcel.end()

    async def _lines_that_name(self, held: set[int] | None) -> Parts:
        """Yield the lines, and leave behind whose names a selection of them needs."""
        async for lines in self._chunks(count=True):
            for piece in export_files.jsonl_of(lines):
                yield piece
            if held is not None:
                held |= await asyncio.to_thread(export_files.names_held, lines)

    async def _name_lines(self, held: set[int] | None, names: dict[int, str]) -> Parts:
        """Yield the lines of `names.jsonl`, and leave the names behind for what is derived with them."""
        async for some in self._names(None if held is None else sorted(held)):
            names |= {kept.seq: kept.name for kept in some}
            # an entry before the first line, or of a selection, is not among its lines: it is enclosed
            inside = [kept for kept in some if held is None and kept.seq >= self._plan.within.start]
            outside = [kept for kept in some if kept not in inside]
            yield export_files.name_lines(inside)
            if outside:
                work = ExportEntries([kept.seq for kept in outside], self._plan.signed)
                entries = (await self._serve(EXPORT, work)).answer.payload
                yield export_files.proven_name_lines(outside, entries)

    def _small_files(
        self,
        parcel: Parcel,
        readme: Path = export_files.README,
        about: Mapping[str, Any] = MappingProxyType({}),
    ) -> list[bytes]:
        plan, notary = self._plan, self._notary
        parts = [parcel.whole(name, data) for name, data in export_files.small_files(plan, readme)]
        handed = (self._first, self._last, self._lines)
        files, vkeys = parcel.files, notary.vkeys(plan.org)
        manifest = export_files.manifest_of(plan, self._chosen, handed, files, vkeys, about)
        signature = notary.sign_manifest(plan.org, manifest).encode()
        parts += [parcel.whole("manifest.json", manifest), parcel.whole("manifest.sig", signature)]
        return [*parts, parcel.close()]


def why_broken(refused: VisitRefusedError) -> str:
    """Return what the end says of a stream whose next piece was refused or failed."""
    return refused.error.why if refused.error.outcome == "deny" else BROKEN_OFF


async def made_apart(pieces: Iterator[bytes]) -> Parts:
    """Yield pieces, each made in a thread when it is wanted: the event loop waits for none."""
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece
