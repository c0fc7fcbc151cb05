"""Check an export of a Caretrail audit trail, offline, trusting neither its server nor its sender.

    python verify.py EXPORT.zip [--key VKEY] [--anchors DIR] [--processes N] [--json]

One file, standard library only, Python 3.9 or newer. It reads top-down: the answer, the steps of an
examination, then the tools the steps use. The steps:

 1  the zip holds known files, each once; manifest.json is signed; every file is the one it lists
 2  checkpoints.note: each note is signed by the key, for this chain; no size is signed twice over
 3  names.jsonl: each name is the one whose salted hash stands in its line
 4  events.jsonl: each line names the leaf of the line before it, numbers and clock go forward, each
    line is canonical; the Merkle root over the lines is the signed one at every signed size
 5  events.csv and fhir.ndjson - for a family access-log.csv and .html - derived from the lines and names
    once more, the same to the byte

Of lines picked from a chain (a filter) each is proven by itself, against a signed root; that none was
left out is not, and is never claimed.

The lines of a large export are examined by several processes, a portion each; this one joins them. A
portion of which anything is to be told is examined again here, in its order: what is told, and how, does
not depend on the number of processes.

Exit: 0 all of it holds, 1 tampered, 2 cannot vouch, 3 unreadable. Get the key (`--key`) and this
file from somebody other than the sender of the export: an export cannot vouch for itself.

The server checks its stored lines with `ChainCheck` and writes events.csv and fhir.ndjson with
`csv_each` and `fhir_rows`, all from here: there is no second derivation that could differ.
"""
# ruff: noqa: B905, UP036 -- zip(strict=...) came after Python 3.9; an older one is told so

from __future__ import annotations

import sys

if sys.version_info < (3, 9):  # an exit code of 1 would say tampered; before 3.8 nothing of this is even read
    sys.stderr.write("verify.py needs Python 3.9 or newer. Nothing was checked: unreadable (exit 3)\n")
    sys.exit(3)

import argparse
import base64
import json
import os
import re
import struct
import threading
import time
import zipfile
import zlib
from calendar import timegm
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256, sha512
from html import escape
from itertools import islice
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import IO, Any, NamedTuple

FORMAT, PROOF_KIND = "caretrail-export/1", "c2sp.org/tlog-proof@v1"
LISTED = (
    "events.jsonl names.jsonl proofs.jsonl segments.jsonl checkpoints.note events.csv fhir.ndjson README.txt"
    " verify.py withheld.jsonl access-log.csv access-log.html"
)
KNOWN = {*LISTED.split(), "manifest.json", "manifest.sig"}
OF_SELECTIONS = {"proofs.jsonl", "segments.jsonl", "withheld.jsonl"}
CHUNK_BYTES, LINE_BYTES, WHOLE_FILE_BYTES, MANIFEST_BYTES = 1 << 20, 1 << 23, 1 << 26, 1 << 20
# Of a kind of finding no more than this are told; lines of a hundred years of months are of no trail.
MOST_FINDINGS, MOST_MONTHS = 100, 1200
STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
# Under the notes of one export: an honest one has two or three for each of some dozen. Each takes some time.
MOST_SIGNATURES = 1000
# A file of lines smaller than this is examined sooner by one process than several are started.
LARGE_BYTES, MOST_PROCESSES = 1 << 24, 8
RESULTS = ("intact", "tampered", "cannot vouch", "unreadable")
NOT_ANCHORED = (
    "not anchored: no checkpoint kept elsewhere was compared ({}); neither a roll-back to an older"
    " signed state nor a rewrite by a holder of the signing key can be excluded"
)
LATER = (
    "this anchor is newer than the export, which says it was made at {}. If that is so, ask for a newer"
    " export or a consistency proof. If you had the anchor before you asked for it, lines were cut off"
)
AHEAD = (
    "AHEAD: the newest line is dated {}, more than a day after {}: either the server's clock ran ahead when"
    " it was written, or somebody dated it who is not the server"
)
DAY_SECONDS = 86_400
# The answer, and each kind of finding, for somebody who does not know what a hash is.
ANSWERS = (
    "What was checked holds: since it was signed, nothing in it was changed, left out, put in or cut off.",
    "Something is not as it was signed; above is what and where. Keep this file as it is, and ask why.",
    "Nothing wrong was found, but something is missing that would be needed to be sure: see above.",
    "This is not a complete export, or a part of it cannot be read. Ask for it again.",
)
ALONE = (
    "the export is the lines or the table alone: the zip, which encloses what proves them, can be verified"
)
# What to do where nothing is wrong with the export: to ask for the same again would not help.
AS_A_ZIP = "Ask for the export as a zip."
LOOK_AT_KEY = "Look at --key: it is copied whole, from its first letter to its last. Nothing was checked."
LOOK_AT_PATH = "Look at the path of the export: no file can be opened there. Nothing was checked."
MEANINGS = {
    "MANIFEST": "a file of the export is not the one that was signed, or is missing, or was put in",
    "ORIGIN": "this is the trail of another organisation",
    "CHECKPOINT": "a signed statement about the trail is not genuine",
    "FORK": "two different histories were signed for the same time",
    "ROOT": "entries were written anew after they had been signed",
    "TRUNCATED": "entries at the end were cut off",
    "LOST": "entries that had been signed were given up by the operator",
    "SEQ": "entries are missing, repeated or out of order",
    "PAYLOAD": "this entry was changed after it was written",
    "CHAIN": "this entry, or the one next to it, was changed, taken out or put in",
    "BINDING": "this entry belongs to another organisation",
    "CLOCK": "this entry claims to be older than the one before it",
    "CANON": "this is not an entry as the software writes it",
    "PROOF": "this entry was not shown to be in the signed trail",
    "FILTER": "this entry is not what the export says it was asked for",
    "NAMES": "a name stands where somebody else acted",
    "CSV": "the table tells something else than the trail itself",
    "FHIR": "the FHIR file tells something else than the trail itself",
    "PAGE": "the page or table of who looked tells something else than the trail itself",
    "WITHHELD": "what is told of an entry that names others too is not told as it has to be",
    "SEGMENT": "what is said of a closed or pruned month is not what its entries give, or it is missing",
    "RETENTION": "entries were taken out that had still to be kept",
    # these only where the database itself is checked
    "ROLLBACK": "the database was set back to an earlier state",
    "GUARD": "the record kept outside the database is not of this trail",
    "HEAD": "the end of the stored trail is not what its entries give",
    "LEAF": "this entry was changed where it is stored",
    "IDENTITY": "a person's name in use is not the one that was recorded",
    "STATE": "stored data was changed without an entry",
    "INDEX": "what searches and access logs are made from was changed: they would not show all, or more",
    "TILE": "what proofs are made from was changed",
    "CIPHERTEXT": "a sealed value or reason kept beside this entry is not the one it names",
    "VALUE MISSING": "a sealed value or reason of this entry is gone, and no erasure says why",
}
# All that reading something hostile can raise. It never makes an answer better than `unreadable`.
BROKEN = (ValueError, LookupError, TypeError, AttributeError, RuntimeError, ArithmeticError, MemoryError)
UNREADABLE = (*BROKEN, OSError, EOFError, zipfile.BadZipFile, zlib.error, struct.error)


class TamperedError(Exception):
    """A finding: what is not as it was signed, and the first bad line where it is known."""

    def __init__(self, kind: str, text: str, seq: int | None = None) -> None:
        super().__init__(f"{kind}: {text}" if seq is None else f"{kind} #{plain(seq)}: {text}")
        self.kind, self.text, self.seq = kind, text, seq


class MalformedError(ValueError):
    """A line, note, key or proof without its form. The message goes on after the thing's name."""


