"""Making the pack of one home: read in turns, rendered in memory, sealed onto the shelf.

Nothing readable is ever written: what reaches the folder went through the seal. And nothing reaches it
before the entry of every piece of it is committed.
"""

import io
import logging
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from app.access.operation import Operation
from app.access.visit import Visited, VisitRefusedError
from app.access.work import Work
from app.audit.checkpoint import Notary
from app.backups import sealing
from app.continuity import shelf
from app.continuity.cover import Origins, Pack, bind
from app.continuity.pack import Printed
from app.continuity.sheet import Sheet
from app.continuity.works import PACK, PACK_END, DisclosePiece, EndPack, Site, WhoLives
from app.core.clock import parse, spell
from app.core.errors import AuditUnavailableError, CaretrailError, OutcomeUnknownError
from app.core.identifiers import SYSTEM, new_id
from app.core.settings import Settings
from app.printing.dates import instant
from app.trail.anchors import NewestAnchors
from app.trail.checkpoints import HOUSEKEEPING

logger = logging.getLogger(__name__)

PIECE = 20
"""Residents disclosed in one turn."""
Ask = Callable[[str, Operation, Work], Visited]


class PackFailedError(Exception):
    """A home's pack could not be made. Its last one lies where it was."""

    def __init__(self, why: str, detail: str) -> None:
        self.why, self.detail = why, detail
        super().__init__(detail)


@dataclass(slots=True)
class Gathered:
    """What was read so far, each piece after its entry."""

    at: datetime
    sheets: list[Sheet] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Ending:
    """What the last entry of a pack will say."""

    residents: int = 0
    why: str | None = "broken-off"


@dataclass(frozen=True, slots=True)
class Packer:
    """Makes one pack after another.

    Attributes:
        ask: Has a work done in a provider's chain.
        go_on: Raises when the process stops.
        notary: Tells what the trails are called.
        sign: Signs every chain that moved.
        settings: How many packs are kept, and as what.
        folder: Above the homes' folders.
        render: Makes a pack readable.
    """

    ask: Ask
    go_on: Callable[[], None]
    notary: Notary
    sign: Callable[[], None]
    settings: Settings
    folder: Path
    render: Callable[[Pack], Printed]

    def pack(self, site: Site, recipients: Sequence[str]) -> dict[str, Any]:
        """Make the pack of a home and return what is worth keeping about it.

        Raises:
            PackFailedError: It could not be made; that is recorded, and nothing was released.
            StoppedError: The process stops.
        """
        if not recipients:
            file = self.settings.continuity_recipients
            raise PackFailedError("no-recipient", f"{file} names nobody who may open its pack")
        pack_id = new_id()
        try:
            with self._ended(site, pack_id) as ending:
                told = self._made(site, pack_id, recipients)
                ending.residents, ending.why = told["residents"], None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise PackFailedError("not-written", f"{self.folder} cannot be written ({reason})") from error
        except VisitRefusedError as refused:
            raise PackFailedError(refused.error.why, refused.error.detail) from refused
        except CaretrailError as failed:
            raise PackFailedError(failed.why, failed.detail) from failed
        return told

    def _made(self, site: Site, pack_id: str, recipients: Sequence[str]) -> dict[str, Any]:
        folder = shelf.folder_of(self.folder, site)
        shelf.explain(folder, site)
        gathered = self._gathered(site, pack_id)
        origins = self._origins(site, pack_id, recipients, gathered)
        printed = self.render(bind(site, origins, gathered.sheets, gathered.missing))
        plain = io.BytesIO(printed.data)
        name = shelf.name_of(site, gathered.at, printed.form)
        put = shelf.put(folder, name, lambda file: sealing.seal(plain, file, list(recipients)))
        return {
            "pack": pack_id,
            "home": site.id,
            "path": str(put.path),
            "format": printed.form,
            "sha256": put.sha256,
            "bytes": put.bytes,
            "residents": len(gathered.sheets),
            "missing": gathered.missing,
            "as_of": spell(gathered.at),
            "removed": shelf.tidy(folder, self.settings.continuity_keep),
        }

    # --- reading --------------------------------------------------------------------------------

    def _gathered(self, site: Site, pack_id: str) -> Gathered:
        began = self.ask(site.org, PACK, WhoLives(site.id))
        ids: list[str] = began.answer.payload
        gathered = Gathered(began.at)
        for start in range(0, max(len(ids), 1), PIECE):  # an empty home's pack has an entry, too
            self.go_on()
            self._read(gathered, site, pack_id, tuple(ids[start : start + PIECE]))
        return gathered

    def _read(self, gathered: Gathered, site: Site, pack_id: str, ids: tuple[str, ...]) -> None:
        """Read a piece. A resident whose record does not open is left out and said so, not all the others."""
        try:
            visited = self.ask(site.org, PACK, DisclosePiece(pack_id, site.id, ids))
        except VisitRefusedError as refused:
            if isinstance(refused.error, AuditUnavailableError | OutcomeUnknownError) or not ids:
                raise
            if len(ids) == 1:
                gathered.missing.append(ids[0])
                return
            for one in ids:
                self._read(gathered, site, pack_id, (one,))
            return
        gathered.sheets += visited.answer.payload
        if visited.stamp is not None:
            gathered.entries.append(visited.stamp.seq)

    def _origins(self, site: Site, pack_id: str, recipients: Sequence[str], gathered: Gathered) -> Origins:
        entries = (gathered.entries[0], gathered.entries[-1]) if gathered.entries else None
        return Origins(
            pack_id,
            instant(gathered.at),
            self.notary.origin(site.org),
            entries,
            self._checkpoint(site.org),
            tuple(recipients),
        )

    def _checkpoint(self, org: str) -> str:
        """Return where the trail stands after the entries of this pack, in words."""
        self.sign()
        anchors = self.ask(SYSTEM, HOUSEKEEPING, NewestAnchors()).answer.payload
        newest = next((one for one in anchors if one.org == org), None)
        if newest is None:
            return "none is signed yet"
        root = b64encode(bytes(newest.root)).decode()
        return f"{newest.size} entries, root {root}, signed {instant(parse(newest.made_at))}"

    # --- the end --------------------------------------------------------------------------------

    @contextmanager
    def _ended(self, site: Site, pack_id: str) -> Iterator[_Ending]:
        """Record how a pack ended, however it does."""
        ending = _Ending()
        try:
            yield ending
        finally:
            work = EndPack(pack_id, site.id, ending.residents, ending.why)
            try:
                self.ask(site.org, PACK_END, work)
            except VisitRefusedError as refused:
                if refused.error.why != ending.why:
                    logger.error("pack-end-not-recorded", extra={"why": refused.error.why})  # noqa: TRY400
