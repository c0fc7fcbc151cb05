"""The guard: the newest checkpoint of each chain, kept outside the database against a roll-back.

One file for each chain, `<chain>.json`, in a folder that should be on another disk or belong to
another user. A file is replaced whole (written, synced, renamed) under a lock, and only forwards:
never to a smaller size, never to another root of the same size. At start the database has to be
what the guard knows, or a continuation of it; a restored backup cannot come back unnoticed.

A crash between the commit of a checkpoint and the move of the guard leaves the guard behind: good,
the next checkpoint moves it. The guard is never ahead of what was committed.

Not proven here: that the folder was not set back together with the database. Against that stand
checkpoints kept by somebody else.

Source: AUDIT-2, promise P5.
"""

import contextlib
import fcntl
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Row

from app.audit import checkpoint, log, merkle, note
from app.audit.checkpoint import ChainNotExtendedError, Checkpoint, Notary, Progress
from app.audit.verify import Checkpoint as Said
from app.core.errors import CaretrailError, StartRefusedError

LOCK = ".lock"
READ_AT_ONCE = 1 << 16
_CHAIN = re.compile("[A-Za-z0-9-]{1,64}", re.ASCII)

_WHAT_TO_DO = (
    "Nothing was written. Put the newer database back. This version cannot yet record in the trail that it is"
    " lost for good."
)


class GuardForkedError(CaretrailError):
    """Two roots for one size: one of them is of a rewritten chain. Neither is written over."""

    why = "guard-forked"

    def __init__(self) -> None:
        super().__init__(why=self.why)


class Guards:
    """The guard files of a deployment."""

    def __init__(self, directory: Path, notary: Notary) -> None:
        """Take the folder, and who signs: a file not signed by it counts for nothing."""
        self._directory = directory
        self._notary = notary

    def chains(self) -> list[str]:
        """Return the chains that have a guard file."""
        if not self._directory.is_dir():
            return []
        return sorted(path.stem for path in self._directory.glob("*.json") if _CHAIN.fullmatch(path.stem))

    def path(self, org: str) -> Path:
        """Return where the guard of a chain is."""
        if not _CHAIN.fullmatch(org):
            raise ValueError("no chain is named like this")
        return self._directory / f"{org}.json"

    def read(self, org: str) -> Checkpoint | None:
        """Return what the guard of a chain knows, None if there is none.

        Raises:
            StartRefusedError: The file is damaged, of another chain, or not signed by our key.
        """
        try:
            raw = self.path(org).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._refused(org, f"cannot be read ({type(error).__name__})") from error
        try:
            return self._checked(org, orjson.loads(raw))
        except (ValueError, LookupError, TypeError, CaretrailError) as error:
            raise self._refused(org, f"is damaged or not ours ({error})") from error

    def move(self, to: Checkpoint) -> bool:
        """Move the guard of a chain forwards; False if it is there already, or further.

        Raises:
            GuardForkedError: The guard holds another root of the same size.
            StartRefusedError: The file that is there cannot be trusted.
            OSError: The file cannot be written.
        """
        with self._locked():
            present = self.read(to.org)
            if present is not None and present.size == to.size and present.root != to.root:
                raise GuardForkedError
            if present is not None and present.size >= to.size:
                return False
            self._replace(self.path(to.org), _written(to))
            return True

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self._directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)  # closing gives the lock back, also when the process dies

    def _replace(self, path: Path, data: bytes) -> None:
        fresh = path.with_suffix(".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        folder = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(folder)  # without it the rename itself may be lost with the power
        finally:
            os.close(folder)

    def _checked(self, org: str, value: dict[str, Any]) -> Checkpoint:
        size, root = int(value["size"]), b64decode(value["root"], validate=True)
        peaks = tuple(b64decode(peak, validate=True) for peak in value["peaks"])
        said = note.read_checkpoint(note.open_note(value["note"], self._notary.keys(org)))
        if said != Said(value["origin"], size, root) or said.origin != self._notary.origin(org):
            raise ValueError("its note says something else")
        if merkle.root(merkle.unpack(merkle.pack(peaks), size)) != root:
            raise ValueError("its peaks do not give its root")
        return Checkpoint(org, said.origin, size, root, peaks, value["note"])

    def _refused(self, org: str, what: str) -> StartRefusedError:
        return StartRefusedError(
            f"the guard file {self.path(org)} {what}. It tells a database that was set back from the"
            " present one: put the kept copy back. This version cannot yet record that it is lost for good."
        )


def _written(to: Checkpoint) -> bytes:
    value = {
        "origin": to.origin,
        "size": to.size,
        "root": b64encode(to.root).decode(),
        "peaks": [b64encode(peak).decode() for peak in to.peaks],
        "note": to.note,
    }
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


# --- at start -------------------------------------------------------------------------------------


def check_start(connection: Connection, guards: Guards, *, accept_lost: bool = False) -> list[str]:
    """Refuse to start on a database that is not what the guard knows, or a continuation of it.

    Args:
        connection: Inside a transaction.
        guards: The guard files.
        accept_lost: The operator says that guard files were lost: chains with checkpoints but
            without a guard are accepted, and told of.

    Returns:
        A sentence for each lost guard that was accepted.

    Raises:
        StartRefusedError: The database was set back, was rewritten, or a guard is lost or damaged.
    """
    heads = log.heads(connection)
    for org in guards.chains():
        if org not in heads:
            raise StartRefusedError(
                f"ROLLBACK: the guard knows the chain {org}, the database has no such chain. {_WHAT_TO_DO}"
            )
    accepted = []
    for org, head in sorted(heads.items()):
        lost = _check_chain(connection, guards.read(org), head)
        if lost and not accept_lost:
            raise StartRefusedError(
                f"{lost} Without it a database that was set back cannot be told from the present one. Put the"
                " guard folder back. This version cannot yet record that it is lost for good."
            )
        accepted += [lost] if lost else []
    return accepted


def _check_chain(connection: Connection, guard: Checkpoint | None, head: Row[Any]) -> str:
    newest = checkpoint.newest(connection, head.org)
    if newest is not None and newest.size > head.size:
        raise StartRefusedError(
            f"ROLLBACK: the chain {head.org} has {head.size} lines, a checkpoint in the database was signed"
            f" over {newest.size}. {_WHAT_TO_DO}"
        )
    if guard is None:
        return f"the chain {head.org} has checkpoints but no guard file." if newest is not None else ""
    if guard.size > head.size:
        raise StartRefusedError(
            f"ROLLBACK: the guard of the chain {head.org} holds {guard.size} lines, the database {head.size}."
            f" {_WHAT_TO_DO}"
        )
    try:
        _follow(connection, guard, head)
    except ChainNotExtendedError as error:
        raise StartRefusedError(
            f"ROLLBACK: the chain {head.org} is not the one the guard knows; its first {guard.size} lines or"
            f" those after them were written anew ({error.why}). {_WHAT_TO_DO}"
        ) from error
    return ""


def _follow(connection: Connection, guard: Checkpoint, head: Row[Any]) -> None:
    """Take the lines after the guard's into its peaks; at the end they must be the head's."""
    if len(bytes(head.peaks)) != merkle.HASH_BYTES * int(head.size).bit_count():
        raise ChainNotExtendedError("the head is damaged")
    reached = Progress(guard.size, guard.peaks)
    while True:
        reached = checkpoint.reread(connection, guard.org, reached, READ_AT_ONCE)
        if reached.size >= head.size:
            return