@dataclass
class Report:
    """What was checked and holds, what cannot be vouched for, what is not as it was signed."""

    organisation: str = ""
    first: int | None = None
    last: int | None = None
    count: int = 0
    withheld: int = 0
    signed_size: int = 0
    anchored: bool = False
    checked: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    findings: list[TamperedError] = field(default_factory=list)
    unreadable: str = ""
    advice: str = ""

    @property
    def exit_code(self) -> int:
        """The answer as a number: 0 intact, 1 tampered, 2 cannot vouch, 3 unreadable."""
        return 1 if self.findings else 3 if self.unreadable else 2 if self.doubts else 0

    def as_json(self) -> str:
        """Return the report for machines, one line."""
        answer = {"result": RESULTS[self.exit_code], "exit_code": self.exit_code, **vars(self)}
        findings = [{**vars(found), "seq": plain(found.seq)} for found in self.findings]
        answer = {**answer, "organisation": shown(self.organisation), "findings": findings}
        return json.dumps(answer)

    def as_text(self, anchoring: str = "--anchors") -> str:
        """Return the report for people; `anchoring` is how a checkpoint kept elsewhere is compared."""
        lines = [f"checked: {text}" for text in self.checked]
        lines += [f"cannot vouch: {text}" for text in self.doubts]
        for found in self.findings:
            meaning = MEANINGS.get(found.kind.partition("(")[0])
            lines += [str(found), *([f"    that is: {meaning}"] if meaning else [])]
        lines += [f"unreadable: {self.unreadable}"] if self.unreadable else []
        lines += [] if self.anchored else [NOT_ANCHORED.format(anchoring)]
        lines.append(self.advice or ANSWERS[self.exit_code])
        lines.append(f"{RESULTS[self.exit_code]} (exit {self.exit_code})")
        return "\n".join("".join(c if " " <= c <= "~" else shown(c) for c in line) for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine the export named on the command line, print the report, return the exit code."""
    parser = argparse.ArgumentParser(description="Check an export of a Caretrail audit trail offline.")
    parser.add_argument("export", metavar="EXPORT.zip")
    parser.add_argument("--key", metavar="VKEY", action="append", default=[], help="the log's verifier key")
    parser.add_argument("--anchors", metavar="DIR", help="folder of checkpoints (*.note) kept elsewhere")
    parser.add_argument("--processes", metavar="N", type=_number, help="how many examine a large file")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    try:
        asked = parser.parse_args(arguments)
    except SystemExit as stop:  # 2 is taken: it would say that an export was read
        return 3 if stop.code else 0
    report = verify_export(asked.export, asked.key, asked.anchors, asked.processes)
    print(report.as_json() if asked.json else report.as_text())
    return report.exit_code


def most_processes() -> int:
    """Return how many processes may be asked for: more than there are cores are of no use to anybody."""
    return max(os.cpu_count() or 1, MOST_PROCESSES)


def _number(text: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= most_processes():
        raise argparse.ArgumentTypeError(f"it is a number from 1 to {most_processes()}")
    return int(text)


def verify_export(
    path: str | Path | IO[bytes],
    keys: Sequence[str] = (),
    anchors: str | Path | None = None,
    processes: int | None = None,
    now: str = "",
) -> Report:
    """Return the report on an export. No content of the zip makes it raise.

    Args:
        path: The zip.
        keys: Verifier keys of the log, from a source other than the export; several after a rotation.
        anchors: Folder with checkpoints of the log that were kept elsewhere.
        processes: How many examine the lines; by default one, of a large file as many as there are cores.
        now: The present, spelled as in lines; by default what the clock here says.
    """
    report = Report()
    try:
        trusted = [read_key(key) for key in keys]
    except ValueError as error:
        report.unreadable, report.advice = f"the key given {reason(error)}", LOOK_AT_KEY
        return report
    try:
        with opened(path) as file, zipfile.ZipFile(file) as archive:
            _Examination(archive, trusted, report, processes, Present(now)).run(anchors)
    except UNREADABLE as error:
        report.unreadable = f"the export {reason(error)}"
        if isinstance(error, zipfile.BadZipFile) and is_alone(path):
            report.unreadable, report.advice = ALONE, AS_A_ZIP
        elif isinstance(error, OSError) and error.filename is not None:  # it was not even opened
            report.advice = LOOK_AT_PATH
    # The first bad line first; what is derived from a line after what is wrong with the line itself.
    derived = ("CSV", "FHIR", "NAMES", "PAGE")
    report.findings.sort(
        key=lambda found: (found.seq if type(found.seq) is int else 1 << 53, found.kind in derived)
    )
    return report


def opened(path: str | Path | IO[bytes]) -> AbstractContextManager[IO[bytes]]:
    """Open an export, to be closed whatever of it was left half read; a file that is open stays so."""
    return Path(path).open("rb") if isinstance(path, (str, Path)) else nullcontext(path)


def is_alone(path: Any) -> bool:
    """Say whether a file begins as the lines or a table of an export do."""
    try:
        with Path(path).open("rb") as file:
            return file.read(8).startswith((b'{"', b"org,seq,", LOG_HEAD[:8]))
    except (OSError, *BROKEN):
        return False


def shown(value: object) -> str:
    """Return what an export says of itself so that it cannot play tricks on a terminal."""
    return ascii(str(value)[:200])[1:-1]


def plain(value: object) -> object:
    """Return what stands where a number is due: as it is, or shown if it is none."""
    return value if value is None or type(value) is int else shown(value)


def recovery(seq: int, event: Mapping[str, Any], org: str) -> str:
    """Return what a `chain.recover` entry says was lost, in words."""
    kept, size = inside(event, "lost", "kept"), inside(event, "lost", "size")
    chain = inside(event, "obj", "id")
    of = "" if chain == org else f" of the chain {shown(chain)}"
    if type(kept) is not int or type(size) is not int:
        what = f"the guard{of} was lost; whether lines were lost before this one, it cannot tell"
    elif inside(event, "lost", "how") == "rollback":
        what = f"lines {kept}..{size - 1}{of} were lost"
    else:
        what = f"the {size} lines{of} that were signed are lost, others stand in their place"
    return f"RECOVERED: chain.recover #{seq}: the operator says {what}"


def rotation(seq: int, event: Mapping[str, Any]) -> str:
    """Return what a `key.rotate` entry says, in words."""
    old, new = (shown(inside(event, "key", side)).split("+")[1:2] for side in ("old", "new"))
    until = shown(inside(event, "key", "until"))
    return f"key.rotate #{seq}: key {' '.join(new)} follows key {' '.join(old)}; both sign until {until}"


def step(seq: int, event: Mapping[str, Any]) -> str:
    """Return what a `clock.step` entry says, in words."""
    back = shown(inside(event, "clock", "back_s"))
    return f"clock.step #{seq}: the server's clock was set back by {back} s; lines near it are dated too late"


def erasure(seq: int, event: Mapping[str, Any]) -> str:
    """Return what a `resident.erase` entry says: who was erased, on what basis, and its two people."""
    one, other = (shown(inside(event, "erased", name)) for name in ("asked_by", "approved_by"))
    again, basis = inside(event, "erased", "again"), shown(inside(event, "erased", "basis"))
    text = f"resident {shown(inside(event, 'obj', 'id'))} was erased under entry #{seq} ({basis})"
    text += f": {one} asked, {other} approved"
    text += "" if again is None else f"; done again in a restored database, first under entry #{shown(again)}"
    return text if by_two(event) else f"ERASED: {text}; that takes two people"


def by_two(event: Mapping[str, Any]) -> bool:
    """Say whether an erasure has the two people it takes, and one of them is who made the entry."""
    one, other = inside(event, "erased", "asked_by"), inside(event, "erased", "approved_by")
    done_by = inside(event, "actor", "id") if inside(event, "erased", "again") is None else other
    return bool(one) and bool(other) and one != other == done_by


def is_erasure(event: Mapping[str, Any]) -> bool:
    """Say whether an entry says that a resident was erased, or that this was answered once more."""
    return (event.get("act"), event.get("out")) == ("resident.erase", "ok")


class Erasures:
    """The erasures of a chain, as their entries come by.

    Who sends a request once more is given the answer of the first, and that is an entry, too. It holds
    nothing of its own and erases nobody, so it takes no two people; those of the first are enough.
    """

    def __init__(self) -> None:
        """Begin where nobody was erased."""
        self._done: set[str] = set()

    def repeats(self, event: Mapping[str, Any]) -> bool:
        """Take in an entry that says somebody was erased; say whether an earlier one by two people did it."""
        whom = repr((inside(event, "obj", "t"), inside(event, "obj", "id")))
        if by_two(event):
            self._done.add(whom)
            return False
        return whom in self._done and event.keys().isdisjoint(("erased", "chg", "state", "rows"))


def by_anchor(where: str) -> str:
    """Return what a kind is called when only an anchor tells of it."""
    return "(anchor)" if where.startswith("anchor") else ""


def reason(error: Exception) -> str:
    """Return what is wrong, in words that go on after the thing's name."""
    if isinstance(error, MalformedError):
        return str(error)
    return f"cannot be read ({type(error).__name__}: {shown(error)})"


# --- The examination, step by step ------------------------------------------------------------


class _Examination:
    def __init__(
        self,
        archive: zipfile.ZipFile,
        keys: list[Key],
        report: Report,
        processes: int | None,
        present: Present,
    ) -> None:
        self.archive, self.keys, self.report, self.processes = archive, keys, report, processes
        self.checked, self.doubt = report.checked.append, report.doubts.append
        self.members = set(archive.namelist())
        self.manifest: dict[str, Any] = {}
        self.vouched = False  # the manifest is signed by a key that was given
        self.roots: dict[int, list[tuple[bytes, str]]] = {}  # by signed size: the roots, and who says so
        self.names: dict[int, str] = {}  # by number of the identity entry, as events.csv wants them
        self.identities: dict[int, tuple[str, str]] = {}  # what that entry must hold: name_h and obj.id
        self.unseen: set[int] = set()  # identity entries with a name that no line was yet
        self.erased: set[int] = set()  # identity entries whose name is no longer there
        self.altered: set[str] = set()  # files that are not those the manifest lists
        self.opened: dict[bytes, Checkpoint] = {}  # by SHA-256 over the signed note
        self.signatures = 0  # that stand under the notes of the export
        self.lost: list[tuple[int, int, int]] = []  # by recoveries: their number, lines kept, lines signed
        self.kept: dict[str, float] = {}  # by anchor: since when its file is there, at the latest
        self.missed: list[tuple[int, str]] = []  # checkpoints that do not hold: size, and where they are from
        self.told: dict[str, set[str]] = {}  # findings by their kind
        self.derived: list[_Derived] = []
        self.months: dict[str, Month] = {}  # of the whole trail: counted, not closed yet
        self.start, self.start_root = 0, ""  # the first line that was not pruned, the root up to it
        self.present, self.newest = present, ""  # the present, and the time of the newest line
        self.pruning = Pruning(present)
        self.erasures = Erasures()

    def run(self, anchors: str | Path | None) -> None:
        if {info.compress_type for info in self.archive.infolist()} - {STORED, DEFLATED}:
            raise MalformedError("is packed in a way that no export is")
        self.check_manifest()
        self.check_files()
        if "checkpoints.note" not in self.altered:
            with self.finding("CHECKPOINT", "checkpoints.note"):
                self.check_checkpoints()
        if anchors is not None:
            self.check_anchors(Path(anchors))
        if self.has_names():
            with self.finding("NAMES", "names.jsonl"):
                self.check_names()
        with self.finding("CANON", "events.jsonl"):
            self.check_lines()

    def find(self, kind: str, text: str, seq: int | None = None) -> None:
        told = self.told.setdefault(kind, set())
        if text not in told and len(told) <= MOST_FINDINGS:  # the first with these words is enough
            told.add(text)
            if len(told) > MOST_FINDINGS:
                text, seq = f"and more: after {MOST_FINDINGS} of this kind no further one is told", None
            self.report.findings.append(TamperedError(kind, text, seq))

    @contextmanager
    def finding(self, kind: str, what: str) -> Iterator[None]:
        """Record what goes wrong inside as a finding; the examination goes on after it."""
        try:
            yield
        except TamperedError as error:
            # made anew: a traceback would keep the zip open for as long as the report is kept
            self.report.findings.append(TamperedError(error.kind, error.text, error.seq))
        except BROKEN as error:
            self.find(kind, f"{what} {reason(error)}")

    def check_manifest(self) -> None:
        raw, given = self.read_whole("manifest.json", MANIFEST_BYTES), bool(self.keys)
        if not given:
            self.keys = [read_key(key) for key in read_json(raw)["keys"]]
            if not self.keys:
                raise MalformedError("names no key")
            self.doubt("the key was taken from the export itself: give its owner's with --key")
        if "manifest.sig" not in self.members:
            self.doubt("UNSIGNED: the export has no manifest.sig")
        else:
            with self.finding("MANIFEST", "manifest.sig"):
                if open_note(self.read_whole("manifest.sig"), self.keys) != manifest_text(raw):
                    raise MalformedError("signs another manifest.json")
                self.vouched = given
                self.checked(f"manifest.json is signed by {shown(self.keys[0].name)}")
                self.vouch(read_json(raw)["keys"])
        self.manifest = read_json(raw)
        if self.manifest["format"] != FORMAT:
            raise MalformedError(f"is not of the format {FORMAT}")
        org = self.report.organisation = str(self.manifest["organisation"])
        ours = [key for key in self.keys if key.name.endswith("/audit/" + org)]
        if not ours:
            self.find("ORIGIN", f"the export is of {shown(org)}, the key of {shown(self.keys[0].name)}")
        self.keys = ours or self.keys
        self.present.was_past(self.manifest.get("made_at"), "when the export says it was made")

    def vouch(self, listed: Sequence[str]) -> None:
        """Trust what other keys of the same log the signed manifest names: after a rotation, the former."""
        names = {key.name for key in self.keys}
        others = [key for key in map(read_key, listed) if key.name in names and key not in self.keys]
        self.keys = [*self.keys, *others]
        if others:
            numbers = ", ".join(key.number.hex() for key in others)
            self.checked(f"the signed manifest names further keys of this log: {numbers}")

    def check_files(self) -> None:
        listed, known = self.manifest["files"], len(self.report.findings)
        if len(self.archive.infolist()) != len(self.members) or self.members - KNOWN:
            self.find("MANIFEST", "the zip holds a file twice, or one that belongs to no export")
        if not is_end_to_end(self.archive):
            self.find("MANIFEST", "the zip holds more than the files it lists: others may find other files")
        self.altered = self.members - set(listed)
        for name in sorted(self.members.intersection(LISTED.split()) ^ set(listed)):
            self.find("MANIFEST", f"{shown(name)} stands only in the zip or only in the manifest")
        for name in sorted(self.members & {"manifest.json", "manifest.sig"}):
            if not self.digest(name, self.size(name)):
                self.find("MANIFEST", f"{name} is not all that is packed as it")
        for name in sorted(self.members & set(listed)):
            if self.digest(name, listed[name]["bytes"]) != listed[name]["sha256"]:
                self.find("MANIFEST", f"{shown(name)} is not the file that the manifest lists")
                self.altered.add(name)
        if not self.vouched and not self.altered & {"names.jsonl"} and self.size("names.jsonl") > LARGE_BYTES:
            self.doubt("names.jsonl is not read: it is very large, and nobody signed it whose key was given")
            self.altered.add("names.jsonl")
        if known == len(self.report.findings):
            self.checked(f"{len(listed)} files are those that the manifest lists")

    def digest(self, name: str, size: int) -> str:
        """Return SHA-256 over a file of `size` bytes; nothing of another, or if more is packed there."""
        info, digest, done, crc = self.archive.getinfo(name), sha256(), 0, 0
        file: Any = self.archive.fp
        self.archive.open(info).close()  # it raises where its head is not the one listed
        file.seek(info.header_offset + HEAD_BYTES - 4)
        file.seek(sum(struct.unpack("<2H", file.read(4))), os.SEEK_CUR)
        inflate, left, packed = zlib.decompressobj(-zlib.MAX_WBITS), info.compress_size, b"\0"
        while packed and done <= size and not inflate.eof:
            rest = inflate.unconsumed_tail
            packed = rest or file.read(min(left, CHUNK_BYTES))
            left -= 0 if rest else len(packed)
            chunk = packed if info.compress_type == STORED else inflate.decompress(packed, CHUNK_BYTES)
            digest.update(chunk)
            done, crc = done + len(chunk), zlib.crc32(chunk, crc)
        if done <= size and (done, crc) != (info.file_size, info.CRC):
            raise zipfile.BadZipFile(f"{name} is damaged")
        return digest.hexdigest() if done == size and not left and not inflate.unused_data else ""

    def size(self, name: str) -> int:
        return self.archive.getinfo(name).file_size if name in self.members else 0

    def check_checkpoints(self) -> None:
        notes = split_notes(self.read_whole("checkpoints.note")) if "checkpoints.note" in self.members else []
        for count, note in enumerate(notes, 1):
            self.add_root(note, f"checkpoint {count}")
        newest = max(self.roots, default=0)
        told = self.manifest["checkpoint"] or {}
        if notes and (told.get("size"), told.get("root")) != (newest, base64_of(self.roots[newest][-1][0])):
            self.find("MANIFEST", "the manifest names another newest checkpoint")
        if notes:
            self.checked(f"{len(notes)} checkpoints are signed, up to size {newest}")
        else:
            self.doubt("UNSIGNED: the export has no checkpoint")
        if self.manifest["count"] and self.manifest["last"] >= newest:
            self.doubt(f"TAIL: the lines from #{newest} on are not covered by a checkpoint")

    def add_root(self, note: bytes, where: str) -> Checkpoint:
        checkpoint = self.read_root(note, enclosed=not by_anchor(where))
        if checkpoint.origin not in {key.name for key in self.keys}:
            raise MalformedError(f"is of another chain, {shown(checkpoint.origin)}")
        signed = self.roots.setdefault(checkpoint.size, [])
        if by_anchor(where) or all(root != checkpoint.root or by_anchor(told) for root, told in signed):
            if signed and signed[0][0] != checkpoint.root:
                text = f"size {checkpoint.size} has two signed roots: {signed[0][1]}, {where}"
                self.find("FORK", text)
            signed.append((checkpoint.root, where))
        return checkpoint

    def read_root(self, note: bytes, *, enclosed: bool = True) -> Checkpoint:
        """Return what a note says, verified once; of those enclosed in an export no more than it can have."""
        digest = sha256(note).digest()  # a note may be large
        if digest not in self.opened:
            self.signatures += note.count(SIGNED) if enclosed else 0
            if enclosed and self.signatures > MOST_SIGNATURES:
                raise MalformedError(f"is past the {MOST_SIGNATURES} signatures an export has at most")
            self.opened[digest] = read_checkpoint(open_note(note, self.keys))
        return self.opened[digest]

    def check_anchors(self, folder: Path) -> None:
        if not folder.is_dir():
            self.doubt(f"there is no folder of anchors {shown(folder)}")
            return
        others = 0
        for path in sorted(folder.rglob("*.note")):
            where = "anchor " + shown(path.name)
            try:
                note = read_small(path)
                if {name for name, *_ in read_note(note)[1]}.isdisjoint(key.name for key in self.keys):
                    others += 1
                    continue
                self.checked(f"{where} is signed, size {self.add_root(note, where).size}")
                self.report.anchored = True
                since = path.stat().st_mtime
                self.kept[where] = min(since, self.kept.get(where, since))
            except (MalformedError, OSError) as error:
                self.checked(f"{where} is left aside: it {reason(error)}")
        if others:
            self.checked(f"{others} anchors are left aside: they are of other chains")
        if not self.report.anchored:
            self.doubt("the folder of anchors holds no checkpoint signed by the key")

    def is_later(self, where: str) -> bool:
        """Say whether an anchor may have been made after the export: it was not kept a day before it.

        The date of a file is as good as the clock of who kept it, and a day more than time zones differ by.
        """
        try:
            made = seconds_of(self.manifest["made_at"])
        except BROKEN:
            return False  # an export says when it was made
        return self.kept.get(where, 0) + DAY_SECONDS > made

    def has_names(self) -> bool:
        """Say whether names can be read: not from a file that is told of already, and may be of any size."""
        return "names.jsonl" not in self.altered

    def check_names(self) -> None:
        for line in self.lines_of("names.jsonl"):
            seq, user_id, name_hash, name = read_name(line)
            if seq in self.names:
                raise MalformedError(f"names two people for entry #{seq}")
            self.names[seq], self.identities[seq] = name, (name_hash, user_id)
            self.unseen.add(seq)
            self.check_enclosed_identity(seq, read_json(line))

    def check_enclosed_identity(self, seq: int, told: dict[str, Any]) -> None:
        """Examine the entry that gave a name, which a selection encloses with its proof."""
        if "line" in told:
            entry = told["line"].encode()
            self.check_proof(
                WRITER.encode({"seq": seq, "proof": told["proof"]}).encode(), seq, leaf_hash(entry)
            )
            record = read_line(entry)
            if (inside(record, "c", "org"), inside(record, "c", "seq")) != (self.report.organisation, seq):
                raise MalformedError(f"encloses another entry for #{seq}")
            head = HEAD.match(entry)
            if not head or not STAMP.match(entry, head.end()):
                raise MalformedError(f"encloses an entry without a place in the chain for #{seq}")
            self.pruning.see(record["c"]["ts"][:7], seq, seq)
            self.check_identity(seq, record["e"])

    def check_lines(self) -> None:
        origin = self.keys[0].name
        for kind, name, head, rows in (
            ("CSV", "events.csv", CSV_HEADER, csv_each),
            ("FHIR", "fhir.ndjson", b"", partial(fhir_each, origin=origin)),
        ):
            if name in self.members and self.has_names():
                self.derived.append(_Derived(kind, name, rows, self.archive.open(name), 0 if head else 1))
                self.compare(self.derived[-1], [head], None)
        self.open_access_log(origin)
        if self.manifest.get("pruned") is not None:
            self.start = self.pruning.start = int(self.manifest["pruned"]["first"])
        if self.manifest["filter"] or (self.manifest["first"] or self.start) != self.start:
            self.pruning.whole = False
            self.check_selection()
        else:
            for name in sorted(self.members & OF_SELECTIONS):
                self.find("MANIFEST", f"{name} belongs to an export of chosen lines, and this is none")
            self.check_whole()
        seen = (self.report.first, self.report.last, self.report.count, self.report.withheld)
        told = [self.manifest[name] for name in ("first", "last", "count")]
        if seen != (*told, self.manifest.get("withheld", 0)):
            self.find("MANIFEST", "the manifest tells of other lines than there are")
        self.conclude()

    def check_whole(self) -> None:
        """Examine all lines there are; at every signed size their root must be the signed one."""
        chain = self.begun_chain()
        sizes = sorted((size for size in self.roots if size >= self.start), reverse=True)
        self.compare_root(chain, sizes)
        try:
            self.check_portions(chain, sizes)
        except TamperedError as fault:
            if fault.kind == "SEQ":
                self.tell_missing_months(chain.size)
            raise
        self.checked(f"{chain.size - self.start} lines are one unbroken chain")
        self.checked(f"their roots are the signed ones up to size {self.report.signed_size}")
        for size in sorted(size for size in self.roots if size > chain.size):
            for _, where in self.roots[size]:
                text = f"{where} signs {size} lines, {size - chain.size} of them are missing"
                self.missed.append((size, where))
                if by_anchor(where) and self.is_later(where):
                    self.doubt(f"{text} here: {LATER.format(shown(self.manifest['made_at']))}")
                else:
                    self.find("TRUNCATED" + by_anchor(where), text, chain.size)
        self.newest = chain.time()
        compared = [told for size, told in self.roots.items() if self.start <= size <= chain.size]
        self.report.anchored = any(by_anchor(where) for told in compared for _, where in told)
        self.conclude_pruning()

    def begun_chain(self) -> ChainCheck:
        """Return the check of a chain at its first line, or where it begins since it was pruned."""
        if not self.start:
            return ChainCheck(self.report.organisation)
        told = self.manifest["pruned"]
        peaks = [bytes.fromhex(peak) for peak in told["peaks"]]
        chain = ChainCheck(self.report.organisation, self.start, str(told["prev"]), peaks)
        self.start_root = chain.tree.root().hex()
        earlier = [(size, where) for size in self.roots if size < self.start for _, where in self.roots[size]]
        for size, where in earlier:
            self.checked(f"{where} is of {size} lines, which were pruned: it is not compared")
        return chain

    def conclude_pruning(self) -> None:
        """Say under which entry the lines that are not there were pruned, or that there is none."""
        if not self.start:
            return
        told = self.pruning.told(self.start)
        if told is None:
            self.find("SEQ", f"lines 0..{self.start - 1} are missing: {self.pruning.untold()}", self.start)
        else:
            self.report.doubts += filter(None, [self.pruning.hidden.get(self.start)])
            still = "; the root still matches" if self.report.signed_size >= self.start else ""
            self.checked(told + still)

    def tell_missing_months(self, due: int) -> None:
        """Name the closed months that are missing as a whole from line `due` on."""
        gap: range | None = None
        for line in self.lines_of("events.jsonl"):
            head = HEAD.match(line)
            if not head:
                return  # what comes after is no trail
            if gap is None and int(head[3]) > due:
                gap = range(due, int(head[3]))
            if CLOSING in line and gap is not None:
                with suppress(*BROKEN):
                    for text, seq in missing_month(read_json(line), gap):
                        self.find("SEGMENT", text, seq)

    def check_portions(self, chain: ChainCheck, sizes: list[int]) -> None:
        """Examine all lines, here or elsewhere."""
        with closing(self.portions()) as portions:  # a finding ends it: let go of the other processes
            for portion in portions:
                told = portion.told()
                if told is not None and self.agrees(told, chain):
                    self.join(told, chain, sizes)
                else:
                    self.check_portion(portion, chain, sizes)

    def portions(self) -> Generator[_Portion, None, None]:
        """Return all lines, some thousand at a time, given to other processes where that is worth it."""
        several = min(os.cpu_count() or 1, MOST_PROCESSES) if self.size("events.jsonl") >= LARGE_BYTES else 1
        processes = several if self.processes is None else max(1, min(self.processes, most_processes()))
        given = (self.report.organisation, self.names, {file.name: file.rows_of for file in self.derived})
        return _portions(self.batches_of("events.jsonl"), processes, given, self.start)

    def check_portion(self, portion: _Portion, chain: ChainCheck, sizes: list[int]) -> None:
        """Examine lines one after the other."""
        start, rest = chain.size, portion.lines
        while rest and not chain.fault:
            step = sizes[-1] - chain.size if sizes else len(rest)
            part, rest = rest[:step], rest[step:]
            chain.feed(part, rest[0] if rest else portion.following)
            self.compare_root(chain, sizes)
        self.take(portion.lines[: chain.size - start], start, chain)

    def agrees(self, told: _Told, chain: ChainCheck) -> bool:
        """Say whether lines examined elsewhere go on from those here and leave nothing to be told."""
        follows = (told.start, told.prev) == (chain.size, chain.prev) and chain.stamp <= told.stamps[0]
        named = all(self.identities[seq] == said for seq, said in told.named.items())
        right = all(held not in self.names or self.identities[held][1] == who for held, who in told.held)
        return follows and named and right and all(file.holds(told.rows[file.name]) for file in self.derived)

    def join(self, told: _Told, chain: ChainCheck, sizes: list[int]) -> None:
        """Take over what was found out elsewhere about lines of which nothing is to be told."""
        leaves = [told.leaves[at : at + 32] for at in range(0, len(told.leaves), 32)]
        while leaves:
            step = sizes[-1] - chain.size if sizes else len(leaves)
            chain.join(leaves[:step], told.stamps[1])
            leaves = leaves[step:]
            self.compare_root(chain, sizes)
        self.unseen.difference_update(told.named)
        self.erased.update(held for held, _ in told.held if held not in self.names)
        for name, month in told.months.items():
            self.months.setdefault(name, Month(month.first)).join(month)
            self.pruning.see(name, month.first, month.end - 1)
        for file in self.derived:
            file.skip(told.rows[file.name])
        self.check_months(told.start)
        self.report.first = told.start if self.report.first is None else self.report.first
        self.report.last, self.report.count = chain.size - 1, self.report.count + chain.size - told.start

    def compare_root(self, chain: ChainCheck, sizes: list[int]) -> None:
        if chain.fault or not sizes or chain.size < sizes[-1]:
            return
        size, good = sizes.pop(), self.report.signed_size
        for root, where in self.roots[size]:
            if root != chain.tree.root():
                text = f"the first {size} lines do not have the root signed in {where}, the first {good} do"
                self.find("ROOT" + by_anchor(where), text)
                self.missed.append((size, where))
                sizes.clear()  # no later root can hold
                return
        self.report.signed_size = size

    def check_selection(self) -> None:
        """Examine lines picked from a chain: linked where they are neighbours, each with its proof."""
        chain = ChainCheck(self.report.organisation)
        wanted = Filter(self.manifest["filter"] or {})
        if "proofs.jsonl" not in self.members:
            self.doubt("nothing ties the lines to a signed root: there is no proofs.jsonl")
        proofs, closed = self.lines_of("proofs.jsonl"), self.closed_months(wanted)
        for line in self.selected():
            if isinstance(line, tuple):
                self.take_withheld(*line, proofs, wanted, closed)
                continue
            if not wanted.is_run or not chain.size:
                chain.skip_to(line)
            chain.feed([line])
            self.take([line], chain.size - 1, chain)
            if "proofs.jsonl" in self.members - self.altered:
                self.check_proof(next(proofs, b"{}"), chain.size - 1, leaf_hash(line))
            if not wanted.holds(line):
                raise TamperedError("FILTER", "the line is none that the filter asks for", chain.size - 1)
            for month in closed:
                month.see(chain.size - 1)
        self.newest = max(self.newest, chain.time())
        if next(proofs, None) is not None:
            self.find("PROOF", "proofs.jsonl goes on after the last line")
        signers = [{by_anchor(where) for _, where in signed} for signed in self.roots.values()]
        same = sum(len(kinds) > 1 for kinds in signers)  # only equal sizes can be compared
        if self.report.anchored:
            here = f"{same} sizes that are signed here, too; a selection cannot be compared at others"
            self.checked(f"anchors were compared at {here}")
        self.report.anchored = same > 0
        how = "are one unbroken run" if wanted.is_run else "are linked where they are neighbours"
        proven = ", each with its proof," if "proofs.jsonl" in self.members - self.altered else ""
        self.checked(f"{self.report.count} lines{proven} {how}")
        self.conclude_selection(wanted, closed)

    def selected(self) -> Iterator[bytes | tuple[dict[str, Any], bytes]]:
        """Yield the lines and, between them, what is told of those that are withheld, by their numbers."""
        if "withheld.jsonl" not in self.members:
            yield from self.lines_of("events.jsonl")
            return
        told, at = self.withheld_entries(), b""
        waiting = next(told, None)
        for line in self.lines_of("events.jsonl"):
            head = HEAD.match(line)
            while waiting and head and waiting[0]["c"]["seq"] < int(head[3]):
                at = in_time(at, waiting[0]["c"]["ts"].encode())
                yield waiting
                waiting = next(told, None)
            at = in_time(at, line[head.end() : head.end() + 27]) if head else at
            yield line
        while waiting:
            at = in_time(at, waiting[0]["c"]["ts"].encode())
            yield waiting
            waiting = next(told, None)

    def withheld_entries(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        for line in self.lines_of("withheld.jsonl"):
            try:
                yield read_withheld(line, self.report.organisation)
            except BROKEN as error:
                raise TamperedError("WITHHELD", f"a line of withheld.jsonl {reason(error)}") from error

    def take_withheld(
        self,
        told: dict[str, Any],
        leaf: bytes,
        proofs: Iterator[bytes],
        wanted: Filter,
        closed: list[ClosedMonth],
    ) -> None:
        """Examine what is told of a line that names others too: its number and leaf are in the trail."""
        seq, report = told["c"]["seq"], self.report
        self.newest = max(self.newest, told["c"]["ts"])
        if report.last is not None and seq <= report.last:
            raise TamperedError("SEQ", "an entry is repeated or out of order", seq)
        if "proofs.jsonl" not in self.altered:
            self.check_proof(next(proofs, b"{}"), seq, leaf)
        if not wanted.is_at(told["c"]["ts"]):
            raise TamperedError("FILTER", "the entry is none that the filter asks for", seq)
        self.check_identity(seq, told["e"])
        for file in self.derived:
            self.compare(file, file.rows_of(told, leaf.hex(), self.names), seq)
        for month in closed:
            month.see(seq)
        report.first = seq if report.first is None else report.first
        report.last, report.count, report.withheld = seq, report.count + 1, report.withheld + 1

    def open_access_log(self, origin: str) -> None:
        """Begin to compare the page and the table of a resident's access log, where they are enclosed."""
        log, manifest = AccessLog(), self.manifest
        if "access-log.csv" in self.members and self.has_names():
            table = self.archive.open("access-log.csv")
            self.derived.append(_Derived("PAGE", "access-log.csv", partial(_alone, log.row), table, 0))
            self.compare(self.derived[-1], [LOG_HEAD], None)
        if "access-log.html" in self.members and self.has_names():
            page = self.archive.open("access-log.html")
            file = _Derived("PAGE", "access-log.html", partial(_alone, log.page_row), page, 0, log.page_tail)
            self.derived.append(file)
            self.compare(file, [log.page_head(origin, manifest)], None)

    def closed_months(self, wanted: Filter) -> list[ClosedMonth]:
        """Return what closed months say of the resident whose lines these are, each with its proof."""
        months: list[ClosedMonth] = []
        order = Pruning(self.present, self.start)
        for line in self.lines_of("segments.jsonl"):
            try:
                month = read_segment(line, self.report.organisation, wanted.resident)
            except BROKEN as error:
                raise TamperedError(
                    "SEGMENT", f"line {len(months)} of segments.jsonl {reason(error)}"
                ) from error
            self.check_proof(month.proof, month.seq, month.leaf)
            if month.first != (months[-1].end if months else self.start):
                raise TamperedError("SEGMENT", f"a month is missing before {shown(month.name)}", month.seq)
            if text := order.close(month.seq, month.name, {"first": month.first, "end": month.end}):
                raise TamperedError("SEGMENT", text, month.seq)
            months.append(month)
        return months

    def conclude_selection(self, wanted: Filter, closed: list[ClosedMonth]) -> None:
        """Say whether lines can have been left out: for one resident the closed months know."""
        if self.report.withheld:
            self.doubt(
                f"{self.report.withheld} of the {self.report.count} entries concern others too, or may:"
                " their lines are withheld. That each stands in the trail at its number is proven; what page"
                " and table say of it is not. Whoever holds the whole export can compare it by number"
                " and leaf"
            )
        for month in closed:
            if wanted.holds_month(month.name) and (month.count, month.last) != (month.seen, month.newest):
                text = f"{month.count} entries of {month.name} concern the resident, here are {month.seen}"
                self.find("SEGMENT", text, month.seq)
            if (other := self.pruning.other(month.name, month.first, month.end)) is not None:
                text = f"{month.name} is closed as lines {month.first}..{month.end}, and line"
                self.find("SEGMENT", f"{text} #{other[0]} is of {other[1]}", month.seq)
        if self.start:
            self.doubt(
                f"lines before #{self.start} are said to be pruned; this selection does not prove it. A whole"
                " export does"
            )
        if wanted.only_resident and closed:
            first, last = closed[0].name, closed[-1].name
            self.checked(f"no line of the resident is left out in the months closed from {first} to {last}")
            if not wanted.is_within(last):
                self.doubt(
                    f"lines after {last} may be left out: no whole month that is asked for is closed there"
                )
            return
        before = " before the first or after the last" if wanted.is_run else ""
        self.doubt(f"this is a selection: nothing in it proves that it leaves out no line{before}")

    def check_proof(self, proof: bytes, seq: int, leaf: bytes) -> None:
        try:
            path, note = read_proof(proof, seq)
            signed = self.add_root(note, f"the proof of #{seq}")
            if root_over(leaf, seq, signed.size, path) != signed.root:
                raise MalformedError("does not lead to the signed root")
        except BROKEN as error:
            raise TamperedError("PROOF", f"the proof of the line {reason(error)}", seq) from error

    def take(self, lines: Sequence[bytes], start: int, chain: ChainCheck) -> None:
        """Examine what stands in lines whose place in the chain is right, then stop if one was not."""
        faults = [fault for fault in (self.check_contents(lines, start), chain.fault) if fault]
        self.report.findings += faults[1:]
        if faults:
            raise faults[0]
        self.check_months(start)
        if lines:
            self.report.first = start if self.report.first is None else self.report.first
            self.report.last, self.report.count = start + len(lines) - 1, self.report.count + len(lines)

    def check_months(self, seq: int) -> None:
        if len(self.pruning.months) + len(self.pruning.closed) > MOST_MONTHS:
            raise TamperedError("CANON", f"up to here the lines are of more than {MOST_MONTHS} months", seq)

    def check_contents(self, lines: Sequence[bytes], start: int) -> TamperedError | None:
        for seq, line in enumerate(lines, start):
            try:
                record = read_line(line)
            except MalformedError as error:
                return TamperedError("CANON", f"the line {error}", seq)
            self.check_identity(seq, record["e"])
            self.hear(seq, record["e"])
            self.pruning.see(record["c"]["ts"][:7], seq, seq)
            if (fault := self.pruning.hear(seq, record) or self.misclaimed(record)) is not None:
                self.find(fault.kind, fault.text, seq)
            if not self.manifest["filter"]:
                self.count(seq, record, refused=fault is not None)
            leaf = leaf_hash(line).hex()
            for file in self.derived:
                self.compare(file, file.rows_of(record, leaf, self.names), seq)
        return None

    def misclaimed(self, record: Mapping[str, Any]) -> TamperedError | None:
        """Return what an entry that pruned all before the first line here says of that end and is not so."""
        if not self.start or not prunes(record["e"]) or inside(record, "e", "prune", "end") != self.start:
            return None
        pruned = self.manifest["pruned"]
        return misclaimed(record, self.start_root, pruned["prev"], pruned["peaks"])

    def check_identity(self, seq: int, event: dict[str, Any]) -> None:
        if seq in self.unseen and (event.get("name_h"), inside(event, "obj", "id")) != self.identities[seq]:
            self.find("NAMES", "names.jsonl does not give the name this entry was made for", seq)
        self.unseen.discard(seq)
        held = inside(event, "actor", "name_seq")
        if held is not None and held not in self.names:
            self.erased.add(held)
        elif held is not None and self.identities[held][1] != inside(event, "actor", "id"):
            self.find("NAMES", "the entry points to the name of somebody else", seq)

    def count(self, seq: int, record: dict[str, Any], *, refused: bool) -> None:
        """Count the entries of each resident; what an entry says that closes a month must be the same."""
        self.months.setdefault(record["c"]["ts"][:7], Month(seq)).take(seq, inside(record, "e", "subs") or ())
        if inside(record, "e", "act") == "segment.close" and not refused:
            name, told = inside(record, "e", "obj", "id"), inside(record, "e", "seg")
            if self.pruning.repeats(seq, name, told):
                return  # it was counted where it was said first
            if self.start and type(inside(told, "end")) is int and told["end"] <= self.start:
                if told["end"] == self.start and told.get("root") != self.start_root:
                    self.find("SEGMENT", f"it closes {shown(name)} with another root than its lines", seq)
                return  # its lines were pruned: they cannot be counted
            month = self.months.pop(name, Month(seq))
            found = month.told(self.report.organisation, name)
            if not isinstance(told, dict) or {**told, **found} != told:
                self.find("SEGMENT", f"it closes {shown(name)} with other counts than its lines give", seq)
            else:
                residents = f"{len(month.subjects)} residents"
                self.checked(f"#{seq} closes {shown(name)}: {residents}, as its lines give")

    def hear(self, seq: int, event: dict[str, Any]) -> None:
        """Pass on what was entered into the trail about the trail itself."""
        if event.get("act") == "key.rotate":
            self.checked(rotation(seq, event))
        if event.get("act") == "clock.step":
            self.checked(step(seq, event))
        if is_erasure(event) and not self.erasures.repeats(event):
            (self.checked if by_two(event) else self.doubt)(erasure(seq, event))
        if event.get("act") != "chain.recover":
            return
        told, lost, own = recovery(seq, event, self.report.organisation), event.get("lost"), self.report
        if inside(event, "obj", "id") == own.organisation and inside(lost, "note") is not None:
            try:
                said = self.read_root(inside(lost, "note").encode())
                if (said.size, base64_of(said.root)) != (inside(lost, "size"), inside(lost, "root")):
                    raise MalformedError("says something else")
                kept = inside(lost, "kept") if inside(lost, "how") == "rollback" else 0
                self.lost.append((seq, kept, said.size))
            except BROKEN as error:
                told += f"; the checkpoint enclosed {reason(error)}"
        self.doubt(told)

    def compare(self, file: _Derived, rows: Iterable[bytes], seq: int | None) -> None:
        """Compare what has to come next, row by row: none is made after one that differs."""
        for expected in () if file.differs else rows:
            if file.read(len(expected)) != expected:
                file.differs = True  # once told; every later row may differ for the same reason
                what = "what has to stand there" if seq is None else f"line #{seq}"
                self.find(file.kind, f"row {file.rows} of {file.name} differs from {what}", seq)
                return
            file.rows += expected.count(b"\n")

    def conclude(self) -> None:
        for seq, kept, signed in self.lost:
            for size, where in self.missed:
                if by_anchor(where) and kept < size <= signed:
                    text = f"{where} signs {size} lines; this entry says that those from #{kept} on were lost"
                    self.find("LOST(anchor)", text, seq)
        self.report.doubts += filter(None, [self.present.ahead(self.newest)])
        told = len(self.names) - len(self.unseen)
        self.checked(f"{told} names match their entries, {len(self.erased)} are no longer there")
        if self.unseen and self.manifest["filter"]:
            self.doubt(f"{len(self.unseen)} names have no identity entry in this selection")
        elif self.unseen:
            self.find("NAMES", "names.jsonl tells of an identity entry that is not there", min(self.unseen))
        for file in self.derived:
            self.compare(file, [file.tail()], None)
            if not file.differs and file.read(1):
                self.find(file.kind, f"{file.name} goes on after the last line")
            elif not file.differs:
                self.checked(f"{file.name}: {file.rows - 1} rows are what the lines and names give")

    def read_whole(self, name: str, most: int = WHOLE_FILE_BYTES) -> bytes:
        with self.archive.open(name) as stream:
            data = stream.read(most + 1)
        if len(data) > most:
            raise MalformedError(f"holds a {name} that is too large")
        return data

    def batches_of(self, name: str) -> Iterator[list[bytes]]:
        """Yield the lines of a file of the zip, some thousand at a time; none if it is not there."""
        if name not in self.members or name in self.altered & {"proofs.jsonl", "segments.jsonl"}:
            return  # who altered proofs chose what they cost
        rest = b""
        with self.archive.open(name) as stream:
            while len(rest) < LINE_BYTES and (chunk := stream.read(CHUNK_BYTES)):
                *lines, rest = (rest + chunk).split(b"\n")
                yield lines
        if rest:
            raise MalformedError("ends within a line, or a line of it is far too long")

    def lines_of(self, name: str) -> Iterator[bytes]:
        for batch in self.batches_of(name):
            yield from batch


@dataclass
class _Derived:
    """A file of the export that must be what the lines and names give, compared as they come by."""

    kind: str
    name: str
    rows_of: Callable[[Mapping[str, Any], str, Mapping[int, str]], Iterable[bytes]]
    stream: IO[bytes]
    rows: int  # the number of the next one; a head is row 0
    tail: Callable[[], bytes] = bytes
    differs: bool = False
    ahead: bytes = b""  # what was read of the file and not compared yet
    at: int = 0
    broken: Exception | None = None

    def read(self, count: int) -> bytes:
        """Return the next bytes, fewer at the end."""
        data = self.look(count)
        self.at += len(data)
        return data

    def look(self, count: int) -> bytes:
        """Return the next bytes and let them be the next still; raises where the file cannot be read."""
        if len(self.ahead) - self.at < count:
            parts, size = [self.ahead[self.at :]], len(self.ahead) - self.at
            while size < count and self.broken is None:
                try:
                    chunk = self.stream.read(CHUNK_BYTES)
                except UNREADABLE as error:
                    self.broken = error  # what came before it counts
                    break
                parts.append(chunk)
                size += len(chunk)
                if not chunk:
                    break
            self.ahead, self.at = b"".join(parts), 0
            if size < count and self.broken is not None:
                raise self.broken
        return self.ahead[self.at : self.at + count]

    def holds(self, rows: _Rows) -> bool:
        """Say whether rows made elsewhere come next; once the file differed, it does not matter."""
        try:
            return self.differs or sha256(self.look(rows.size)).digest() == rows.digest
        except UNREADABLE:
            return False  # told where the rows are compared one by one

    def skip(self, rows: _Rows) -> None:
        """Go on after rows that are there."""
        self.rows += rows.ends
        if not self.differs:
            self.at += rows.size


# --- Several processes --------------------------------------------------------------------------

# What a process has to be told of once: the organisation, names by number, how rows are derived.
_Derivations = Mapping[str, Callable[..., Iterable[bytes]]]
_Given = tuple[str, Mapping[int, str], _Derivations]
SPECIAL = {"key.rotate", "chain.recover", "clock.step", "segment.close", "segment.prune", "resident.erase"}
given_here: list[_Given] = []


class _Rows(NamedTuple):
    """Rows of a derived file: how many, their bytes, SHA-256 over them."""

    ends: int
    size: int
    digest: bytes


class _Told(NamedTuple):
    """What a process found out of lines that are in order in themselves: the link they claim, and sums."""

    start: int
    prev: str
    stamps: tuple[bytes, bytes]  # the first and the last
    leaves: bytes
    named: dict[int, tuple[str, str]]  # of identity entries with a name: `name_h` and `obj.id`
    held: set[tuple[int, str]]  # numbers of identity entries that lines point to, and who acted
    months: dict[str, Month]
    rows: dict[str, _Rows]


@dataclass
class _Portion:
    """Lines that follow each other, the line after them, and who examines them elsewhere."""

    lines: list[bytes]
    following: bytes = b""
    elsewhere: Future[_Told | None] | None = None

    def told(self) -> _Told | None:
        """Return what another process found out; None if nothing, or if it has to be found out here."""
        try:
            return None if self.elsewhere is None else self.elsewhere.result()
        except (BrokenExecutor, OSError, EOFError, *BROKEN):
            return None


def _portions(
    batches: Iterator[list[bytes]], processes: int, given: _Given, start: int = 0
) -> Generator[_Portion, None, None]:
    """Yield batches of lines, in order, at most a few ahead of what is asked for.

    A file that breaks off raises only after what came before was taken.
    """
    with ExitStack() as stack:
        pool = _pool(processes, given)
        if pool is not None:
            stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        waiting: deque[_Portion] = deque()
        broken = None
        while True:
            try:
                lines = next(batches, None) if broken is None else None
            except UNREADABLE as error:
                lines, broken = None, error
            if lines is None:
                break
            if lines:
                if waiting:
                    waiting[-1].following = lines[0]
                waiting.append(_Portion(lines, elsewhere=_given_away(pool, start, lines)))
                start += len(lines)
            while len(waiting) > 2 * processes:
                yield waiting.popleft()
        yield from waiting
        if broken is not None:
            raise broken


def _pool(processes: int, given: _Given) -> ProcessPoolExecutor | None:
    """Return the processes; None if one is enough, or where there can be no others."""
    if processes < 2:
        return None
    try:
        return ProcessPoolExecutor(processes, initializer=_begin_examining, initargs=(given,))
    except (ImportError, OSError, *BROKEN):
        return None


def _given_away(
    pool: ProcessPoolExecutor | None, start: int, lines: list[bytes]
) -> Future[_Told | None] | None:
    try:
        return None if pool is None else pool.submit(_examine, start, lines)
    except (BrokenExecutor, OSError, *BROKEN):
        return None


def _begin_examining(given: _Given) -> None:
    given_here[:] = [given]
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one that started it is gone: nobody waits for what it finds out."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _examine(start: int, lines: list[bytes]) -> _Told | None:
    """Return what lines are in themselves; None if anything of them is to be told."""
    [(org, names, derivations)] = given_here
    try:
        return _Examined(org, start, lines).told(names, derivations)
    except BROKEN:
        return None


class _Examined:
    def __init__(self, org: str, start: int, lines: list[bytes]) -> None:
        head = HEAD.match(lines[0])
        self.prev = head[2].decode() if head else ""
        self.start, self.lines, self.chain = start, lines, ChainCheck(org, prev=self.prev)
        self.chain.size = start  # its tree is of no use: the leaves go to who joins the portions
        self.months: dict[str, Month] = {}
        self.named: dict[int, tuple[str, str]] = {}
        self.held: set[tuple[int, str]] = set()

    def told(self, names: Mapping[int, str], derivations: _Derivations) -> _Told | None:
        first = HEAD.match(self.lines[0])
        self.chain.feed(self.lines)
        if self.chain.fault or not first or not self.prev:
            return None
        leaves = [leaf_hash(line) for line in self.lines]
        made = {name: _Sum() for name in derivations}
        for seq, (line, leaf) in enumerate(zip(self.lines, leaves), self.start):
            record = read_line(line)
            if inside(record, "e", "act") in SPECIAL:
                return None
            self._take(seq, record, names)
            for name, rows_of in derivations.items():
                if not made[name].takes(rows_of(record, leaf.hex(), names)):
                    return None  # so many are compared as they are made
        stamps = (self.lines[0][first.end() :][:STAMP_BYTES], self.chain.stamp)
        rows = {name: _Rows(one.ends, one.size, one.digest.digest()) for name, one in made.items()}
        return _Told(
            self.start, self.prev, stamps, b"".join(leaves), self.named, self.held, self.months, rows
        )

    def _take(self, seq: int, record: dict[str, Any], names: Mapping[int, str]) -> None:
        event, held = record["e"], inside(record, "e", "actor", "name_seq")
        if seq in names:
            self.named[seq] = (event.get("name_h"), inside(event, "obj", "id"))
        if held is not None:
            self.held.add((held, inside(event, "actor", "id")))
        month = self.months.setdefault(record["c"]["ts"][:7], Month(seq))
        month.take(seq, inside(event, "subs") or ())


class _Sum:
    """Rows, summed up as they are made."""

    def __init__(self) -> None:
        self.ends, self.size, self.digest = 0, 0, sha256()

    def takes(self, rows: Iterable[bytes]) -> bool:
        """Take rows in; say whether there is room for them, and make none after that."""
        for row in rows:
            self.ends, self.size = self.ends + row.count(b"\n"), self.size + len(row)
            self.digest.update(row)
            if self.size > WHOLE_FILE_BYTES:
                return False
        return True


def _alone(row_of: Callable[..., bytes], *line: Any) -> Iterator[bytes]:
    yield row_of(*line)


# --- The chain --------------------------------------------------------------------------------

STAMP = re.compile(rb'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"\},"e":\{')
STAMPS = re.compile(b"(?:%b)*" % STAMP.pattern)
STAMP_BYTES = 35
HEAD = re.compile(rb'\{"c":\{"org":"([^"\\]*)","prev":"([0-9a-f]{64})","seq":(0|[1-9]\d{0,15}),"ts":"')


class ChainCheck:
    """Checks a chain line by line in constant memory; stops for good at the first bad line.

    No JSON is parsed: the start of a line must be, byte for byte, what its place demands, and the
    start of the next line holds the hash of all of it. `size` and `tree` are those of the good
    lines so far, `fault` is the first bad one.
    """

    def __init__(self, org: str, size: int = 0, prev: str = "", peaks: Sequence[bytes] = ()) -> None:
        """Start before line `size`; if not at 0, with the leaf before it (hex) and the peaks."""
        self.org, self.size, self.stamp = org, size, b""
        self.prev = prev or sha256(b"caretrail/v1 genesis\n" + org.encode()).hexdigest()
        self.tree = Tree(size, peaks)
        self.fault: TamperedError | None = None

    def feed(self, lines: Iterable[bytes], following: bytes = b"") -> None:
        """Take the next lines, without their line ends; `following`, if at hand, is the one after."""
        stream = iter(lines)
        batch = list(islice(stream, 2048))
        while batch and not self.fault:
            after = list(islice(stream, 2048))
            self._take(batch, after[0] if after else following)
            batch = after

    def join(self, leaves: list[bytes], stamp: bytes) -> None:
        """Take lines over that were checked from here on by another process: their leaves, the last time."""
        self.tree.extend(leaves)
        self.size, self.prev, self.stamp = self.size + len(leaves), leaves[-1].hex(), stamp

    def time(self) -> str:
        """Return the time of the newest line, as it is spelled; nothing before the first."""
        return self.stamp[:27].decode()

    def skip_to(self, line: bytes) -> None:
        """Go on at a later line, as a selection does, with the link that it names itself."""
        head = HEAD.match(line)
        if head and int(head[3]) > self.size:
            self.size, self.prev = int(head[3]), head[2].decode()

    def _take(self, lines: list[bytes], following: bytes) -> None:
        leaves = [sha256(b"\0" + line).digest() for line in lines]
        start = f'{{"c":{{"org":"{self.org}","prev":"'
        places = enumerate([self.prev, *[leaf.hex() for leaf in leaves[:-1]]], self.size)
        heads = [f'{start}{prev}","seq":{seq},"ts":"'.encode() for seq, prev in places]
        stamps = [line[len(head) : len(head) + STAMP_BYTES] for line, head in zip(lines, heads)]
        placed = all(map(bytes.startswith, lines, heads)) and STAMPS.fullmatch(b"".join(stamps))
        if placed and self.stamp <= stamps[0] and stamps == sorted(stamps):
            self.tree.extend(leaves)
            self.size, self.prev, self.stamp = self.size + len(lines), leaves[-1].hex(), stamps[-1]
        elif len(lines) == 1:
            self.fault = self._explain(lines[0], leaves[0].hex(), HEAD.match(following))
        else:
            for line, after in zip(lines, [*lines[1:], following]):
                if not self.fault:
                    self._take([line], after)

    def _explain(self, line: bytes, leaf: str, following: re.Match[bytes] | None) -> TamperedError:
        seq, head = self.size, HEAD.match(line)
        org, prev, number = (
            (part.decode("utf-8", "replace") for part in head.groups()) if head else ("", "", "")
        )
        kind, text = "CHAIN", "the line does not name the leaf of the line before it"
        if not head or not STAMP.match(line, head.end()):
            kind, text = "CANON", "the line does not begin as a line of a trail does"
        elif org != self.org:
            kind, text = "BINDING", f"the line belongs to the chain of {shown(org)}"
        elif int(number) != seq:
            what = _disorder(seq, int(number), int(following[3]) if following else None)
            kind, text = "SEQ", f"line #{number} stands where #{seq} is due: {what}"
        elif prev == self.prev:
            kind, text = "CLOCK", "the line is earlier than the one before it"
        elif seq and following and following[2].decode() == leaf:
            kind, text, seq = "PAYLOAD", f"its bytes do not give the leaf that line #{seq} names", seq - 1
        elif seq and not following:
            text, seq = f"the chain breaks between this line and #{seq}", seq - 1
        return TamperedError(kind, text, seq)


def _disorder(due: int, number: int, following: int | None) -> str:
    """Return what is wrong with the number of a line, from that of the line after it."""
    if number < due:
        return "a line is repeated or out of order"
    if following is not None and following < number:
        return "lines changed places"
    return f"line #{due} is missing" if number == due + 1 else f"lines #{due} to #{number - 1} are missing"


class Tree:
    """A Merkle tree (RFC 6962) of which only the perfect subtrees still waiting for a twin are kept."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Go on from the peaks of a tree of `size` leaves, largest first."""
        left = list(peaks)
        self.waiting = [left.pop() if size >> level & 1 else None for level in range(64)]

    def extend(self, leaves: list[bytes]) -> None:
        """Take the next leaves."""
        for level, twin in enumerate(self.waiting):
            row = leaves if twin is None else [twin, *leaves]
            self.waiting[level] = row[-1] if len(row) % 2 else None
            leaves = [sha256(b"\1" + left + right).digest() for left, right in zip(row[::2], row[1::2])]
            if not leaves:
                return

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        root = b""
        for peak in self.waiting:
            if peak is not None:
                root = node_hash(peak, root) if root else peak
        return root or sha256(b"").digest()


def leaf_hash(line: bytes) -> bytes:
    """Return the RFC 6962 leaf of a line: SHA-256(0x00 || line)."""
    return sha256(b"\0" + line).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the RFC 6962 node over two subtrees: SHA-256(0x01 || left || right)."""
    return sha256(b"\1" + left + right).digest()


def root_over(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root that an inclusion path leads to (RFC 9162, 2.1.3.2)."""
    last = size - 1
    for sibling in path:
        if index & 1 or index == last:
            leaf = node_hash(sibling, leaf)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            leaf = node_hash(leaf, sibling)
        index, last = index >> 1, last >> 1
    return leaf if last == 0 else b""


# --- A line, read, and its rows in events.csv ---------------------------------------------------

MEMBERS = re.compile("[a-z0-9_]*", re.ASCII)
MOST_LEVELS = 255


def read_line(line: bytes) -> dict[str, Any]:
    """Return a line as JSON: `c`, its place, and `e`, the event.

    Raises:
        MalformedError: It is not canonical (RFC 8785 without floats) or no entry of version 1.
    """
    try:
        text = line.decode()
        record = READER.decode(text)
        canonical = WRITER.encode(record) == text
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"is not canonical: {shown(error)}") from error
    if not canonical:
        raise MalformedError("is not canonical: written again it has other bytes")
    if text.count("[") + text.count("{") > MOST_LEVELS and too_deep(record):
        raise MalformedError(f"is not canonical: it is nested more than {MOST_LEVELS} levels deep")
    if not isinstance(record, dict) or record.keys() != {"c", "e"} or inside(record, "e", "v") != 1:
        raise MalformedError("is no entry of version 1")
    return record


def too_deep(value: Any) -> bool:
    """Say whether a value is nested deeper than the service writes: Pythons differ in how deep they read."""
    level = [value]
    for _ in range(MOST_LEVELS):
        level = [
            v
            for one in level
            for v in (one.values() if isinstance(one, dict) else one)
            if isinstance(v, (dict, list))
        ]
        if not level:
            return False
    return True


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if "" in members or not MEMBERS.fullmatch("".join(members)):
        raise MalformedError("a member is not named in [a-z0-9_]")
    return members


def _integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) >= 1 << 53:
        raise MalformedError("an integer past 53 bits")
    return int(text)


