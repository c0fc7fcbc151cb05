"""A copy of everything held about a resident, as a zip: readable, portable, with who looked.

The entry that begins it is durable before the first byte, and the end makes one more, whatever it is. The
records are read once and laid down in a file without a name (`Shelf`), which is gone through for each file of
the copy: so all of them tell of the same versions, and the records are never held together in memory. What
goes into any file comes from the redactor, so that nothing is withheld in one and told in another.

Source: UK GDPR articles 15 and 20.
"""

import asyncio
import logging
import mimetypes
import zipfile
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import orjson

from app.access.categories import CATEGORIES
from app.access.visit import VisitRefusedError
from app.audit.checkpoint import Notary
from app.audit.guard_file import Guards
from app.core.clock import spell
from app.core.errors import CaretrailError, InvalidRequestError
from app.exchange import exact, fhir_writing, printed, readable, subject_reading
from app.exchange.redacting import Decided, Redactor
from app.exchange.subject_reading import JsonObject, Serve, Shelf
from app.exchange.subject_works import EXPORT, EXPORT_END, BeginCopy, EndCopy
from app.exchange.withholding import WITHHELD
from app.trail import export_files, family
from app.trail.export_works import Filter
from app.trail.packing import Parcel

logger = logging.getLogger(__name__)

FORMAT = "caretrail subject access v1"
README = Path(__file__).with_name("subject-readme.txt")
CHUNK = 64 * 1024
MOST_TOLD = 20
NOT_PRINTED = "could not be made; record.html holds the same."
_LOG_FILES = ("access-log.html", "access-log.csv")
_PRETTY = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
Parts = AsyncIterator[bytes]


