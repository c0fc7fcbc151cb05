"""What ended, from the lines of the trail into the ledger that outlives the database.

No request writes it: the housekeeping reads the lines behind what was committed, and moves the guard only
when the ledger covers what the guard is going to tell. So it misses nothing over crashes and over several
processes, and whatever the guard says is lost has its line here.

Source: `audit.ended_file`, `commands.ending_again`.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from app.access.opened import Opened
from app.access.work import Answer, Work
from app.audit import stored
from app.audit.ended_file import FOLDER, START, EndedFiles, LedgerDamagedError, Reached
from app.audit.merkle import leaf_hash
from app.core.lasting import Lasting

logger = logging.getLogger(__name__)

READ_AT_ONCE = 5000
COPY_EVERY_S = 1.0
_CODE_USED = b'"factor":"recovery-code"'
_TELLING = re.compile(
    rb'"(?:act":"(?:user\.|shift\.|resident\.erase)|erased":{|settled":{|factor":"recovery-code")'
)
"""What stands in every line that tells something here; hardly any other has to be parsed."""
_OF_USERS = {
    "user.deactivate": ("ended",),
    "user.reactivate": ("returned",),
    "user.password": ("credentials",),
    "user.totp_confirm": ("credentials",),
    "user.reset": ("credentials",),
    "user.suspend": ("assignments",),
}
_AGAIN = frozenset({"user.deactivate", "user.suspend"})
_OF_SHIFTS = frozenset({"shift.cancel", "shift.update"})


def what_ended(seq: int, line: bytes) -> list[bytes]:
    """Return the ledger's lines for one line of the trail: mostly none.

    A refused sign-in has used up its recovery code as well as one that went through.
    """
    if not _TELLING.search(line):
        return []
    parsed = orjson.loads(line)
    event, at = parsed["e"], parsed["c"]["ts"]
    found = [{"kind": "code", "id": event["actor"]["id"]}] if _CODE_USED in line else []
    if event["out"] == "ok":
        found += _told(event, at)
    place = {"seq": seq, "leaf": leaf_hash(line).hex()}
    return [orjson.dumps(place | one, option=orjson.OPT_APPEND_NEWLINE) for one in found]


def _told(event: dict[str, Any], at: str) -> list[dict[str, Any]]:
    act, described = event["act"], event.get("obj", {})
    if "erased" in event:
        return [_erased(event, at)]
    if act == "resident.erase_request":
        return [{"kind": "asked", "id": described["id"], "at": at}]
    if "settled" in event:
        return [{"kind": "code", "id": user} for user in event["settled"]["codes"]]
    if act in _OF_SHIFTS and described.get("t") == "shift":
        return [{"kind": "shift", "id": described["id"]}]
    if described.get("t") == "user":
        return [{"kind": kind, "id": described["id"]} for kind in _of_user(act, event)]
    return []


def _erased(event: dict[str, Any], at: str) -> dict[str, Any]:
    told = event["erased"]
    by = {name: told[name] for name in ("basis", "asked_by", "approved_by")}
    return {
        "kind": "erased",
        "id": event["obj"]["id"],
        "erasure": told["id"],
        **by,
        "at": at,
        "records": event.get("n", 0),
    }


def _of_user(act: str, event: dict[str, Any]) -> list[str]:
    fields = {change["f"] for change in event.get("chg", ())}
    kinds = list(_OF_USERS.get(act, ()))
    if act == "user.update" and "assignments" in fields:
        kinds.append("assignments")
    if act in _AGAIN and "password" in fields:  # of an earlier restore: what it took stays taken
        kinds.append("credentials")
    return kinds


class Piece(NamedTuple):
    """Some lines of a chain, read for the ledger.

    Attributes:
        before: The leaf before them, in hex: what the ledger has to go on from; None if there is none.
        size: How many lines of the chain are read with them.
        leaf: Of the last of them.
        ended: The ledger's lines.
    """

    before: str | None
    size: int
    leaf: str
    ended: list[bytes]


@dataclass
class ReadEnded(Work):
    """Read what ended in some lines of a chain. Answers with a `Piece`."""

    since: int
    until: int
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return it."""
        connection, org = opened.connection(), opened.org
        before = _leaf(connection, org, self.since)
        if self.until <= self.since:
            return Answer(Piece(before, self.since, before or "", []))
        lines = stored.lines(connection, org, self.since, self.until)
        ended = [one for seq, line in enumerate(lines, self.since) for one in what_ended(seq, bytes(line))]
        reached = self.since + len(lines)
        return Answer(Piece(before, reached, _leaf(connection, org, reached) or "", ended))