def _refuse(text: str) -> float:
    raise MalformedError(f"a number that is no integer, {shown(text)}")


read_json = partial(json.loads, parse_int=_integer)  # of long numbers older Pythons make longer work
READER = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=_integer, parse_float=_refuse, parse_constant=_refuse
)
WRITER = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":"))
ERASED = "[erased]"
CSV_COLUMNS = """org=c.org seq=c.seq recorded_utc=c.ts action=e.act outcome=e.out outcome_reason=e.why
    actor_id=e.actor.id actor_name=name actor_role=e.actor.roles on_behalf_of=e.for purpose=e.purpose
    break_glass=e.grant resident_id=resident record_type=e.obj.t record_category=e.obj.cat record_id=e.obj.id
    record_version=e.obj.ver fields_changed=fields disclosed=e.n session_id=e.sess device_id=e.dev
    source_ip_digest=e.src.ip_h request_id=e.src.rid leaf_sha256=leaf"""
CSV_PATHS = [column.partition("=")[2].split(".") for column in CSV_COLUMNS.split()]
RESIDENT = CSV_PATHS.index(["resident"])
FORMULA = frozenset("=+-@\t\r")
TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
QUOTED = re.compile('[",\\r\\n]')
CSV_HEADER = (",".join(column.partition("=")[0] for column in CSV_COLUMNS.split()) + "\r\n").encode()


