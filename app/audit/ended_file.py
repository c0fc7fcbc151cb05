"""The ledger of what ended, kept outside the database: whoever restores a backup reads it.

A backup knows nothing of what ended after it: whom two people erased, whose account was deactivated, which
recovery code was used. For each chain there are `<chain>.jsonl`, one line for each such entry (ids and words
only), and `<chain>.note`, which says up to which line of the trail it was derived, how long the file is and
its digest, signed. The file is written first: what stands behind the length the note gives was broken off
by a crash and is written again.

It lies beside the guard and moves before it: what the guard tells is lost, the ledger covers. A copy
goes with the backups. The ledger of a history that was given up is laid aside as `<chain>.aside-<number>`,
and read again by every later recovery: a backup of that history may still be restored.

It is signed because a line in it can have a resident's key destroyed. It can only take away: an account, a
key, a code. It gives nothing back.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from app.audit import note
from app.audit.checkpoint import Notary
from app.core.errors import CaretrailError
from app.storage import durable

FOLDER = "ended"
FORMAT = "caretrail-ended/1"


class LedgerDamagedError(CaretrailError):
    """The ledger of a chain is not what was signed."""

    def __init__(self, what: str = "") -> None:
        self.what = what
        super().__init__(f"The ledger of what ended is damaged: {what}.", why="ended-ledger-damaged")


class Reached(NamedTuple):
    """How far a ledger was derived, and what it has to be.

    Attributes:
        size: It covers so many lines of the trail.
        leaf: Of the last of them, in hex: it is the ledger of a chain that has this line.
        entries: How many lines the file has.
        length: How many bytes.
        digest: Of the digest before its last line and that line.
    """

    size: int
    leaf: str
    entries: int
    length: int
    digest: str

    def after(self, size: int, leaf: str, lines: Iterable[bytes]) -> "Reached":
        """Return how far it is with further lines."""
        entries, length, digest = self.entries, self.length, self.digest
        for line in lines:
            entries, length = entries + 1, length + len(line)
            digest = sha256(digest.encode() + line).hexdigest()
        return Reached(size, leaf, entries, length, digest)


START = Reached(0, "", 0, 0, sha256(FORMAT.encode()).hexdigest())


class Ledger(NamedTuple):
    """A whole ledger that is what was signed."""

    reached: Reached
    lines: list[dict[str, Any]]


def in_order(ledgers: Iterable[Ledger]) -> list[dict[str, Any]]:
    """Return the lines of ledgers, the oldest ledger first, each line once: where it stands first.

    Histories share how they began, and one was given up before the next one went on from there. So this is
    the order in which things happened. One line of the trail can give several of a ledger.
    """
    lines = ((_key(one), one) for ledger in ledgers for one in ledger.lines)
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for key, one in lines:
        merged.setdefault(key, one)
    return list(merged.values())


def further(ledger: Ledger, known: Iterable[Ledger]) -> list[dict[str, Any]]:
    """Return the lines of a ledger that none of the others has."""
    there = {_key(one) for other in known for one in other.lines}
    return [one for one in ledger.lines if _key(one) not in there]


def _key(one: dict[str, Any]) -> tuple[Any, ...]:
    return one["seq"], one["leaf"], one["kind"], one["id"]


class EndedFiles:
    """The ledgers of a deployment in one folder."""

    def __init__(self, folder: Path, notary: Notary) -> None:
        """Take the folder, and who signs: what it did not sign counts for nothing."""
        self.folder = folder
        self._notary = notary

    def chains(self) -> list[str]:
        """Return the chains that have a ledger."""
        return sorted(path.stem for path in self.folder.glob("*.note"))

    def reached(self, org: str) -> Reached | None:
        """Return how far the ledger of a chain was derived, None where there is none.

        Raises:
            LedgerDamagedError: What says so cannot be trusted.
            OSError: It cannot be read.
        """
        path = self._note(org)
        if not path.exists():
            if self._body(org).exists():
                raise LedgerDamagedError(f"{path.name} is missing")
            return None
        return self._signed(org, path.read_bytes())

    def read(self, org: str) -> Ledger | None:
        """Return the ledger of a chain, every line checked; None where there is none.

        Raises:
            LedgerDamagedError: It is not what was signed.
            OSError: It cannot be read.
        """
        reached = self.reached(org)
        if reached is None:
            return None
        body = self._body(org)
        lines = self._covered(body.read_bytes() if body.exists() else b"", reached)
        return Ledger(reached, [orjson.loads(line) for line in lines])

    def asides(self, org: str) -> list["EndedFiles"]:
        """Return where the ledgers of a chain are that were laid aside, in the order in which they were."""
        numbers = {path: path.name.rpartition("-")[2] for path in self.folder.glob(f"{org}.aside-*")}
        found = sorted((int(number), path) for path, number in numbers.items() if number.isdecimal())
        return [EndedFiles(path, self._notary) for _, path in found]

    def extend(self, org: str, since: Reached, size: int, leaf: str, ended: Sequence[bytes]) -> Reached:
        """Add what ended in further lines of a chain; return how far the ledger is then.

        Args:
            org: The chain.
            since: How far it was when the lines were read. If another process was quicker nothing is done.
            size: How many lines of the trail it covers then.
            leaf: Of the last of them.
            ended: The ledger's further lines.

        Raises:
            LedgerDamagedError: The ledger that is there cannot be trusted.
            OSError: It cannot be written.
        """
        with durable.locked(self.folder):
            there = self.reached(org) or START
            if there != since:
                return there
            becomes = since.after(size, leaf, ended)
            body = self._body(org)
            if (body.stat().st_size if body.exists() else 0) < since.length:
                raise LedgerDamagedError(f"{body.name} is shorter than what was signed")
            if ended:
                durable.write_from(body, since.length, b"".join(ended))
            durable.replace(self._note(org), self._sign(org, becomes).encode())
            return becomes

    def begin_anew(self, org: str) -> None:
        """Lay the ledger of a chain aside, under a name that says so. What is there is never removed."""
        with durable.locked(self.folder):
            self._lay_aside(org)

    def copy_to(self, folder: Path) -> None:
        """Bring the copy of every ledger in another folder up to these.

        Raises:
            LedgerDamagedError: One of these is not what was signed; the copies are left as they are.
            OSError: A file cannot be read or written.
        """
        copies = EndedFiles(folder, self._notary)
        for org in self.chains():
            with durable.locked(folder):  # what was read before it may be older than what another copied
                copies._take(org, self, self._note(org).read_bytes())

    # --- its files ------------------------------------------------------------------------

    def _take(self, org: str, source: "EndedFiles", signed: bytes) -> None:
        note_file, body_file = self._note(org), self._body(org)
        if note_file.exists() and note_file.read_bytes() == signed:
            return
        reached = source._signed(org, signed)
        body = source._body(org)
        lines = source._covered(body.read_bytes() if body.exists() else b"", reached)
        data, present = b"".join(lines), self._present(org)
        if present is None or not data.startswith(present):
            self._lay_aside(org)  # damaged, or of a database that was lost since
            present = b""
        if len(data) > len(present):
            durable.write_from(body_file, len(present), data[len(present) :])
        durable.replace(note_file, signed)

    def _present(self, org: str) -> bytes | None:
        """Return the lines there are, None where they cannot be trusted."""
        try:
            reached = self.reached(org)
            body = self._body(org)
            if reached is None or (reached.length == 0 and not body.exists()):
                return b""  # nothing ended yet: there is a note, and no lines
            return b"".join(self._covered(body.read_bytes(), reached))
        except (LedgerDamagedError, FileNotFoundError):
            return None

    def _lay_aside(self, org: str) -> None:
        number = 1
        while (kept := self.folder / f"{org}.aside-{number}").exists():
            number += 1
        kept.mkdir(mode=0o700)
        there = [path for path in (self._note(org), self._body(org)) if path.exists()]
        for path in there:
            durable.replace(kept / path.name, path.read_bytes())
        durable.sync_folder(self.folder)
        # Crash before this line: the ledger is where it was, and is laid aside again. After it: whole, aside.
        for path in there:
            path.unlink()
        durable.sync_folder(self.folder)

    def _covered(self, data: bytes, reached: Reached) -> list[bytes]:
        """Return the lines that were signed; what comes after them was broken off."""
        lines = data[: reached.length].splitlines(keepends=True)
        if START.after(reached.size, reached.leaf, lines) != reached:
            raise LedgerDamagedError("its lines are not those that were signed")
        return lines

    def _sign(self, org: str, reached: Reached) -> str:
        return self._notary.sign_text(org, _text(self._notary.origin(org), reached))

    def _signed(self, org: str, data: bytes) -> Reached:
        try:
            text = note.open_note(data.decode(), self._notary.keys(org))
            _, _, size, leaf, entries, length, digest = text.splitlines()
            reached = Reached(int(size), leaf, int(entries), int(length), digest)
            fits = text == _text(self._notary.origin(org), reached)
        except (ValueError, CaretrailError) as error:
            raise LedgerDamagedError(f"{org}.note is damaged or not ours ({error})") from error
        if not fits:
            raise LedgerDamagedError(f"{org}.note says something else")
        return reached

    def _body(self, org: str) -> Path:
        return self.folder / f"{org}.jsonl"

    def _note(self, org: str) -> Path:
        return self.folder / f"{org}.note"


def _text(origin: str, reached: Reached) -> str:
    return "".join(f"{part}\n" for part in (FORMAT, origin, *reached))