class SubjectCopy:
    """A copy under way.

    Attributes:
        counts: How many records of each category were copied.
        redactor: What withholds, with its count.
        unprinted: Names of PDFs that could not be made.
    """

    def __init__(
        self,
        serve: Serve,
        notary: Notary,
        guards: Guards,
        org: str,
        resident_id: str,
        decided: Decided | None,
        scratch: IO[bytes],
        shelf: Shelf,
    ) -> None:
        self._serve, self._notary, self._guards, self._org = serve, notary, guards, org
        self._id, self._decided, self._scratch, self._shelf = resident_id, decided, scratch, shelf
        self.redactor = Redactor(list(decided.redactions) if decided else [])
        self.counts: dict[str, int] = {}
        self.unprinted: list[str] = []
        self._medicines: dict[str, str] = {}
        self._left_over: list[str] = []
        self._resident: JsonObject = {}
        self._made_at = ""

    async def stream(self) -> Parts:
        """Yield the zip, each piece after the turn that read it.

        Raises:
            VisitRefusedError: There is no such resident, or a piece was refused.
            InvalidRequestError: The redactions do not fit what is held.
        """
        by = f"withheld as decided by {self._decided.by}" if self._decided else "nothing was withheld"
        visited = await self._serve(EXPORT, BeginCopy(self._id, f"subject access, {by}"))
        self._made_at = spell(visited.at)
        whole = False
        try:
            await self._stage_log()  # brings the index to the end of the chain, too
            held = visited.answer.payload
            held["history"] = await subject_reading.history(self._serve, self._id)
            await self._read(held)
            self._resident = self.redactor.apply(held)
            async for part in self._zip():
                yield part
            whole = True
        finally:
            await asyncio.shield(asyncio.create_task(self._end(whole=whole)))

    async def _end(self, *, whole: bool) -> None:
        try:
            await self._serve(EXPORT_END, EndCopy(self._id, sum(self.counts.values()), whole))
        except VisitRefusedError as refused:
            if whole or refused.stamp is None:
                logger.error("copy-end-not-recorded", extra={"why": refused.error.why})  # noqa: TRY400

    async def _stage_log(self) -> None:
        chosen = Filter(resident_id=self._id)
        log = await family.begin(self._serve, self._notary, self._guards, "zip", chosen)
        async for part in log.stream():
            self._scratch.write(part)

    async def _read(self, held: JsonObject) -> None:
        """Read every record, once; let the redactor see all of it before any of it goes out."""
        self.redactor.survey(held)
        for category in CATEGORIES:
            async for item in subject_reading.records(self._serve, self._id, category):
                self.redactor.survey(item)
                self._shelf.put(category, item)
        self.redactor.surveyed()

    # --- the zip --------------------------------------------------------------------------------

    async def _zip(self) -> Parts:
        with Parcel() as parcel:
            for name, parts in (
                ("record.json", self._json()),
                ("record.html", self._page()),
                ("fhir-bundle.json", self._bundle()),
            ):
                parcel.begin(name)
                async for part in parts:
                    yield parcel.add(part)
                yield parcel.end()
            async for name, part in self._printed():
                yield parcel.whole(name, part)
            async for part in self._documents(parcel):
                yield part
            for part in self._log(parcel):
                yield part
            yield parcel.whole("README.txt", README.read_bytes() + self._not_printed().encode())
            manifest = self._manifest(parcel)
            yield parcel.whole("manifest.json", manifest)
            yield parcel.whole("manifest.sig", self._notary.sign_manifest(self._org, manifest).encode())
            yield parcel.close()

    def _not_printed(self) -> str:
        if not self.unprinted:
            return ""
        return f"\nNot in it either\n  {', '.join(self.unprinted)}: {NOT_PRINTED}\n"

    def _items(self, category: str) -> Iterator[JsonObject]:
        """Yield the records of a category as they go out."""
        return map(self.redactor.apply, self._shelf.of(category))

    async def _json(self) -> Parts:
        """Yield everything as JSON, and find out whether what was withheld is told elsewhere."""
        self._left_over += self.redactor.left_over(self._resident)
        head = {"format": FORMAT, "made_at": self._made_at, "resident": self._resident}
        yield orjson.dumps(head)[:-1] + b',"records":['
        for category in CATEGORIES:
            self.counts[category] = 0
            for item in self._items(category):
                self._left_over += self.redactor.left_over(item)
                if category == "medication" and "versions" in item:
                    self._medicines[item["id"]] = item["versions"][0]["body"]["name"]
                comma = b"," if sum(self.counts.values()) else b""
                yield comma + b"\n" + orjson.dumps(filed(item))
                self.counts[category] += 1
        yield b"]}\n"
        self._refuse_left_over()

    def _refuse_left_over(self) -> None:
        if self._left_over:
            raise InvalidRequestError(
                *((place, "holds what was withheld elsewhere") for place in self._left_over[:MOST_TOLD]),
                detail='Nothing was written: say "elsewhere": "withhold" or "leave" at these redactions.',
            )

    def _withheld(self) -> str:
        return f"{self.redactor.places} places about third parties are withheld."

    async def _printed(self) -> AsyncIterator[tuple[str, bytes]]:
        """Yield the records as PDFs with their names, if PDFs can be made here.

        The same stands on the page: a volume that cannot be made costs nobody their copy.
        """
        held = ((c, filed(one)) for c in CATEGORIES if self.counts[c] for one in self._items(c))
        volumes = printed.volumes(held, self._resident, self._made_at, self._withheld())
        for number, volume in enumerate(volumes, 1):
            name = f"record-{number}.pdf" if number > 1 else "record.pdf"
            try:
                made = await asyncio.to_thread(volume.typeset)
            except CaretrailError as failed:
                logger.warning("copy-without-pdf", extra={"why": failed.why})
                self.unprinted.append(name)
            else:
                yield name, made

    async def _page(self) -> Parts:
        yield readable.page_head(self._resident, self._made_at, self._withheld())
        for category in CATEGORIES:
            if self.counts[category]:
                yield readable.section(category)
                for item in self._items(category):
                    yield readable.article(filed(item))
        yield readable.TAIL

    async def _bundle(self) -> Parts:
        head = {"resourceType": "Bundle", "type": "collection", "timestamp": self._made_at}
        yield orjson.dumps(head)[:-1] + b',"entry":[\n' + _entry(fhir_writing.patient(self._resident))
        for category in CATEGORIES:
            if category in fhir_writing.WRITTEN:
                for item in self._items(category):
                    made = fhir_writing.resource_of(filed(item), self._id, self._medicines)
                    if made is not None:
                        yield b",\n" + _entry(made)
        yield b"]}\n"

    async def _documents(self, parcel: Parcel) -> Parts:
        for item in self._items("document"):
            for version in item.get("versions", ()):
                if (data := _bytes_of(version)) is not None:
                    yield parcel.whole(_file_name(item["id"], version), data)

    def _log(self, parcel: Parcel) -> Iterator[bytes]:
        with zipfile.ZipFile(self._scratch) as log:
            for name in _LOG_FILES:
                with log.open(name) as file:
                    yield from _copied_into(parcel, name, file)
        self._scratch.seek(0)
        yield from _copied_into(parcel, "access-log.zip", self._scratch)

    def _manifest(self, parcel: Parcel) -> bytes:
        redactions = {
            "count": len(self.redactor.redactions),
            "places": self.redactor.places,
            "decided_by": self._decided.by if self._decided else None,
        }
        manifest = {
            "format": FORMAT,
            "resident": self._id,
            "organisation": self._org,
            "made_at": self._made_at,
            "records": self.counts,
            "redactions": redactions,
            "files": parcel.files,
            "not_printed": self.unprinted,
            "keys": self._notary.vkeys(self._org),
            "software": export_files.software(),
        }
        return orjson.dumps(manifest, option=_PRETTY)


def filed(item: JsonObject) -> JsonObject:
    """Return a record whose documents are named as files of the zip in place of their bytes."""
    if item.get("category") != "document" or "versions" not in item:
        return item
    versions = [version | {"body": _filed(item["id"], version)} for version in item["versions"]]
    return item | {"versions": versions}


def _filed(record_id: str, version: JsonObject) -> JsonObject:
    body: JsonObject = version["body"]
    data = _bytes_of(version)
    if data is None:
        return body
    told = {"file": _file_name(record_id, version), "bytes": len(data), "sha256": sha256(data).hexdigest()}
    return body | {"content_base64": told}


def _bytes_of(version: JsonObject) -> bytes | None:
    content: Any = version["body"].get("content_base64")
    return b64decode(content) if isinstance(content, str) and content != WITHHELD else None


def _file_name(record_id: str, version: JsonObject) -> str:
    ending = mimetypes.guess_extension(version["body"]["media_type"]) or ".bin"
    return f"documents/{record_id}-v{version['version']}{ending}"


def _entry(resource: JsonObject) -> bytes:
    entry = {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource}
    return orjson.dumps(entry, default=exact.written)


def _copied_into(parcel: Parcel, name: str, file: IO[bytes]) -> Iterator[bytes]:
    parcel.begin(name)
    for chunk in iter(lambda: file.read(CHUNK), b""):
        yield parcel.add(chunk)
    yield parcel.end()