def csv_each(line: Mapping[str, Any], leaf_hex: str, names: Mapping[int, str]) -> Iterator[bytes]:
    """Yield the rows of events.csv for one line: one for each resident concerned, at least one.

    The only derivation of events.csv: the server writes with it what an examination compares. Each holds the
    whole line, so that of many residents they are not made at once.

    Args:
        line: The line as JSON, its place `c` and its event `e`.
        leaf_hex: Its leaf, in hex.
        names: The names enclosed in the export, by the number of their identity entry.
    """
    held = inside(line, "e", "actor", "name_seq")
    fields = [inside(change, "f") for change in inside(line, "e", "chg") or ()]
    name = None if held is None else as_written(names.get(held, ERASED))
    derived = {**line, "name": name, "fields": fields, "leaf": leaf_hex}
    cells = [_cell(inside(derived, *path)) for path in CSV_PATHS]
    for resident in inside(line, "e", "subs") or [None]:
        cells[RESIDENT] = _cell(resident)
        yield (",".join(cells) + "\r\n").encode()


def as_written(text: str) -> str:
    """Return a text in which what turns a line around stands as its number: a name then moves nothing."""
    return TURNING.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


def inside(value: Any, *path: str) -> Any:
    """Return what stands at a path of members, None where there is nothing."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _cell(value: Any) -> str:
    if isinstance(value, list):
        text = ";".join([_text(part) for part in value])
    else:
        text = "" if value is None else _text(value)
    if text[:1] in FORMULA:
        text = "'" + text  # a spreadsheet would run it
    return '"' + text.replace('"', '""') + '"' if QUOTED.search(text) else text


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if type(value) is int else str(WRITER.encode(value))


# --- A line as FHIR AuditEvents: R4, in the shapes of IHE BALP -----------------------------------

HL7, BALP = "http://terminology.hl7.org/CodeSystem/", "https://profiles.ihe.net/ITI/BALP/"
CODE_SYSTEMS = {
    "dcm": "http://dicom.nema.org/resources/ontology/DCM",
    "rest": "http://hl7.org/fhir/restful-interaction",
    "type": HL7 + "audit-event-type",
    "source": HL7 + "security-source-type",
    "agent": HL7 + "v3-ParticipationType",
    "keeper": HL7 + "provenance-participant-type",
    "security": HL7 + "extra-security-role-type",
    "life": HL7 + "iso-21089-lifecycle",
    "reason": HL7 + "v3-ActReason",
    "entity": HL7 + "audit-entity-type",
    "object": HL7 + "object-role",
    "balp": BALP + "CodeSystem/BasicAuditEntityType",
    "authz": BALP + "CodeSystem/AuthZsubType",
}
OURS = "urn:caretrail:"
PURPOSES = {
    "care": "TREAT",
    "emergency": "ETREAT",
    "administration": "HOPERAT",
    "subject-access": "PATRQT",
    "safeguarding": "THREAT",
    "audit": "HCOMPL",
    "research": "HRESCH",
}
OUTCOMES = {"ok": "0", "deny": "4", "fail": "8"}
# How a kind of event is shown: type, subtype, action; what the client, the server and whoever asked
# are in it; the BALP profile it meets when it succeeded.
SHAPES = {
    kind: shape
    for kind, *shape in map(
        str.split,
        """read type#rest rest#read R dcm#110152 dcm#110153 agent#IRCP Read
        create type#rest rest#create C dcm#110153 dcm#110152 agent#AUT Create
        update type#rest rest#update U dcm#110153 dcm#110152 agent#AUT Update
        delete type#rest rest#delete D dcm#110150 keeper#custodian agent#AUT Delete
        search type#rest rest#search-type E dcm#110153 dcm#110152 agent#IRCP -
        other type#rest rest#operation E dcm#110153 dcm#110152 agent#IRCP -
        login dcm#110114 dcm#110122 E dcm#110153 dcm#110152 security#humanuser -
        logout dcm#110114 dcm#110123 E dcm#110153 dcm#110152 security#humanuser -
        export dcm#110106 life#disclose R dcm#110152 dcm#110153 agent#IRCP -
        log dcm#110101 rest#read R dcm#110152 dcm#110153 agent#IRCP -
        alert dcm#110113 rest#operation E dcm#110150 security#authserver agent#IRCP -
        emergency dcm#110113 dcm#110127 E dcm#110150 security#authserver agent#IRCP -
        normality dcm#110113 dcm#110138 E dcm#110150 security#authserver agent#IRCP -
        refused dcm#110113 authz#AuthZ-Role E dcm#110150 security#authserver agent#IRCP -""".splitlines(),
    )
}
# The kind of an act: that of the whole act, else that of its last word, else `other`.
KINDS = {
    act: kind
    for kind, *acts in map(
        str.split,
        """login auth.login auth.unlock auth.step_up auth.throttled
        logout auth.logout auth.end auth.lock
        export audit.export audit.export.end
        log audit.read audit.access_log audit.checkpoint audit.proof audit.consistency
        alert integrity.fail chain.recover
        emergency breakglass.start
        normality breakglass.end
        read read versions session
        create create set totp_offer
        update update password totp_confirm deactivate reactivate discharge erase_request hold hold_lift
        delete delete cancel erase
        search list search sessions subject_lookup""".splitlines(),
    )
    for act in acts
}
UNKNOWN = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason"}]}
UNKNOWN["extension"][0]["valueCode"] = "unknown"


