"""Checkpoints dropped where somebody else takes them: a USB stick, a share, no internet needed.

A file for each chain and size, `<folder>/<org>/<size>.note`, holding the signed note (C2SP) as it is; the
verifier reads the folder (`--anchors`). What was dropped once is never replaced by something else: a
different checkpoint of the same size is evidence of two histories, and both have to be kept.

Not proven here: that anybody takes the files away. As long as they lie where the service can write,
they are no anchor.

Source: AUDIT-2, promise P5.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import func, select

from app.access.opened import Opened
from app.access.visit import VisitRefusedError
from app.access.work import Answer, Work
from app.audit import note, table
from app.core.clock import monotonic
from app.core.errors import CaretrailError
from app.core.identifiers import SYSTEM

logger = logging.getLogger(__name__)

DROP_EVERY_S = 3600.0
RETRY_EVERY_S = 60.0
_READABLE_FILE, _READABLE_FOLDER = 0o644, 0o755
"""A note is no secret: whoever collects the folder must be able to read it."""

_stored = table.checkpoint.c
_newest = select(_stored.org, func.max(_stored.size).label("size")).group_by(_stored.org).subquery()
_NEWEST = (
    select(_stored.org, _stored.size, _stored.root, _stored.made_at, _stored.note)
    .join(_newest, (_newest.c.org == _stored.org) & (_newest.c.size == _stored.size))
    .order_by(_stored.org)
)


class AnchorDiffersError(CaretrailError):
    """Where a checkpoint was dropped, a different one of the same size lies."""

    slug = "conflict"
    status = 409
    title = "Two checkpoints of one size"


class Anchor(NamedTuple):
    """The newest signed checkpoint of a chain."""

    org: str
    size: int
    root: bytes
    made_at: str
    note: str


@dataclass
class NewestAnchors(Work):
    """Read the newest stored checkpoint of every chain."""

    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return an `Anchor` for each chain that was ever signed."""
        return Answer([Anchor._make(row) for row in opened.execute(_NEWEST).all()])


def drop(folder: Path, anchor: Anchor) -> Path:
    """Write an anchor below a folder that is there, and return where it lies.

    Raises:
        AnchorDiffersError: Another checkpoint of the same size lies there. It is left as it is.
        OSError: The folder is not there or cannot be written.
    """
    target = folder / anchor.org / f"{anchor.size}.note"
    if not target.parent.exists():
        target.parent.mkdir()  # not the folder itself: an unplugged stick must not become a directory
        _let_read(target.parent, _READABLE_FOLDER)
    data = anchor.note.encode()
    if _lies_there(target, anchor):
        return target
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _let_read(part, _READABLE_FILE)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _lies_there(target: Path, anchor: Anchor) -> bool:
    """Say whether this checkpoint lies there already, by whichever keys it was signed."""
    try:
        there = target.read_bytes()
    except FileNotFoundError:
        return False
    wanted = note.text_of(anchor.note)
    try:
        same = note.text_of(there.decode()) == wanted
    except (UnicodeDecodeError, note.NoteBrokenError):
        same = False
    if not same:
        raise AnchorDiffersError(
            f"{target} holds something else than the checkpoint of {anchor.size} lines. It was left as it is:"
            " keep both, they are evidence.",
            why="anchor-differs",
        )
    return True


def _let_read(path: Path, mode: int) -> None:
    with contextlib.suppress(OSError):  # a share may have rights of its own
        path.chmod(mode)


class AnchorDrop:
    """Drops the newest checkpoints while a service runs: at its start, once an hour, and at its end."""

    def __init__(
        self,
        read: Callable[[str, Work], Awaitable[Any]],
        folder: Path,
        *,
        now: Callable[[], float] = monotonic,
    ) -> None:
        """Take what does a work for a chain through the door, and where to drop."""
        self._read = read
        self._folder = folder
        self._now = now
        self._next = 0.0
        self._dropped: dict[str, int] = {}

    async def look(self, *, last: bool = False) -> None:
        """Drop what is new, if it is time. What fails is logged and tried again a minute later."""
        if not last and self._now() < self._next:
            return
        self._next = self._now() + DROP_EVERY_S
        try:
            anchors: list[Anchor] = await self._read(SYSTEM, NewestAnchors())
        except VisitRefusedError as refused:
            self._tell(refused.error.why)
            return
        for anchor in anchors:
            if self._dropped.get(anchor.org) != anchor.size:
                await self._drop(anchor)

    async def _drop(self, anchor: Anchor) -> None:
        try:
            await asyncio.to_thread(drop, self._folder, anchor)
        except AnchorDiffersError as differs:
            self._tell(differs.detail)
        except OSError as error:
            self._tell(type(error).__name__)
        else:
            self._dropped[anchor.org] = anchor.size

    def _tell(self, why: str) -> None:
        self._next = self._now() + RETRY_EVERY_S
        logger.error("anchor-not-dropped", extra={"why": why})