def _leaf(connection: Any, org: str, size: int) -> str | None:
    """Return the last leaf of the first lines of a chain, in hex; None if it has not so many."""
    if size == 0:
        return START.leaf
    leaf = stored.leaf_of(connection, org, size - 1)
    return leaf.hex() if leaf is not None else None


class EndedKeeper:
    """Brings ledgers up to their chains."""

    def __init__(self, do: Callable[[str, Work], Awaitable[Any]], files: EndedFiles) -> None:
        """Take what has a work done for a chain, and the ledgers."""
        self._do, self._files = do, files
        self._reached: dict[str, Reached] = {}

    def knows(self, org: str) -> bool:
        """Say whether this process brought the ledger of a chain up to date before."""
        return org in self._reached

    async def keep(self, org: str, size: int) -> None:
        """Have the ledger of a chain cover its first `size` lines.

        A ledger that is damaged, or of a database that is no more, is laid aside and derived anew from the
        first line on: this database was found to be the guard's, so it knows what ended.

        Raises:
            VisitRefusedError: The lines could not be read.
            OSError: The ledger could not be written.
        """
        reached = self._reached.get(org) or await self._take_up(org)
        while reached.size < size:
            piece = await self._do(org, ReadEnded(reached.size, min(size, reached.size + READ_AT_ONCE)))
            if piece.size == reached.size:
                return  # the chain is shorter than its checkpoint: that is for the signing to find
            reached = await self._extended(org, reached, piece)
        self._reached[org] = reached

    async def _take_up(self, org: str) -> Reached:
        try:
            reached = await asyncio.to_thread(self._files.read, org)
        except LedgerDamagedError as damaged:
            return await self._anew(org, damaged.what, logging.ERROR)
        if reached is None:
            return START
        piece = await self._do(org, ReadEnded(reached.reached.size, 0))
        fits = piece.before == reached.reached.leaf
        return reached.reached if fits else await self._anew(org, "it is of another database")

    async def _extended(self, org: str, reached: Reached, piece: Piece) -> Reached:
        if piece.before != reached.leaf:
            return await self._anew(org, "it is of another database")
        try:
            return await asyncio.to_thread(
                self._files.extend, org, reached, piece.size, piece.leaf, piece.ended
            )
        except LedgerDamagedError as damaged:
            return await self._anew(org, damaged.what, logging.ERROR)

    async def _anew(self, org: str, why: str, level: int = logging.WARNING) -> Reached:
        logger.log(level, "ended-ledger-begun-anew", extra={"chain": org, "why": why})
        await asyncio.to_thread(self._files.begin_anew, org)
        return START


def copy_ended(files: EndedFiles, backups: Path) -> str | None:
    """Bring the copy that goes with the backups up to date; return why that failed, None if it did not.

    It may lag, and where no backups are kept there is none: the guard does not wait for another disk.
    """
    if not backups.is_dir():
        return None
    try:
        files.copy_to(backups / FOLDER)
    except OSError as failed:
        return failed.strerror or type(failed).__name__
    except LedgerDamagedError as damaged:
        return damaged.what
    return None


class EndedCopy:
    """Keeps the copy that goes with the backups while a process serves."""

    def __init__(self, files: EndedFiles, backups: Path) -> None:
        """Take the ledgers, and the folder of the backups."""
        self._files, self._backups = files, backups
        self._failed: str | None = None
        self._stopping = asyncio.Event()
        self.lasting = Lasting("ended-copy", self._run, self._stopping)
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the running event loop."""
        self._running = asyncio.create_task(self.lasting.run())

    async def stop(self) -> None:
        """End, after a last copy."""
        self._stopping.set()
        if self._running is not None:
            await self._running
        await self._copy()

    async def _run(self) -> None:
        while not self._stopping.is_set():
            await self._copy()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), COPY_EVERY_S)

    async def _copy(self) -> None:
        failed = await asyncio.to_thread(copy_ended, self._files, self._backups)
        if failed is not None and failed != self._failed:  # once, not every second
            logger.error("ended-ledger-not-copied", extra={"why": failed})
        self._failed = failed