def fhir_rows(line: Mapping[str, Any], leaf_hex: str, names: Mapping[int, str], origin: str) -> bytes:
    """Return the rows of fhir.ndjson for one line: one AuditEvent for each resident, at least one.

    The only derivation of fhir.ndjson; see `csv_each` for the arguments, `fhir_events` for `origin`.
    """
    return b"".join(fhir_each(line, leaf_hex, names, origin))


def fhir_each(
    line: Mapping[str, Any], leaf_hex: str, names: Mapping[int, str], origin: str
) -> Iterator[bytes]:
    """Yield these rows, each when it is asked for."""
    return ((WRITER.encode(e) + "\n").encode() for e in fhir_events(line, leaf_hex, names, origin))


def fhir_events(
    line: Mapping[str, Any], leaf_hex: str, names: Mapping[int, str], origin: str
) -> Iterator[dict[str, Any]]:
    """Yield a line as FHIR AuditEvents. Each leads back to its line by chain, number and leaf.

    Args:
        line: The line as JSON, its place `c` and its event `e`.
        leaf_hex: Its leaf, in hex.
        names: The names at hand, by the number of their identity entry.
        origin: What the chain is called in its checkpoints, `<deployment>/audit/<org>`.
    """
    c, e = line["c"], line["e"]
    kind = fhir_kind(e.get("act"), e.get("out"))
    kind_of_event, subtype, action, *_, profile = SHAPES[kind]
    about, agents = _fhir_entities(e, kind), _fhir_agents(e, kind, names, origin)
    place = {"org": c.get("org"), "seq": str(c.get("seq")), "leaf": leaf_hex}
    claimed = profile != "-" and e["out"] == "ok" and e["actor"].get("kind") == "user" and "obj" in e
    for number, resident in enumerate(e.get("subs") or [None]):
        whose = [_fhir_entity("1", "1", {"reference": f"Patient/{resident}"})] if resident else []
        name = BALP + "StructureDefinition/IHE.BasicAudit." + ("Patient" if resident else "") + profile
        event = {
            "resourceType": "AuditEvent",
            "id": f"{e.get('id')}-{number}",
            "meta": {"profile": [name]} if claimed else None,
            "extension": [
                {
                    "url": OURS + "line",
                    "extension": [{"url": part, "valueString": value} for part, value in place.items()],
                }
            ],
            "type": _coding(kind_of_event),
            "subtype": [_coding(subtype)],
            "action": action,
            "recorded": c.get("ts"),
            "outcome": OUTCOMES.get(e.get("out"), "12"),
            "outcomeDesc": e.get("why"),
            "purposeOfEvent": [{"coding": [_coding("reason#BTG")]}] if e.get("grant") else None,
            "agent": agents,
            "source": {
                "site": origin.partition("/audit/")[0],
                "observer": {"identifier": {"value": origin}},
                "type": [_coding("source#4")],
            },
            "entity": whose + about,
        }
        yield _present(event)


