"""The export as a stream of bytes, in constant memory.

`begin` takes a turn: the entry is committed before the first byte. Each further chunk is released
after a turn of its own. Whatever happens then - the end, a lost client, an ended session - one more
entry says so. The zip reads the lines twice, once for `events.jsonl` and once for `events.csv`, so
that nothing has to be kept; the lines are the same, because the trail only grows behind them.

A crash of this process leaves an entry that an export began and none that it ended.
"""

import asyncio
import contextlib
import logging
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path

import orjson

from app.access.operations import Operation
from app.access.visit import Visited, VisitRefusedError
from app.access.work import Work
from app.audit import note, verify
from app.audit.checkpoint import Notary
from app.audit.entry import Stamp
from app.audit.guard_file import Guards
from app.core.clock import spell
from app.core.identifiers import new_id
from app.trail.export_works import EXPORT, EXPORT_END, ExportEnd, ExportLines, ExportNames, ExportStart, Plan
from app.trail.names import KeptName
from app.trail.packing import Parcel

logger = logging.getLogger(__name__)

LINES_AT_ONCE = 2000
NAMES_AT_ONCE = 500
MEDIA_TYPES = {
    "zip": "application/zip",
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
}
README = Path(__file__).with_name("export-readme.txt")

Serve = Callable[[Operation, Work], Awaitable[Visited]]
"""Runs one work through the door for the caller of the export, whoever that is."""


async def begin(
    serve: Serve, notary: Notary, guards: Guards, format_: str = "zip", filters: Sequence[str] = ()
) -> "Export":
    """Begin an export: take the turn that decides, fixes the range and writes the first entry.

    Args:
        serve: Runs a work through the door with the caller's credential.
        notary: Who signs the checkpoint and the manifest.
        guards: What is known of the chain outside the database.
        format_: `zip`, `jsonl` or `csv`.
        filters: The names of the filters that were given; there are none yet.

    Raises:
        VisitRefusedError: The caller may not, or asks for what there is not.
    """
    export_id = new_id()
    visited = await serve(EXPORT, ExportStart(export_id, format_, tuple(filters), notary, guards))
    return Export(serve, notary, export_id, format_, visited)


