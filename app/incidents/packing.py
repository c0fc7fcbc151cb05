"""A pack as a stream of bytes: counted first, then its entry, then the bytes, then its end.

What is typeset or written from the count is made before the first byte: what cannot be made is a problem,
and no answer that says all is well and holds nothing.

Lines are gone through once for each file that holds them, a piece in each turn, and never held together.
What is held is the count: one tally for each resident and each person.

A crash of this process leaves an entry that a pack began and none that it ended.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from importlib.resources import files
from typing import Any, Final

import orjson

from app.access.operation import Operation
from app.access.visit import Visited, VisitRefusedError
from app.access.work import Work
from app.audit import verify
from app.audit.checkpoint import Notary
from app.audit.entry import Stamp
from app.audit.guard_file import Guards
from app.core.errors import CaretrailError, StartRefusedError
from app.incidents.evidence import Evidence
from app.incidents.pack_files import FORMAT, as_json, contents, readme, residents_csv, timeline_rows
from app.incidents.pack_page import page
from app.incidents.pack_paper import paper
from app.incidents.pack_works import PACK, PACK_END, BeginPack, Brief, EndPack, PreparePack, ReadPiece, Told
from app.incidents.scope import Fold
from app.incidents.timeline import Timeline
from app.printing import typesetting
from app.trail.export_files import pieces
from app.trail.exporting import BROKEN_OFF, made_apart, why_broken
from app.trail.packing import Parcel

logger = logging.getLogger(__name__)

MEDIA_TYPES: Final = {
    "zip": "application/zip",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "pdf": "application/pdf",
}
NO_PDF_HERE: Final = "No PDF could be made where this pack was made; pack.html holds the same."
_FILE: Final = {"json": "pack.json", "csv": "residents.csv", "pdf": "pack.pdf"}
_TEMPLATE: Final = files("app.incidents").joinpath("pack.typ").read_text("utf-8")
_NOT_MADE: Final = (StartRefusedError, CaretrailError)
Serve = Callable[[Operation, Work], Awaitable[Visited]]
"""Runs one work through the door for whoever asks for the pack."""
Parts = AsyncIterator[bytes]


async def begin(serve: Serve, notary: Notary, guards: Guards, incident_id: str, format_: str) -> "BreachPack":
    """Count what an incident reaches, and make the entry that a pack of it is handed over.

    Args:
        serve: Runs a work through the door with the caller's credential.
        notary: Who signs the checkpoint and the manifests.
        guards: What is known of the chain outside the database.
        incident_id: Which incident.
        format_: `zip`, `json`, `csv` or `pdf`.

    Raises:
        VisitRefusedError: The caller may not, there is no such incident, or it could not be made into a PDF.
    """
    printable = format_ != "pdf" or can_print()
    prepared = await serve(PACK, PreparePack(incident_id, notary, guards, printable))
    pack = BreachPack(serve, notary, incident_id, format_, prepared.answer.payload)
    await pack.count()
    await pack.make()
    return pack


def can_print() -> bool:
    """Say whether PDF can be made here."""
    try:
        typesetting.refuse_without_extra()
    except StartRefusedError:
        return False
    return True


class BreachPack:
    """A pack under way. Hand out `stream()`; then, or whenever it breaks off, `close()`.

    Attributes:
        stamp: The receipt of its first entry.
        media_type: What the stream is.
        filename: What to call it.
    """

    def __init__(self, serve: Serve, notary: Notary, incident_id: str, format_: str, brief: Brief) -> None:
        self.stamp: Stamp | None = None
        self.media_type = MEDIA_TYPES[format_]
        self.filename = f"breach-pack-{incident_id}.{format_}"
        self._serve, self._notary, self._id, self._format = serve, notary, incident_id, format_
        self._brief = brief
        chosen = brief.selection
        self._fold = Fold(chosen, brief.reach, incident_id) if chosen is not None else None
        self._timeline = Timeline(brief.reach)
        self._told: Told | None = None
        self._made: dict[str, bytes] = {}
        self._at = ""
        self._broken: str | None = BROKEN_OFF
        self._ending: asyncio.Task[None] | None = None

    async def count(self) -> None:
        """Go through the lines, then take the turn that makes the entry.

        Raises:
            VisitRefusedError: The caller may not, or no longer.
        """
        async for lines in self._lines():
            await asyncio.to_thread(self._take, lines)
        visited = await self._serve(
            PACK, BeginPack(self._id, self._brief.reach, self._brief.evidence, self._fold)
        )
        self.stamp, self._told = visited.stamp, visited.answer.payload

    def _take(self, lines: Sequence[bytes]) -> None:
        for raw in lines:
            line = orjson.loads(raw)
            if self._fold is not None and self._fold.take(line):
                self._timeline.take(line)

    async def stream(self) -> Parts:
        """Yield the bytes of the pack.

        Raises:
            VisitRefusedError: A piece was refused or failed; what came before is not a whole pack.
        """
        try:
            if self._format == "zip":
                async for part in self._zip():
                    yield part
            else:
                yield self._made[_FILE[self._format]]
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
        counted = self._fold.counted if self._fold is not None else 0
        try:
            await self._serve(PACK_END, EndPack(self._id, counted, self._broken))
        except VisitRefusedError as refused:
            if self._broken is None or refused.stamp is None:
                logger.error("pack-end-not-recorded", extra={"why": refused.error.why})  # noqa: TRY400

    # --- what is made before the first byte -----------------------------------------------------

    async def make(self) -> None:
        """Make every file that is no line of the trail. What cannot be made has its end recorded.

        Raises:
            VisitRefusedError: It could not be made into a PDF.
        """
        try:
            self._made = await asyncio.to_thread(self._files)
        except _NOT_MADE:
            logger.warning("pack-not-made")
            self._ending = asyncio.create_task(self._unmade())
        finally:
            if not self._made:
                await self.close()

    async def _unmade(self) -> None:
        """Record the end of what never began; that visit is refused, and this is what the caller is told."""
        await self._serve(PACK_END, EndPack(self._id, 0, BROKEN_OFF, unmade=True))

    def _files(self) -> dict[str, bytes]:
        said = self._contents()
        self._at = said["made_at"]
        one: dict[str, Callable[[], bytes]] = {
            "json": lambda: as_json(said),
            "csv": lambda: residents_csv(said["scope"]),
            "pdf": self._printed,
        }
        if self._format != "zip":
            return {_FILE[self._format]: one[self._format]()}
        return self._small_files(said)

    def _contents(self) -> dict[str, Any]:
        assert self._told is not None  # noqa: S101 - `count` comes first
        return contents(self._brief, self._told, self._fold)

    def _printed(self) -> bytes:
        return typesetting.typeset(_TEMPLATE, paper(self._contents(), self._timeline))

    def _small_files(self, said: dict[str, Any]) -> dict[str, bytes]:
        name, printed = self._on_paper(said)
        return {
            name: printed,
            "README.txt": readme("" if name == _FILE["pdf"] else NO_PDF_HERE),
            _FILE["json"]: as_json(said),
            "article33.json": as_json(said["article33"]),
            "dspt-report.json": as_json(said["dspt"]),
            _FILE["csv"]: residents_csv(said["scope"]),
        }

    def _on_paper(self, said: dict[str, Any]) -> tuple[str, bytes]:
        try:
            return _FILE["pdf"], self._printed()
        except _NOT_MADE:
            logger.warning("pack-without-pdf")
            return "pack.html", page(paper(said, self._timeline))

    # --- in turns -------------------------------------------------------------------------------

    async def _do(self, work: Work) -> Any:
        work.chunk = self.stamp is not None  # what is refused before the pack's entry has one of its own
        return (await self._serve(PACK, work)).answer.payload

    async def _lines(self) -> AsyncIterator[Sequence[bytes]]:
        within, chosen = self._brief.plan.within, self._brief.selection
        start: int | None = within.start
        while chosen is not None and start is not None and start < within.stop:
            work = ReadPiece(self._id, chosen, self._brief.reach, range(start, within.stop))
            read = await self._do(work)
            if read.lines:
                yield read.lines
            start = read.next

    async def _timeline_rows(self) -> Parts:
        yield verify.CSV_HEADER
        if self._fold is not None and self._told is not None:
            async for lines in self._lines():
                rows = timeline_rows(lines, self._fold, self._told.names)
                async for piece in made_apart(pieces(rows)):
                    yield piece

    # --- the zip --------------------------------------------------------------------------------

    async def _zip(self) -> Parts:
        with Parcel() as parcel:
            for name, data in self._made.items():
                yield await asyncio.to_thread(parcel.whole, name, data)
            async for part in self._file(parcel, "timeline.csv", self._timeline_rows()):
                yield part
            if self._fold is not None and self._brief.evidence:
                brief = self._brief
                evidence = Evidence(self._do, self._lines, self._notary, brief, self._fold, self._id)
                async for part in self._file(parcel, "evidence.zip", evidence.stream()):
                    yield part
            manifest = as_json({"format": FORMAT, "made_at": self._at, "files": parcel.files})
            yield parcel.whole("manifest.json", manifest)
            org = self._brief.plan.org
            yield parcel.whole("manifest.sig", self._notary.sign_manifest(org, manifest).encode())
            yield parcel.close()

    async def _file(self, parcel: Parcel, name: str, parts: Parts) -> Parts:
        parcel.begin(name)
        async for part in parts:
            yield await asyncio.to_thread(parcel.add, part)
        yield parcel.end()