def fhir_kind(act: Any, out: Any) -> str:
    """Return which of the `SHAPES` an entry has."""
    kind = KINDS.get(act) or KINDS.get(str(act).rpartition(".")[2], "other")
    return "refused" if out == "deny" and kind not in ("login", "logout") else kind


def _fhir_agents(e: Mapping[str, Any], kind: str, names: Mapping[int, str], origin: str) -> list[Any]:
    *_, client, server, user, _ = SHAPES[kind]
    actor, held, address = e["actor"], e["actor"].get("name_seq"), inside(e, "src", "ip_h")
    person = e.get("for") or (actor["id"] if actor.get("kind") == "user" else None)
    machine = actor["id"] if actor.get("kind") == "integration" else e.get("dev")
    purpose = PURPOSES.get(e.get("purpose", ""))
    if purpose == "TREAT" and kind in ("export", "log"):
        purpose = "HCOMPL"  # `care` stands where nothing was told, and nobody is treated by reading the trail
    asking = {
        "type": _concept(user),
        "role": [{"text": role} for role in actor.get("roles") or ()],
        "who": {"reference": f"Practitioner/{person}"} if person else {"identifier": {"value": actor["id"]}},
        "name": None if held is None or e.get("for") else names.get(held, ERASED),
        "requestor": True,
        "purposeOfUse": [_concept("reason#" + purpose)] if purpose else None,
    }
    asked = {
        "type": _concept(server),
        "who": {"identifier": {"value": origin}},
        "requestor": False,
        "network": {"address": origin.partition("/audit/")[0]},
    }
    between = {
        "type": _concept(client),
        "who": {"identifier": {"value": machine}} if machine else {"display": "not told"},
        "requestor": False,
        "network": {"address": address} if address else {"_address": UNKNOWN},
    }
    return [_present(asking), asked, *([between] if actor.get("kind") != "system" else ())]


def _fhir_entities(e: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return what an event is about besides a resident: the request, and the record or the question."""
    request, thing = inside(e, "src", "rid"), e.get("obj")
    entities = []
    if request:
        what = {"identifier": {"value": request}}
        entities.append({"what": what, "type": _coding("balp#XrequestId")})
    if kind == "search":  # names and dates people search by are not in the trail: what the line knows
        asked = WRITER.encode({"act": e.get("act"), "obj": thing or {}})
        entities.append(_fhir_entity("2", "24", None, query=base64_of(asked.encode())))
    elif thing:
        role = "13" if kind in ("log", "export") else "4"
        fields = [{"type": "field", "valueString": change["f"]} for change in e.get("chg") or ()]
        detail = None if kind == "delete" else fields  # the profile of deletions forbids it
        entities.append(_fhir_entity("2", role, _what(thing), description=thing.get("cat"), detail=detail))
    return entities


def _what(thing: Mapping[str, Any]) -> dict[str, Any]:
    kind, identifier, version = thing.get("t"), thing.get("id"), thing.get("ver")
    resource = {"resident": "Patient", "user": "Practitioner"}.get(kind or "")
    if not identifier:
        return {"display": kind}
    if resource:
        return {"reference": f"{resource}/{identifier}" + (f"/_history/{version}" if version else "")}
    shown_as = f"{kind}, version {version}" if version else kind
    return {"identifier": {"system": f"{OURS}{kind}", "value": identifier}, "display": shown_as}


def _fhir_entity(type_: str, role: str, what: Any, **more: Any) -> dict[str, Any]:
    kinds = {"type": _coding("entity#" + type_), "role": _coding("object#" + role)}
    return _present({"what": what, **kinds, **more})


CODINGS: dict[str, dict[str, str]] = {}


def _coding(text: str) -> dict[str, str]:
    if text not in CODINGS:
        system, _, code = text.partition("#")
        CODINGS[text] = {"system": CODE_SYSTEMS[system], "code": code}
    return CODINGS[text]


def _concept(text: str) -> dict[str, Any]:
    return {"coding": [_coding(text)]}


def _present(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value not in (None, "", [])}


# --- A resident's access log, in plain words: for the resident and their family --------------------

# What is told of an entry that names others too: nothing that says who they are or how many.
TOLD = "act out why for purpose grant actor.id actor.kind actor.name_seq actor.roles obj.cat"
DEEDS = {
    act: words
    for act, _, words in (
        line.strip().partition(" ")
        for line in """resident.read looked at the person's details
        resident.list looked at a list in which the person stands
        resident.search searched, and found the person
        resident.create entered the person
        resident.update changed the person's details
        resident.delete marked the person as entered in error
        resident.discharge recorded that the person left, or died
        resident.erase_request asked for the person's data to be erased
        resident.erase had the person's data erased
        resident.hold decided that the person's records must be kept
        resident.hold_lift decided that the person's records need not be held any longer
        resident.export copied everything held about the person, at their request for access
        continuity.pack printed the emergency summary of the home
        resident.export_end finished copying everything held about the person
        resident.access_request noted that the person asked for a copy of what is held about them
        resident.access_extend noted that the copy the person asked for takes longer, and why
        resident.access_answer noted that the person was given the copy they asked for
        resident.access_list looked at who has asked for a copy, the person among them
        retention.due looked at whose records may no longer need to be kept, the person's among them
        retention.review proposed what becomes of the person's records after their time
        retention.approve agreed that the person's records are kept longer
        record.list looked through the person's records
        record.read looked at a record
        record.create wrote a record
        record.update changed a record; the earlier version is kept
        record.delete marked a record as entered in error; it is kept
        record.versions looked at earlier versions of a record
        import.run brought in records from another system
        audit.access_log looked at who had looked
        audit.read looked at the audit trail
        audit.proof had an entry of the trail proven
        audit.export made a copy of the trail's entries about the person
        alert.read looked at a warning of unusual activity that concerns the person
        incident.scope counted whose records an incident reached, the person's among them
        incident.pack made the report of an incident that reached the person's records
        audit.subject_lookup looked up the person's number for the audit trail
        breakglass.start opened the records in an emergency
        breakglass.end ended an emergency access
        integrity.fail found stored data of the person that had been changed past the software""".splitlines()
    )
}
OUTCOME_WORDS = {"ok": "done", "deny": "refused", "fail": "not done"}
REASON_WORDS = {
    "no-permission": "their role does not allow it",
    "action-not-allowed": "their role does not allow it",
    "not-for-role": "their role does not allow it",
    "out-of-scope": "the person is not among those they care for",
    "not-found": "there was no such thing",
    "version-conflict": "somebody else had changed it just before",
    "invalid-request": "the request was not in order",
    "broken-off": "it broke off",
    "state-broken": "the stored data was not what the trail says",
}
MONTHS = ["", "January", "February", "March", "April", "May", "June", "July"]
MONTHS += ["August", "September", "October", "November", "December"]
LOG_HEAD = b"number,recorded_utc,who,role,what,category,purpose,outcome,entry,leaf_sha256\r\n"
PAGE_HEAD = (
    '<!doctype html><html lang="en-GB"><head><meta charset="utf-8"><title>Who looked: access log</title>'
    "<style>@page { size: A4 landscape; margin: 12mm } body { font: 10pt/1.4 sans-serif; color: #000; margin:"
    " 0 auto; max-width: 270mm } h1 { font-size: 16pt } h2 { font-size: 12pt; break-after: avoid } table {"
    " width: 100%; border-collapse: collapse } thead { display: table-header-group } tr { break-inside: avoid"
    " } th, td { border: 0.2mm solid #777; padding: 1mm 1.5mm; text-align: left; vertical-align: top;"
    " overflow-wrap: anywhere } th { background: #eee } .n { font: 8pt monospace } dt { font-weight: bold }"
    " dd { margin: 0 0 1mm } p { max-width: 200mm }</style></head><body><h1>Who looked at, or changed, the"
    " records of one person</h1><dl><!-- --></dl><p>Each row is one entry of the audit trail that concerns"
    " this person, the oldest first; times are UTC. What was written in the records is not here. Names are"
    " those the people had then; [erased] is a name that was erased lawfully.</p><p>In rows marked &#8224;"
    " the entry concerns other people as well, or may. Its text is withheld to protect them; that it stands"
    " in the trail at its number is proven, what the row says of it is not. How to check all this:"
    " README.txt, beside this page.</p><table><thead><tr><th>When</th><th>Who</th><th>Role</th>"
    "<th>What they did</th><th>For</th><th>Outcome</th><th>Entry</th></tr></thead><tbody>\n"
)
PAGE_ROW = "<tr><td>%s</td><td><bdi>%s</bdi></td><td>%s</td><td>%s</td><td>%s</td><td>%s</td>"
PAGE_ROW += '<td class="n">%s</td></tr>\n'


def withheld(line: Mapping[str, Any], leaf_hex: str) -> bytes:
    """Return the line of withheld.jsonl for an entry that names others: what may be told, and its leaf."""
    told: dict[str, Any] = {"c": {}, "e": {}, "leaf": leaf_hex}
    for path in ["c.org", "c.seq", "c.ts", *["e." + path for path in TOLD.split()]]:
        *above, name = path.split(".")
        value, at = inside(line, *above, name), told
        if value is not None:
            for part in above:
                at = at.setdefault(part, {})
            at[name] = value
    return WRITER.encode(told).encode() + b"\n"


def in_time(at: bytes, stamp: bytes) -> bytes:
    """Return the later of two instants, which has to be the second."""
    if stamp < at:
        raise TamperedError("CLOCK", "an entry is earlier than the entry before it")
    return stamp


def read_withheld(line: bytes, org: str) -> tuple[dict[str, Any], bytes]:
    """Return what a line of withheld.jsonl tells, as a line of the trail, and the leaf of that line."""
    told = READER.decode(line.decode())
    leaf = bytes.fromhex(told.pop("leaf"))
    if withheld(told, leaf.hex()) != line + b"\n" or len(leaf) != 32 or told["c"].get("org") != org:
        raise MalformedError("does not tell an entry of this chain as it has to")
    if type(told["c"]["seq"]) is not int or not STAMP.match(told["c"]["ts"].encode() + b'"},"e":{'):
        raise MalformedError("tells no place in the chain")
    return told, leaf


class AccessLog:
    """The table and the page of one person's access log, entry by entry in their order.

    The only derivation of access-log.csv and access-log.html: the server writes with it what an examination
    compares.
    """

    def __init__(self) -> None:
        """Begin before the first entry."""
        self.people: dict[str, int] = {}
        self.entries = self.marked = 0

    def row(self, line: Mapping[str, Any], leaf_hex: str, names: Mapping[int, str]) -> bytes:
        """Return the row of access-log.csv for a line, or for what is told of one that is withheld."""
        entry = "enclosed" if inside(line, "e", "v") else "withheld: it concerns others, or may"
        place = [str(line["c"]["seq"]), line["c"]["ts"]]
        return (",".join(map(_cell, [*place, *_deed(line, names), entry, leaf_hex])) + "\r\n").encode()

    def page_head(self, origin: str, manifest: Mapping[str, Any]) -> bytes:
        """Return the beginning of access-log.html.

        Args:
            origin: What the chain is called in its checkpoints.
            manifest: Of the export: its filter, when it was made, the size of the trail.
        """
        asked = manifest["filter"]
        oldest = "the oldest entry that is kept" if manifest.get("pruned") else "the beginning"
        told = {
            "Name (to be filled in by hand)": "&nbsp;" + "_" * 40,
            "The person's number in the software": escape(as_written(str(asked["resident_id"]))),
            "From": _moment(asked.get("from")) or oldest,
            "To": _moment(asked.get("to")) or "the day this was made",
            "Made": f"{_moment(manifest['made_at'])}, from the trail {escape(as_written(origin))} of"
            f" {int(manifest['checkpoint']['size'])} entries in all",
        }
        terms = "".join(f"<dt>{term}</dt><dd>{words}</dd>" for term, words in told.items())
        return PAGE_HEAD.replace("<!-- -->", terms).encode()

    def page_row(self, line: Mapping[str, Any], leaf_hex: str, names: Mapping[int, str]) -> bytes:
        """Return the row of access-log.html, and count it."""
        who, role, what, category, purpose, outcome = map(escape, _deed(line, names))
        mark = "" if inside(line, "e", "v") else " &#8224;"
        self.entries, self.marked = self.entries + 1, self.marked + bool(mark)
        self.people[who] = self.people.get(who, 0) + 1
        did = f"{what} ({category})" if category else what
        number = f"#{line['c']['seq']}{mark}<br>{leaf_hex[:16]}"
        return (PAGE_ROW % (_moment(line["c"]["ts"]), who, role, did, purpose, outcome, number)).encode()

    def page_tail(self) -> bytes:
        """Return the end of access-log.html: how many entries there are, and by whom."""
        rows = "".join(
            f"<tr><td><bdi>{who}</bdi></td><td>{count}</td></tr>"
            for who, count in sorted(self.people.items(), key=lambda one: (-one[1], one[0]))
        )
        return (
            f"</tbody></table><h2>In short</h2><p>{self.entries} entries, {self.marked} of them marked"
            " &#8224;.</p><table><thead><tr><th>Who</th><th>Entries</th></tr></thead><tbody>"
            f"{rows}</tbody></table></body></html>"
        ).encode()


def _deed(line: Mapping[str, Any], names: Mapping[int, str]) -> list[str]:
    """Return who, role, what, category, purpose and outcome of an entry, in words."""
    e = line["e"]
    act, why = _text(e.get("act")), e.get("why")
    ended = act.endswith(".end") and act[:-4] in DEEDS
    what = DEEDS.get(act) or (DEEDS[act[:-4]] + ": its end" if ended else f"did what the trail calls {act}")
    what += " (emergency access)" if e.get("grant") else ""
    outcome = OUTCOME_WORDS.get(e.get("out"), _text(e.get("out")))
    outcome += ": " + REASON_WORDS.get(why, _text(why)) if why else ""
    words = (
        _who(e, names),
        _plain(inside(e, "actor", "roles")),
        what,
        _plain(inside(e, "obj", "cat")),
        _plain(e.get("purpose")),
        outcome,
    )
    return [as_written(one) for one in words]


def _who(e: Mapping[str, Any], names: Mapping[int, str]) -> str:
    identity, kind = _text(inside(e, "actor", "id")), inside(e, "actor", "kind")
    held = inside(e, "actor", "name_seq")
    if kind == "system":
        return "an operator of the software" if identity == "system:cli" else "the software itself"
    if kind == "integration":
        return f"another system, {identity}, for {_plain(e.get('for')) or 'nobody named'}"
    return f"not named, {identity}" if held is None else names.get(held, ERASED)


def _plain(value: Any) -> str:
    parts = value if isinstance(value, list) else [] if value is None else [value]
    return ", ".join(_text(part).replace("_", " ") for part in parts)


def _moment(stamp: Any) -> str:
    if not isinstance(stamp, str) or not STAMP.match(stamp.encode() + b'"},"e":{'):
        return "" if stamp is None else escape(as_written(_text(stamp)))
    month = MONTHS[int(stamp[5:7]) % len(MONTHS)]
    return f"{int(stamp[8:10])} {month} {stamp[:4]}, {stamp[11:19]}"


# --- The other files of an export ---------------------------------------------------------------

HEAD_BYTES, FULL = 30, 0xFFFFFFFF  # how a file begins in a zip, before its name; "its size stands elsewhere"


def is_end_to_end(archive: zipfile.ZipFile) -> bool:
    """Say whether a zip is its files one after the other, then their list, and nothing else anywhere.

    Else who reads it from its front, as some programs do, may find other files than those listed.
    """
    file: Any = archive.fp
    at, rest = 0, 22
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        name = info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437")
        sums, is_after = (info.CRC, info.compress_size, info.file_size), info.flag_bits & 8
        crc, packed, size = (0, 0, 0) if is_after else sums
        file.seek(at)
        head = file.read(HEAD_BYTES + len(name))
        more = file.read(int.from_bytes(head[28:30], "little"))
        is_large = more.startswith(struct.pack("<2H2Q", 1, 16, size, packed))
        due = struct.pack("<4s2HH", b"PK\3\4", info.flag_bits, info.compress_type, len(name)) + name
        fits = head[:4] + head[6:10] + head[26:28] + head[HEAD_BYTES:] == due and info.header_offset == at
        fits = fits and head[14:26] in [_sums(crc, packed, size), _sums(crc, FULL, FULL)][: 1 + is_large]
        at += len(head) + len(more) + info.compress_size
        file.seek(at)
        after = file.read(24)
        ends = [b"PK\7\10" + _sums(*sums), struct.pack("<4sL2Q", b"PK\7\10", *sums)]
        if not fits or len(more) > 64 or (is_after and not after.startswith(tuple(ends))):
            return False
        at += len(ends[after == ends[1]]) if is_after else 0
        rest += 46 + len(name) + len(info.extra) + len(info.comment)
    return at == archive.start_dir and file.seek(0, os.SEEK_END) - at in (rest, rest + 76)


def _sums(crc: int, packed: int, size: int) -> bytes:
    return struct.pack("<3L", crc, min(packed, FULL), min(size, FULL))


class Filter:
    """What a selection was asked for, as the manifest says it; what is not known here is not checked."""

    def __init__(self, asked: Mapping[str, Any]) -> None:
        """Take the filter of a manifest."""
        self.since, self.until = asked.get("from"), asked.get("to")
        paths = {"agent_id": ("actor", "id"), "act": ("act",), "resident_id": ("subs",)}
        self.members = [(("e", *paths[name]), asked[name]) for name in paths if name in asked]
        self.is_run = bool(asked) and asked.keys() <= {"from", "to"}
        self.resident = asked.get("resident_id")
        self.only_resident = self.resident is not None and asked.keys() <= {"from", "to", "resident_id"}

    def is_at(self, at: Any) -> bool:
        """Say whether an instant is among those asked for."""
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)

    def holds(self, line: bytes) -> bool:
        """Say whether a line is one of those asked for."""
        record = read_json(line)
        at, held = inside(record, "c", "ts"), [(inside(record, *path), value) for path, value in self.members]
        fits = all(value in has if type(has) is list else value == has for has, value in held)
        return fits and self.is_at(at)

    def holds_month(self, month: str) -> bool:
        """Say whether all lines of the resident in a month were asked for."""
        begun = self.since is None or self.since <= start_of(month)
        ended = self.until is None or start_of(month_after(month)) <= self.until
        return self.only_resident and begun and ended

    def is_within(self, last: str) -> bool:
        """Say whether nothing was asked for but whole months up to `last`."""
        edges = [edge for edge in (self.since, self.until) if edge is not None]
        whole = all(edge == start_of(edge[:7]) for edge in edges)
        return whole and self.until is not None and self.until <= start_of(month_after(last))


def manifest_text(manifest: bytes) -> str:
    """Return the text that manifest.sig signs."""
    return f"{FORMAT}\n{sha256(manifest).hexdigest()}\n"


def read_name(line: bytes) -> tuple[int, str, str, str]:
    """Return a line of names.jsonl: number of the identity entry, user id, SHA-256(salt || name), name."""
    value = read_json(line)
    seq, salt, name = value["seq"], bytes_of(value["salt"], 32), value["name"]
    if type(seq) is not int:
        raise MalformedError("names an entry by something else than its number")
    return seq, value["user_id"], sha256(salt + name.encode()).hexdigest(), name


def read_proof(line: bytes, seq: int) -> tuple[list[bytes], bytes]:
    """Return path and checkpoint of a line of proofs.jsonl, a C2SP tlog-proof for line `seq`."""
    told = read_json(line)
    head, _, note = told["proof"].partition("\n\n")
    kind, index, *path = head.split("\n")
    if told != {"seq": seq, "proof": told["proof"]} or (kind, index) != (PROOF_KIND, f"index {seq}"):
        raise MalformedError("is that of another line")
    return [bytes_of(sibling, 32) for sibling in path], note.encode()


# --- Segments: whose entries a month of the chain holds -------------------------------------------

FEWEST_LEAVES = 1024


class SubjectLeaf(NamedTuple):
    """One resident in a segment's tree: a hash that stands for who, and one for how many entries."""

    key: bytes
    held: bytes

    def hash(self) -> bytes:
        """Return the leaf in the tree that the entry `segment.close` commits to."""
        return leaf_hash(self.key + self.held)


def subject_key(org: str, segment: str, resident: str) -> bytes:
    """Return what stands for a resident in a segment: ids are random, so it says nothing to others."""
    return sha256(f"caretrail/v1 subject\n{org}\n{segment}\n{resident}".encode()).digest()


def subject_leaf(org: str, segment: str, resident: str, count: int, last: int) -> SubjectLeaf:
    """Return the leaf of a resident with `count` entries in a segment, the last of them line `last`."""
    held = WRITER.encode({"count": count, "last": last, "resident": resident}).encode()
    return SubjectLeaf(subject_key(org, segment, resident), sha256(b"\2" + held).digest())


def filled(org: str, segment: str, leaves: Iterable[SubjectLeaf]) -> list[SubjectLeaf]:
    """Return leaves in their order, filled up with leaves of nobody: their number tells no one's.

    A power of two, at least `FEWEST_LEAVES`: neither the entry nor a path says how many residents there are.
    """
    those = list(leaves)
    size = max(FEWEST_LEAVES, 1 << (len(those) - 1).bit_length())
    names = (f"caretrail/v1 nobody\n{org}\n{segment}\n{n}".encode() for n in range(size - len(those)))
    return sorted([*those, *(SubjectLeaf(sha256(name).digest(), sha256(b"\2").digest()) for name in names)])


CLOSING = b'"},"e":{"act":"segment.close",'
"""How such a line goes on after its place: quotes inside a value would be escaped."""
LEAST_YEARS = 8  # how long entries are kept at least


def prunes(event: Mapping[str, Any]) -> bool:
    """Say whether an entry says that lines were pruned."""
    return (event.get("act"), event.get("out")) == ("segment.prune", "ok")


def misclaimed(record: Mapping[str, Any], root: str, prev: str, peaks: Sequence[str]) -> TamperedError | None:
    """Return what an entry that closed a month, or pruned, says of the lines before its end and is not so.

    Args:
        record: Its line.
        root: The root over those lines, in hex.
        prev: The leaf of the last of them, in hex.
        peaks: The peaks of their tree, in hex, largest first.
    """
    event, month = record["e"], shown(inside(record, "e", "obj", "id"))
    if prunes(event):
        claims = [("root", root), ("prev", prev), ("peaks", list(peaks))]
        text, told = f"it prunes up to {month} with another {{}} than the lines before it give", "prune"
    else:
        claims, text, told = [("root", root)], f"it closes {month} with another {{}} than its lines", "seg"
    for name, value in claims:
        if inside(event, told, name) != value:
            return TamperedError("SEGMENT", text.format(name), inside(record, "c", "seq"))
    return None


def missing_month(record: Mapping[str, Any], gap: range) -> Iterator[tuple[str, int]]:
    """Yield what is to be told of the entry that closes a month if all lines of the month are in a gap."""
    name, seq = inside(record, "e", "obj", "id"), inside(record, "c", "seq")
    first, end = (inside(record, "e", "seg", edge) for edge in ("first", "end"))
    if {int} == {type(first), type(end), type(seq)} and gap.start <= first < end <= gap.stop:
        yield f"{shown(name)} is missing as a whole: lines {first}..{end - 1}, closed by #{seq}", seq


def kept_until(month: str, years: int) -> str:
    """Return the instant until which the lines of a month are kept after a rule of so many years."""
    after = start_of(month_after(month))
    return f"{min(int(after[:4]) + years, 9999):04}{after[4:]}"


INSTANT = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}Z")