class Export:
    """An export under way. Hand out `stream()`; then, or whenever it breaks off, `close()`.

    Attributes:
        stamp: The receipt of its first entry.
        media_type: What the stream is.
        filename: What to call it.
    """

    def __init__(self, serve: Serve, notary: Notary, export_id: str, format_: str, visited: Visited) -> None:
        self.stamp: Stamp | None = visited.stamp
        self.media_type = MEDIA_TYPES[format_]
        self._plan: Plan = visited.answer.payload
        self.filename = f"audit-{self._plan.org}-{self._plan.size}.{format_}"
        self._serve, self._notary = serve, notary
        self._id, self._format = export_id, format_
        self._lines, self._whole = 0, False
        self._ending: asyncio.Task[None] | None = None

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield the bytes of the export, each after the turn that read it.

        Raises:
            VisitRefusedError: A chunk was refused or failed; what came before is not a whole export.
        """
        formats = {"zip": self._zip, "jsonl": self._jsonl, "csv": self._csv}
        try:
            async for part in formats[self._format]():
                yield part
            self._whole = True
        finally:
            await self.close()

    async def close(self) -> None:
        """Record the end, once. It is recorded even when whoever waits for it is cancelled."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        try:
            await self._serve(EXPORT_END, ExportEnd(self._id, self._lines, self._whole))
        except VisitRefusedError as refused:
            if self._whole or refused.stamp is None:
                logger.error("export-end-not-recorded", extra={"why": refused.error.why})  # noqa: TRY400

    # --- one file -------------------------------------------------------------------------------

    async def _jsonl(self) -> AsyncIterator[bytes]:
        async for lines in self._chunks():
            yield b"\n".join(lines) + b"\n"
            self._lines += len(lines)

    async def _csv(self) -> AsyncIterator[bytes]:
        names = {kept.seq: kept.name async for some in self._names() for kept in some}
        async for part in self._rows(names):
            yield part

    async def _rows(self, names: dict[int, str], *, count: bool = True) -> AsyncIterator[bytes]:
        yield verify.CSV_HEADER
        async for lines in self._chunks():
            yield await asyncio.to_thread(rows_of, lines, names)
            self._lines += len(lines) if count else 0

    async def _chunks(self) -> AsyncIterator[Sequence[bytes]]:
        steps = [*range(0, self._plan.size, LINES_AT_ONCE), self._plan.size]
        for start, end in pairwise(steps):
            visited = await self._serve(EXPORT, ExportLines(start, end))
            yield visited.answer.payload

    async def _names(self) -> AsyncIterator[list[KeptName]]:
        start: int | None = 0
        while start is not None:
            work = ExportNames(start, self._plan.size, NAMES_AT_ONCE)
            read = (await self._serve(EXPORT, work)).answer.payload
            yield read.names
            start = read.next

    # --- the zip --------------------------------------------------------------------------------

    async def _zip(self) -> AsyncIterator[bytes]:
        with Parcel() as parcel:
            async for part in self._file(parcel, "events.jsonl", self._jsonl()):
                yield part
            names: dict[int, str] = {}
            async for part in self._file(parcel, "names.jsonl", self._name_lines(names)):
                yield part
            async for part in self._file(parcel, "events.csv", self._rows(names, count=False)):
                yield part
            for name, data in self._small_files():
                yield parcel.whole(name, data)
            manifest = self._manifest(parcel)
            yield parcel.whole("manifest.json", manifest)
            yield parcel.whole("manifest.sig", self._notary.sign_manifest(self._plan.org, manifest).encode())
            yield parcel.close()

    async def _file(self, parcel: Parcel, name: str, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        parcel.begin(name)
        async for part in parts:
            yield await asyncio.to_thread(parcel.add, part)
        yield parcel.end()

    async def _name_lines(self, names: dict[int, str]) -> AsyncIterator[bytes]:
        """Yield the lines of `names.jsonl`, and leave the names behind for `events.csv`."""
        async for some in self._names():
            names |= {kept.seq: kept.name for kept in some}
            yield b"".join(map(_name_line, some))

    def _small_files(self) -> list[tuple[str, bytes]]:
        return [
            ("checkpoints.note", note.join(self._plan.notes).encode()),
            ("README.txt", README.read_bytes()),
            ("verify.py", Path(verify.__file__).read_bytes()),
        ]

    def _manifest(self, parcel: Parcel) -> bytes:
        plan = self._plan
        manifest = {
            "format": verify.FORMAT,
            "organisation": plan.org,
            "first": 0 if plan.size else None,
            "last": plan.size - 1 if plan.size else None,
            "count": plan.size,
            "filter": None,
            "files": parcel.files,
            "checkpoint": {"size": plan.size, "root": b64encode(plan.root).decode()},
            "keys": self._notary.vkeys(plan.org),
            "made_at": spell(plan.at),
            "software": software(),
        }
        return orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def software() -> str:
    """Return what made an export, with its version where it was installed as a package."""
    with contextlib.suppress(PackageNotFoundError):
        return f"caretrail {version('caretrail')}"
    return "caretrail (not installed as a package)"


def rows_of(lines: Sequence[bytes], names: dict[int, str]) -> bytes:
    """Return the rows of `events.csv` for lines, by the verifier's own derivation."""
    return b"".join(
        verify.csv_rows(orjson.loads(line), verify.leaf_hash(line).hex(), names) for line in lines
    )


def _name_line(kept: KeptName) -> bytes:
    salt = b64encode(kept.salt).decode()
    line = {"seq": kept.seq, "user_id": kept.user_id, "salt": salt, "name": kept.name}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
