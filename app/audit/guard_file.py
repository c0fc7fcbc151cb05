"""The guard: the newest checkpoint of each chain, kept outside the database against a roll-back.

One file for each chain, `<chain>.json`, in a folder that should be on another disk or belong to
another user. A file is replaced whole (written, synced, renamed) under a lock, and only forwards:
never to a smaller size, never to another root of the same size. At start the database has to be
what the guard knows, or a continuation of it (`divergence`); a restored backup cannot come back
unnoticed. Only a recovery that stands in the trail begins a guard anew, and it keeps the old file.

A crash between the commit of a checkpoint and the move of the guard leaves the guard behind: good,
the next checkpoint moves it. The guard is never ahead of what was committed.

Not proven here: that the folder was not set back together with the database. Against that stand
checkpoints kept by somebody else.

Source: AUDIT-2, promise P5.
"""

import itertools
import re
import shutil
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import orjson

from app.audit import merkle, note
from app.audit.checkpoint import Checkpoint, Notary
from app.audit.ended_file import FOLDER, EndedFiles
from app.audit.verify import Checkpoint as Said
from app.core.errors import CaretrailError, StartRefusedError
from app.storage import durable

_CHAIN = re.compile("[A-Za-z0-9-]{1,64}", re.ASCII)
HOW_TO_RECOVER = (
    "If it is lost for good, stop the service: `caretrail audit recover --reason TEXT` records that in the"
    " trail, for every auditor to see."
)


class GuardForkedError(CaretrailError):
    """Two roots for one size: one of them is of a rewritten chain. Neither is written over."""

    why = "guard-forked"

    def __init__(self) -> None:
        super().__init__(why=self.why)


class GuardUnreadableError(StartRefusedError):
    """The system does not hand a guard file out. That says nothing against the file: it stays as it is."""

    def __init__(self, path: Path, error: OSError) -> None:
        reason = error.strerror or type(error).__name__
        super().__init__(
            f"the guard file {path} cannot be read now: {reason}. Mend the cause, then start again. Leave the"
            " file itself as it is: it may well be sound, and it tells a database that was set back from the"
            " present one."
        )


class Guards:
    """The guard files of a deployment."""

    def __init__(self, directory: Path, notary: Notary) -> None:
        """Take the folder, and who signs: a file not signed by it counts for nothing."""
        self._directory = directory
        self._notary = notary
        self.ended = EndedFiles(directory / FOLDER, notary)

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
            GuardUnreadableError: It is there and cannot be read now.
        """
        try:
            raw = self.path(org).read_bytes()
        except FileNotFoundError:
            return None
        except IsADirectoryError as error:
            raise self._refused(org, "is a folder and cannot be read") from error
        except OSError as error:
            raise GuardUnreadableError(self.path(org), error) from error
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
        with durable.locked(self._directory):
            present = self.read(to.org)
            if present is not None and present.size == to.size and present.root != to.root:
                raise GuardForkedError
            if present is not None and present.size >= to.size:
                return False
            durable.replace(self.path(to.org), _written(to))
            return True

    def supersede(self, org: str, to: Checkpoint | None) -> Path | None:
        """Begin the guard of a chain anew, and keep the old file beside it.

        Only for a recovery that stands in the trail already: a crash before this leaves the old guard, and
        the start goes on being refused.

        Args:
            org: The chain.
            to: Where it goes on; None if the database has no such chain any more.

        Returns:
            Where the old file is now, None if there was none.
        """
        with durable.locked(self._directory):
            kept = self._keep_aside(org)
            if to is not None:
                durable.replace(self.path(org), _written(to))
            elif kept is not None:
                self.path(org).unlink(missing_ok=True)
        return kept

    def copy_to(self, folder: Path) -> None:
        """Copy guards and ledgers as they are into a new folder, also while a service moves them.

        Raises:
            OSError: A file cannot be read or written.
        """
        with durable.locked(self._directory):
            shutil.copytree(self._directory, folder, ignore=shutil.ignore_patterns(FOLDER, durable.LOCK))
        ledgers = self.ended.folder
        if ledgers.is_dir():  # after the guards: it is never behind them
            with durable.locked(ledgers):
                shutil.copytree(ledgers, folder / FOLDER, ignore=shutil.ignore_patterns(durable.LOCK))

    def _keep_aside(self, org: str) -> Path | None:
        path = self.path(org)
        if not path.exists():
            return None
        try:
            data = path.read_bytes()
        except OSError:  # a folder, or a file of somebody else: moved as it is
            return path.rename(self._free(org, "unreadable"))
        kept = self._free(org, _size_in(data), data)
        durable.replace(kept, data)
        return kept

    def _free(self, org: str, label: str, data: bytes | None = None) -> Path:
        """Return a name for an orphaned guard; one that is taken by something else is left alone."""
        numbered = (f"{label}-{number}" if number > 1 else label for number in itertools.count(1))
        paths = (self._directory / f"{org}.orphaned-{suffix}.json" for suffix in numbered)
        return next(
            path for path in paths if not path.exists() or (data is not None and path.read_bytes() == data)
        )

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
            f" present one: put the kept copy back. {HOW_TO_RECOVER}"
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


def _size_in(data: bytes) -> str:
    try:
        return str(int(orjson.loads(data)["size"]))[:20]
    except (ValueError, LookupError, TypeError):
        return "unreadable"


class KnownGuards:
    """The guard files as they are now, for whoever looks at the database after this.

    Read later, beside a service that signs, a guard would be ahead of what was looked at.
    """

    def __init__(self, guards: Guards) -> None:
        self.read_before = {org: self._outcome(guards, org) for org in guards.chains()}

    @staticmethod
    def _outcome(guards: Guards, org: str) -> Checkpoint | StartRefusedError | None:
        try:
            return guards.read(org)
        except StartRefusedError as refused:
            return refused

    def read(self, org: str) -> Checkpoint | None:
        """Return what `Guards.read` returned, or raise what it raised."""
        outcome = self.read_before.get(org)
        if isinstance(outcome, StartRefusedError):
            raise outcome
        return outcome