def seconds_of(instant: str) -> int:
    """Return a spelled instant as seconds since 1970. What is none raises one of `BROKEN`."""
    return timegm(tuple(map(int, re.split("[-T:.Z]", instant)[:6])))


def spelled(seconds: float) -> str:
    """Return the end of a second as lines spell instants."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.999999Z", time.gmtime(seconds))


class Present:
    """The latest that it can be, by the clock of whoever checks and by what is known to be past.

    A line has whatever time its writer gave it: only a clock that is not theirs says what is over.
    """

    def __init__(self, now: str = "") -> None:
        """Begin with an instant, spelled as in lines; without one the clock here is read."""
        self.latest, self.by = now or spelled(timegm(time.gmtime())), "the present by the clock here"

    def was_past(self, instant: Any, by: str) -> None:
        """Take in an instant at which all that is checked was there; what is no instant does not count."""
        with suppress(*BROKEN):
            if INSTANT.fullmatch(instant) and spelled(seconds_of(instant)) < self.latest:
                self.latest, self.by = instant, by

    def told(self) -> str:
        """Return the present in words."""
        return f"{self.latest[:19]}Z, {self.by}"

    def ahead(self, at: str) -> str:
        """Return what is said of a newest line that is dated more than a day later; nothing of any other."""
        later = at > spelled(seconds_of(self.latest) + DAY_SECONDS)
        return AHEAD.format(at, self.told()) if later else ""


class Closing(NamedTuple):
    """An entry that closes a month; `end` is the first line after it."""

    seq: int
    month: str
    end: int
    told: Mapping[str, Any]
    after: str = ""  # the month of the first line that is there after it


class Pruning:
    """What a chain says of months that it closed and of lines that were pruned, as its entries come by.

    What an entry says counts only if the lines that are there agree with it: they have to be shown (`see`)
    before it is heard. An entry that does not count closes nothing and prunes nothing.
    """

    def __init__(self, present: Present, start: int = 0, *, whole: bool = True) -> None:
        """Begin where nothing was heard.

        Args:
            present: Whether the time of pruned lines was over is judged by no later instant.
            start: The first line that was not pruned, as far as that is known beforehand.
            whole: Whether all lines from there on are shown, or only chosen ones.
        """
        self.present, self.start, self.whole = present, start, whole
        self.months: dict[str, tuple[int, int]] = {}  # of lines that are there: the lowest, the highest
        self.lowest: int | None = None
        self.newest: Closing | None = None
        self.closed: dict[int, Closing] = {}  # by first line left alone
        self.entries: dict[int, tuple[int, int]] = {}  # the same: number of the entry that pruned, years
        self.refused: dict[Any, int] = {}  # the same: number of an entry that does not count
        self.hidden: dict[int, str] = {}  # the same: what cannot be said of the pruned lines, in words

    def see(self, month: str, first: int, last: int) -> None:
        """Take in that lines of a month are there: the first and the last of some, or one."""
        low, high = self.months.get(month, (first, last))
        self.months[month] = min(low, first), max(high, last)
        self.lowest = first if self.lowest is None else min(self.lowest, first)

    def hear(self, seq: int, record: Mapping[str, Any]) -> TamperedError | None:
        """Take an entry in; return what is wrong with one that closed a month, or pruned."""
        event, month = record["e"], inside(record, "e", "obj", "id")
        if event.get("act") == "segment.close":
            text = self.close(seq, month, inside(event, "seg"))
            return TamperedError("SEGMENT", text, seq) if text else None
        if not prunes(event):
            return None
        end, years = inside(event, "prune", "end"), inside(event, "prune", "years")
        text = self._unlawful(seq, month, end, years, record["c"]["ts"])
        if text:
            self.refused[end if type(end) is int else None] = seq
            return TamperedError("RETENTION", text, seq)
        self.entries[end] = (seq, years)
        self._note_hidden(self.closed.get(end), years, min(record["c"]["ts"], self.present.latest))
        return None

    def close(self, seq: int, month: Any, told: Any) -> str:
        """Take in that entry `seq` closes a month; return what is wrong with that, in words."""
        if self.repeats(seq, month, told):
            return ""  # two processes may both close a month; they then say the same
        if text := self._disorder(seq, month, inside(told, "first"), inside(told, "end")):
            return text
        if self.whole:  # all that comes is later
            self.months = {name: at for name, at in self.months.items() if name > month}
        after = min((name for name in self.months if name > month), default="")
        self.newest = self.closed[told["end"]] = Closing(seq, month, told["end"], told, after)
        return ""

    def _disorder(self, seq: int, month: Any, first: Any, end: Any) -> str:
        """Return why a month cannot be closed as some lines, from the months before and from the lines."""
        lines, newest = f"lines {shown(first)}..{shown(end)}", self.newest
        if not is_month(month) or {type(first), type(end)} != {int} or not 0 <= first < end <= seq:
            return f"it closes {shown(month)} as {lines}, which cannot be"
        if newest is not None and month <= newest.month:
            return f"it closes {month} although #{newest.seq} closed {newest.month} before it"
        due = newest.end if newest is not None else None if self.start or not self.whole else 0
        if due is not None and (first != due if self.whole else first < due):
            return f"it closes {month} from line #{first} on, where #{due} is due"
        other = self.other(month, first, end)
        return f"it closes {month} as {lines}, and line #{other[0]} is of {other[1]}" if other else ""

    def repeats(self, seq: int, month: Any, told: Any) -> bool:
        """Say whether an entry says once more what an earlier one that closed a month says."""
        newest = self.newest
        return newest is not None and newest.seq < seq and (newest.month, newest.told) == (month, told)

    def other(self, month: str, first: int, end: int) -> tuple[int, str] | None:
        """Return a line that is there, and its month, if a month cannot be the lines `first` to `end`."""
        for name, (low, high) in sorted(self.months.items()):
            if name <= month and high >= (first if name < month else end):
                return high, name
            if name >= month and low < (end if name > month else first):
                return low, name
        return None

    def _unlawful(self, seq: int, month: Any, end: Any, years: Any, dated: str) -> str:
        """Return why lines before `end`, which end with a month, may not be pruned by an entry so dated."""
        at = min(dated, self.present.latest)
        closing = self.closed.get(end) if type(end) is int else None
        known = self.whole and not (type(end) is int and end < self.start)  # else it may be left out
        if not is_month(month) or (closing.month != month if closing is not None else known):
            return f"it prunes the lines before #{shown(end)}, where no entry before it closes {shown(month)}"
        if type(end) is not int or not 0 < end <= seq or month >= at[:7]:
            return f"it prunes lines before #{shown(end)} and up to {month}, which were not there yet"
        later = [(low, name) for name, (low, _) in self.months.items() if name > month and low < end]
        earlier = [(high, name) for name, (_, high) in self.months.items() if name <= month and high >= end]
        for line, name in (later + earlier)[:1]:
            return f"it prunes before #{end} what is up to {month}, and line #{line} is of {name}"
        if type(years) is not int or years < LEAST_YEARS:
            return f"it prunes after a rule of {shown(years)} years, the least is {LEAST_YEARS}"
        if kept_until(month, years) > at:
            due = kept_until(month, years)[:10]
            only = f"; the entry is dated {dated}, later than {self.present.told()}" if at < dated else ""
            return f"pruned before due: lines of {month} were to be kept until {due}{only}"
        return ""

    def _note_hidden(self, closing: Closing | None, years: int, at: str) -> None:
        """Note where nothing that is there shows how old the pruned lines were."""
        if closing is None or not closing.after or kept_until(closing.after, years - 1) <= at:
            return  # what was kept goes back for years, so what was pruned is older
        if self.lowest is None or self.lowest >= closing.end:
            text = f"PRUNED: of the lines before #{closing.end} none is there, and those after them begin in"
            self.hidden[closing.end] = f"{text} {closing.after}: only their closing says that they were older"

    def told(self, first: int) -> str | None:
        """Return under which entry all lines before `first` were pruned; None if no entry says so."""
        if first not in self.entries:
            return None
        seq, years = self.entries[first]
        return f"lines 0..{first - 1} were pruned under entry #{seq} after the rule of {shown(years)} years"

    def untold(self) -> str:
        """Return what is said of lines that are missing, in words."""
        refused = " and ".join(f"#{seq}" for seq in sorted(set(self.refused.values()))[:4])
        return "no entry says that they were pruned" + (
            f", but {refused} that does not count" if refused else ""
        )


def is_month(month: Any) -> bool:
    """Say whether something names a month, as `2026-10` does."""
    return type(month) is str and re.fullmatch("[0-9]{4}-(0[1-9]|1[0-2])", month) is not None


def month_after(month: str) -> str:
    """Return the month after a month: `2027-01` after `2026-12`."""
    year, number = map(int, month.split("-"))
    return f"{year + number // 12:04}-{number % 12 + 1:02}"


def start_of(month: str) -> str:
    """Return the first instant of a month, as lines spell it."""
    return f"{month}-01T00:00:00.000000Z"


class Month:
    """The lines of one month, counted for each resident as they come by."""

    def __init__(self, first: int) -> None:
        """Begin at a line."""
        self.first, self.end = first, first
        self.subjects: dict[str, tuple[int, int]] = {}

    def take(self, seq: int, residents: Iterable[str]) -> None:
        """Count a line."""
        self.end = seq + 1
        for resident in dict.fromkeys(residents):
            self.subjects[resident] = (self.subjects.get(resident, (0, 0))[0] + 1, seq)

    def join(self, later: Month) -> None:
        """Count lines that were counted by themselves and come next."""
        self.end = later.end
        for resident, (count, last) in later.subjects.items():
            self.subjects[resident] = (self.subjects.get(resident, (0, 0))[0] + count, last)

    def told(self, org: str, month: str) -> dict[str, Any]:
        """Return what the entry that closes it has to say of it."""
        subjects = [subject_leaf(org, month, resident, *held) for resident, held in self.subjects.items()]
        leaves, tree = filled(org, month, subjects), Tree()
        tree.extend([leaf.hash() for leaf in leaves])
        counts = {"first": self.first, "end": self.end, "leaves": len(leaves)}
        return {**counts, "subjects": tree.root().hex()}


@dataclass
class ClosedMonth:
    """What a closed month says of one resident, and how many of their lines were seen in it."""

    name: str
    first: int
    end: int
    count: int
    last: int | None
    seq: int
    leaf: bytes
    proof: bytes
    seen: int = 0
    newest: int | None = None

    def see(self, seq: int) -> None:
        """Take in the number of a line of the resident."""
        if self.first <= seq < self.end:
            self.seen, self.newest = self.seen + 1, seq


def read_segment(line: bytes, org: str, resident: Any) -> ClosedMonth:
    """Return a line of segments.jsonl: the entry that closed a month, and the resident's place in its tree.

    That a resident has no entry is shown by the leaves on both sides of where theirs would be.
    """
    told = read_json(line)
    entry = told["line"].encode()
    record = read_line(entry)
    name, said = inside(record, "e", "obj", "id"), inside(record, "e", "seg")
    closes = (inside(record, "c", "org"), inside(record, "c", "seq"), inside(record, "e", "act"))
    if closes != (org, told["seq"], "segment.close") or type(resident) is not str:
        raise MalformedError("does not hold the entry that closes a month of this chain")
    leaves = [
        (at["at"], SubjectLeaf(*(bytes.fromhex(at[part]) for part in ("key", "held"))))
        for at in told["leaves"]
    ]
    for (at, leaf), shown_ in zip(leaves, told["leaves"]):
        path = [bytes_of(sibling, 32) for sibling in shown_["path"]]
        if root_over(leaf.hash(), at, said["leaves"], path).hex() != said["subjects"]:
            raise MalformedError("shows a leaf that does not lead to the root of the month")
        if (leaf.key.hex(), leaf.held.hex()) != (shown_["key"], shown_["held"]):
            raise MalformedError("spells a leaf in another way than it is written")
    count, last = told["count"], told["last"]
    if count:
        if [leaf for _, leaf in leaves] != [subject_leaf(org, name, resident, count, last)]:
            raise MalformedError("shows another resident, or another count")
    elif not _leaves_no_place(subject_key(org, name, resident), leaves, said["leaves"]):
        raise MalformedError("does not show that no entry concerns the resident")
    proof = WRITER.encode({"seq": told["seq"], "proof": told["proof"]}).encode()
    return ClosedMonth(name, said["first"], said["end"], count, last, told["seq"], leaf_hash(entry), proof)


def _leaves_no_place(key: bytes, leaves: list[tuple[int, SubjectLeaf]], size: int) -> bool:
    """Say whether a key would lie between neighbours, before the first or after the last leaf."""
    if not size:
        return not leaves
    places, keys = [at for at, _ in leaves], [leaf.key for _, leaf in leaves]
    if len(leaves) == 2:
        return places[1] == places[0] + 1 and keys[0] < key < keys[1]
    return (places == [0] and key < keys[0]) or (places == [size - 1] and keys[0] < key)


# --- Signed notes and checkpoints (C2SP) --------------------------------------------------------


class Key(NamedTuple):
    """A verifier key: the name and number by which notes call it, and the Ed25519 public key."""

    name: str
    number: bytes
    public: bytes


class Checkpoint(NamedTuple):
    """A signed statement: the log `origin` had `size` lines, and this was the root over them."""

    origin: str
    size: int
    root: bytes


def base64_of(data: bytes) -> str:
    """Return the base64 text of bytes."""
    return base64.b64encode(data).decode()


def bytes_of(text: str, count: int) -> bytes:
    """Return the `count` bytes of a base64 text, which has to be their one spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise MalformedError("holds broken base64") from error
    if len(data) != count or base64_of(data) != text:
        raise MalformedError("holds base64 of another length or spelling")
    return data


def read_key(vkey: str) -> Key:
    """Return the key of a vkey, `name+number+base64`. Raises MalformedError for any other text."""
    name, number, encoded = [*vkey.split("+", 2), "", ""][:3]
    public = bytes_of(encoded, 33)
    key = Key(name, sha256(name.encode() + b"\n" + public).digest()[:4], public[1:])
    if not is_key_name(name) or public[:1] != b"\x01" or key.number.hex() != number:
        raise MalformedError("is no verifier key of an Ed25519 key")
    return key


def is_key_name(name: str) -> bool:
    """Say whether a key may have this name: not empty, no spaces, no plus."""
    return bool(name) and "+" not in name and not any(letter.isspace() for letter in name)


SIGNED = "\n\u2014 ".encode()


def split_notes(data: bytes) -> list[bytes]:
    """Return the notes of a file in which a blank line stands between two notes."""
    parts = data[:-1].split(b"\n\n")
    if len(parts) % 2 or data[-1:] != b"\n":
        raise MalformedError("is no row of signed notes")
    return [b"%b\n\n%b\n" % pair for pair in zip(parts[::2], parts[1::2])]


def read_note(note: bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Return the text of a signed note and its signatures: key name, key number, signature."""
    try:
        text, blank, block = note.decode().rpartition("\n\n")
    except UnicodeDecodeError as error:
        raise MalformedError("is no UTF-8 text") from error
    if not blank or not block.endswith("\n") or any(c < " " and c != "\n" for c in text + block):
        raise MalformedError("is no signed note")
    if block.count("\n") > 64:
        raise MalformedError("has too many signatures")
    signatures = []
    for line in block[:-1].split("\n"):
        dash, name, encoded = [*line.split(" "), "", ""][:3]
        data = bytes_of(encoded, len(encoded) // 4 * 3 - encoded.count("="))
        if dash != "\u2014" or line.count(" ") != 2 or not is_key_name(name) or len(data) < 5:
            raise MalformedError("has a line that is no signature")
        signatures.append((name, data[:4], data[4:]))
    return text + "\n", signatures


def read_small(path: Path) -> bytes:
    """Return a file that holds a note. Raises MalformedError for what cannot be one, OSError as it comes."""
    if not path.is_file() or path.stat().st_size > CHUNK_BYTES:
        raise MalformedError("is no file, or far too large for a note")
    return path.read_bytes()


def open_note(note: bytes, keys: Sequence[Key]) -> str:
    """Return the text of a note that one of the keys signed. Raises MalformedError if none did.

    Signatures of other keys neither count nor harm; a broken one of a known key is fatal.
    """
    text, signatures = read_note(note)
    known = {(key.name, key.number): key.public for key in keys}
    ours = {(known[name, number], data) for name, number, data in signatures if (name, number) in known}
    if not ours:
        by = _numbers((name, number) for name, number, _ in signatures)
        raise MalformedError(f"is not signed by the key {_numbers(known)}, but by {by}")
    if not all(ed25519_verifies(public, text.encode(), data) for public, data in ours):
        raise MalformedError("has a broken signature")
    return text


def _numbers(called: Iterable[tuple[str, bytes]]) -> str:
    """Return how keys are called, for people: number and name of each."""
    keys = [f"{number.hex()} of {shown(name)}" for name, number in called]
    return " and ".join(keys[:4]) + (" and others" if keys[4:] else "")


def read_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint in a note's text: origin, size and root, a line each and no more."""
    origin, size, root = [*text.split("\n"), "", ""][:3]
    if text.count("\n") != 3 or not origin or not re.fullmatch("0|[1-9][0-9]{0,15}", size):
        raise MalformedError("is no checkpoint")
    return Checkpoint(origin, int(size), bytes_of(root, 32))


# --- Ed25519 (RFC 8032), verification only ------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int, int, int]


def ed25519_verifies(public: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether an Ed25519 signature holds. Any but the one encoding of a value is refused."""
    key, s = _point(public), int.from_bytes(signature[32:], "little")
    if key is None or len(signature) != 64 or s >= L:
        return False
    k = int.from_bytes(sha512(signature[:32] + public + message).digest(), "little") % L
    minus_key = (P - key[0], key[1], key[2], P - key[3])
    x, y, z, _ = _twice_scaled(s, BASE, k, minus_key)
    x, y = x * pow(z, -1, P) % P, y * pow(z, -1, P) % P
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]


def _point(encoded: bytes) -> Point | None:
    """Return a point as X, Y, Z, T (x = X/Z, y = Y/Z, xy = T/Z); None if the bytes encode none."""
    number = int.from_bytes(encoded, "little")
    odd, y = number >> 255, number & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if len(encoded) != 32 or y >= P or x * x % P != square or (odd and not x):
        return None
    x = x if x & 1 == odd else P - x
    return x, y, 1, x * y % P


def _twice_scaled(s: int, p: Point, k: int, q: Point) -> Point:
    """Return s times p plus k times q."""
    table = [ZERO, p, q, _sum(p, q)]
    total = ZERO
    for bit in reversed(range(253)):
        total = _sum(_sum(total, total), table[(s >> bit & 1) + 2 * (k >> bit & 1)])
    return total


def _sum(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * D * p[3] * q[3] % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


ZERO = (0, 1, 1, 0)
BASE = _point((4 * pow(5, -1, P) % P).to_bytes(32, "little")) or ZERO


if __name__ == "__main__":
    sys.exit(main())
