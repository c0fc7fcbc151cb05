"""Check an export of a Caretrail audit trail, offline, trusting neither its server nor its sender.

    python verify.py EXPORT.zip [--key VKEY] [--anchors DIR] [--json]

One file, standard library only, Python 3.9 or newer. It reads top-down: the answer, the steps of an
examination, then the tools the steps use. The steps:

 1  the zip holds known files, each once; manifest.json is signed; every file is the one it lists
 2  checkpoints.note: each note is signed by the key, for this chain; no size is signed twice over
 3  names.jsonl: each name is the one whose salted hash stands in its line
 4  events.jsonl: each line names the leaf of the line before it, numbers and clock go forward, each
    line is canonical; the Merkle root over the lines is the signed one at every signed size
 5  events.csv: derived from the lines and names once more, the same to the byte

Exit: 0 all of it holds, 1 tampered, 2 cannot vouch, 3 unreadable. Get the key (`--key`) and this
file from somebody other than the sender of the export: an export cannot vouch for itself.

The server checks its stored lines with `ChainCheck` and writes events.csv with `csv_rows`, both from
here: there is no second derivation that could differ.
"""
# ruff: noqa: B905 -- zip(strict=...) came after Python 3.9

from __future__ import annotations

import argparse
import base64
import json
import re
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256, sha512
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

FORMAT = "caretrail-export/1"
LISTED = "events.jsonl names.jsonl proofs.jsonl checkpoints.note events.csv fhir.ndjson README.txt verify.py"
KNOWN = {*LISTED.split(), "manifest.json", "manifest.sig"}
CHUNK_BYTES, LINE_BYTES, WHOLE_FILE_BYTES = 1 << 20, 1 << 23, 1 << 26
RESULTS = ("intact", "tampered", "cannot vouch", "unreadable")
NOT_ANCHORED = (
    "not anchored: no checkpoint kept elsewhere was compared (--anchors); neither a roll-back to an older"
    " signed state nor a rewrite by a holder of the signing key can be excluded"
)
# All that reading something hostile can raise. It never makes an answer better than `unreadable`.
BROKEN = (ValueError, LookupError, TypeError, AttributeError, RuntimeError, ArithmeticError, MemoryError)
UNREADABLE = (*BROKEN, OSError, EOFError, zipfile.BadZipFile, zlib.error, struct.error)


class TamperedError(Exception):
    """A finding: what is not as it was signed, and the first bad line where it is known."""

    def __init__(self, kind: str, text: str, seq: int | None = None) -> None:
        super().__init__(f"{kind}: {text}" if seq is None else f"{kind} #{seq}: {text}")
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
    signed_size: int = 0
    anchored: bool = False
    checked: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    findings: list[TamperedError] = field(default_factory=list)
    unreadable: str = ""

    @property
    def exit_code(self) -> int:
        """The answer as a number: 0 intact, 1 tampered, 2 cannot vouch, 3 unreadable."""
        return 1 if self.findings else 3 if self.unreadable else 2 if self.doubts else 0

    def as_json(self) -> str:
        """Return the report for machines, one line."""
        answer = {"result": RESULTS[self.exit_code], "exit_code": self.exit_code, **vars(self)}
        return json.dumps({**answer, "findings": [vars(found) for found in self.findings]})

    def as_text(self) -> str:
        """Return the report for people."""
        lines = [f"checked: {text}" for text in self.checked]
        lines += [f"cannot vouch: {text}" for text in self.doubts]
        lines += [str(found) for found in self.findings]
        lines += [f"unreadable: {self.unreadable}"] if self.unreadable else []
        lines += [] if self.anchored else [NOT_ANCHORED]
        return "\n".join([*lines, f"{RESULTS[self.exit_code]} (exit {self.exit_code})"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine the export named on the command line, print the report, return the exit code."""
    parser = argparse.ArgumentParser(description="Check an export of a Caretrail audit trail offline.")
    parser.add_argument("export", metavar="EXPORT.zip")
    parser.add_argument("--key", metavar="VKEY", action="append", default=[], help="the log's verifier key")
    parser.add_argument("--anchors", metavar="DIR", help="folder of checkpoints (*.note) kept elsewhere")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    try:
        asked = parser.parse_args(arguments)
    except SystemExit as stop:  # 2 is taken: it would say that an export was read
        return 3 if stop.code else 0
    report = verify_export(asked.export, asked.key, asked.anchors)
    print(report.as_json() if asked.json else report.as_text())
    return report.exit_code


def verify_export(path: str | Path, keys: Sequence[str] = (), anchors: str | Path | None = None) -> Report:
    """Return the report on an export. No content of the zip makes it raise.

    Args:
        path: The zip.
        keys: Verifier keys of the log, from a source other than the export; several after a rotation.
        anchors: Folder with checkpoints of the log that were kept elsewhere.
    """
    report = Report()
    try:
        trusted = [read_key(key) for key in keys]
    except ValueError as error:
        report.unreadable = f"the key given {reason(error)}"
        return report
    try:
        with zipfile.ZipFile(path) as archive:
            _Examination(archive, trusted, report).run(anchors)
    except UNREADABLE as error:
        report.unreadable = f"the export {reason(error)}"
    # The first bad line first; what is derived from a line after what is wrong with the line itself.
    report.findings.sort(key=lambda found: (found.seq is None, found.seq, found.kind in ("CSV", "NAMES")))
    return report


def shown(value: object) -> str:
    """Return what an export says of itself so that it cannot play tricks on a terminal."""
    return ascii(str(value)[:200])[1:-1]


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
    def __init__(self, archive: zipfile.ZipFile, keys: list[Key], report: Report) -> None:
        self.archive, self.keys, self.report = archive, keys, report
        self.checked, self.doubt = report.checked.append, report.doubts.append
        self.members = set(archive.namelist())
        self.manifest: dict[str, Any] = {}
        self.roots: dict[int, list[tuple[bytes, str]]] = {}  # by signed size: the roots, and who says so
        self.names: dict[int, str] = {}  # by number of the identity entry, as events.csv wants them
        self.identities: dict[int, tuple[str, str]] = {}  # what that entry must hold: name_h and obj.id
        self.unseen: set[int] = set()  # identity entries with a name that no line was yet
        self.erased: set[int] = set()  # identity entries whose name is no longer there
        self.proven: dict[bytes, Checkpoint] = {}
        self.csv: IO[bytes] | None = None
        self.rows = 0

    def run(self, anchors: str | Path | None) -> None:
        self.check_manifest()
        self.check_files()
        with self.finding("CHECKPOINT", "checkpoints.note"):
            self.check_checkpoints()
        if anchors is not None:
            self.check_anchors(Path(anchors))
        with self.finding("NAMES", "names.jsonl"):
            self.check_names()
        with self.finding("CANON", "events.jsonl"):
            self.check_lines()

    def find(self, kind: str, text: str, seq: int | None = None) -> None:
        if (kind, text) not in [(found.kind, found.text) for found in self.report.findings]:
            self.report.findings.append(TamperedError(kind, text, seq))  # the first of a kind is enough

    @contextmanager
    def finding(self, kind: str, what: str) -> Iterator[None]:
        """Record what goes wrong inside as a finding; the examination goes on after it."""
        try:
            yield
        except TamperedError as error:
            self.report.findings.append(error)
        except BROKEN as error:
            self.find(kind, f"{what} {reason(error)}")

    def check_manifest(self) -> None:
        raw = self.read_whole("manifest.json")
        if not self.keys:
            self.keys = [read_key(key) for key in json.loads(raw)["keys"]]
            if not self.keys:
                raise MalformedError("names no key")
            self.doubt("the key was taken from the export itself: give its owner's with --key")
        if "manifest.sig" not in self.members:
            self.doubt("UNSIGNED: the export has no manifest.sig")
        else:
            with self.finding("MANIFEST", "manifest.sig"):
                if open_note(self.read_whole("manifest.sig"), self.keys) != manifest_text(raw):
                    raise MalformedError("signs another manifest.json")
                self.checked(f"manifest.json is signed by {shown(self.keys[0].name)}")
        self.manifest = json.loads(raw)
        if self.manifest["format"] != FORMAT:
            raise MalformedError(f"is not of the format {FORMAT}")
        org = self.report.organisation = str(self.manifest["organisation"])
        ours = [key for key in self.keys if key.name.endswith("/audit/" + org)]
        if not ours:
            self.find("ORIGIN", f"the export is of {shown(org)}, the key of {shown(self.keys[0].name)}")
        self.keys = ours or self.keys

    def check_files(self) -> None:
        listed, known = self.manifest["files"], len(self.report.findings)
        if len(self.archive.infolist()) != len(self.members) or self.members - KNOWN:
            self.find("MANIFEST", "the zip holds a file twice, or one that belongs to no export")
        for name in sorted(self.members.intersection(LISTED.split()) ^ set(listed)):
            self.find("MANIFEST", f"{shown(name)} stands only in the zip or only in the manifest")
        for name in sorted(self.members & set(listed)):
            if self.digest(name, listed[name]["bytes"]) != listed[name]["sha256"]:
                self.find("MANIFEST", f"{shown(name)} is not the file that the manifest lists")
        if known == len(self.report.findings):
            self.checked(f"{len(listed)} files are those that the manifest lists")

    def digest(self, name: str, size: int) -> str:
        digest = sha256()
        with self.archive.open(name) as stream:
            while size >= 0 and (chunk := stream.read(CHUNK_BYTES)):
                digest.update(chunk)
                size -= len(chunk)  # below zero: longer than listed, and how much does not matter
        return digest.hexdigest() if size == 0 else ""

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
        checkpoint = read_checkpoint(open_note(note, self.keys))
        if checkpoint.origin not in {key.name for key in self.keys}:
            raise MalformedError(f"is of another chain, {shown(checkpoint.origin)}")
        signed = self.roots.setdefault(checkpoint.size, [])
        for root, elsewhere in signed:
            if root != checkpoint.root:
                self.find("FORK", f"size {checkpoint.size} has two signed roots: {elsewhere}, {where}")
        signed.append((checkpoint.root, where))
        return checkpoint

    def check_anchors(self, folder: Path) -> None:
        for path in sorted(folder.rglob("*.note")):
            where = "anchor " + shown(path.name)
            try:
                self.checked(f"{where} is signed, size {self.add_root(path.read_bytes(), where).size}")
                self.report.anchored = True
            except MalformedError as error:
                self.checked(f"{where} is left aside: it {error}")
        if not self.report.anchored:
            self.doubt("the folder of anchors holds no checkpoint signed by the key")

    def check_names(self) -> None:
        for line in self.lines_of("names.jsonl"):
            seq, user_id, name_hash, name = read_name(line)
            if seq in self.names:
                raise MalformedError(f"names two people for entry #{seq}")
            self.names[seq], self.identities[seq] = name, (name_hash, user_id)
        self.unseen = set(self.names)

    def check_lines(self) -> None:
        if "events.csv" in self.members:
            self.csv = self.archive.open("events.csv")
            self.compare_csv(CSV_HEADER, None)
        if self.manifest["filter"] or self.manifest["first"]:
            self.check_selection()
        else:
            self.check_whole()
        seen = (self.report.first, self.report.last, self.report.count)
        if seen != (self.manifest["first"], self.manifest["last"], self.manifest["count"]):
            self.find("MANIFEST", "the manifest tells of other lines than there are")
        self.conclude()

    def check_whole(self) -> None:
        """Examine all lines from 0; at every signed size their root must be the signed one."""
        chain = ChainCheck(self.report.organisation)
        sizes = sorted(self.roots, reverse=True)
        self.compare_root(chain, sizes)
        for batch in self.batches_of("events.jsonl"):
            start, rest = chain.size, batch
            while rest and not chain.fault:
                step = sizes[-1] - chain.size if sizes else len(rest)
                portion, rest = rest[:step], rest[step:]
                chain.feed(portion, rest[0] if rest else b"")
                self.compare_root(chain, sizes)
            self.take(batch[: chain.size - start], start, chain)
        self.checked(f"{chain.size} lines are one unbroken chain")
        self.checked(f"their roots are the signed ones up to size {self.report.signed_size}")
        for size in sorted(size for size in self.roots if size > chain.size):
            for _, where in self.roots[size]:
                text = f"{where} signs {size} lines, {size - chain.size} of them are missing"
                self.find("TRUNCATED" + by_anchor(where), text, chain.size)

    def compare_root(self, chain: ChainCheck, sizes: list[int]) -> None:
        if chain.fault or not sizes or chain.size < sizes[-1]:
            return
        size, good = sizes.pop(), self.report.signed_size
        for root, where in self.roots[size]:
            if root != chain.tree.root():
                text = f"the first {size} lines do not have the root signed in {where}, the first {good} do"
                self.find("ROOT" + by_anchor(where), text)
                sizes.clear()  # no later root can hold
                return
        self.report.signed_size = size

    def check_selection(self) -> None:
        """Examine lines picked from a chain: linked where they are neighbours, each with its proof."""
        chain = ChainCheck(self.report.organisation)
        if "proofs.jsonl" not in self.members:
            self.doubt("nothing ties the lines to a signed root: there is no proofs.jsonl")
        proofs = self.lines_of("proofs.jsonl")
        for line in self.lines_of("events.jsonl"):
            chain.skip_to(line)
            chain.feed([line])
            self.take([line], chain.size - 1, chain)
            if "proofs.jsonl" in self.members:
                self.check_proof(next(proofs, b"{}"), chain.size - 1, leaf_hash(line))
        signers = [{by_anchor(where) for _, where in signed} for signed in self.roots.values()]
        self.report.anchored = any(len(kinds) > 1 for kinds in signers)  # only equal sizes can be compared
        self.checked(f"{self.report.count} lines, linked where they are neighbours")
        self.doubt("this is a selection: nothing in it proves that it leaves out no line")

    def check_proof(self, proof: bytes, seq: int, leaf: bytes) -> None:
        try:
            path, note = read_proof(proof, seq)
            if note not in self.proven:  # as a rule one checkpoint for all lines: verify it once
                self.proven = {note: self.add_root(note, f"the proof of #{seq}")}
            if root_over(leaf, seq, self.proven[note].size, path) != self.proven[note].root:
                raise MalformedError("does not lead to the signed root")
        except BROKEN as error:
            raise TamperedError("PROOF", f"the proof of the line {reason(error)}", seq) from error

    def take(self, lines: Sequence[bytes], start: int, chain: ChainCheck) -> None:
        """Examine what stands in lines whose place in the chain is right, then stop if one was not."""
        faults = [fault for fault in (self.check_contents(lines, start), chain.fault) if fault]
        self.report.findings += faults[1:]
        if faults:
            raise faults[0]
        if lines:
            self.report.first = start if self.report.first is None else self.report.first
            self.report.last, self.report.count = start + len(lines) - 1, self.report.count + len(lines)

    def check_contents(self, lines: Sequence[bytes], start: int) -> TamperedError | None:
        for seq, line in enumerate(lines, start):
            try:
                record = read_line(line)
            except MalformedError as error:
                return TamperedError("CANON", f"the line {error}", seq)
            self.check_identity(seq, record["e"])
            self.compare_csv(csv_rows(record, leaf_hash(line).hex(), self.names), seq)
        return None

    def check_identity(self, seq: int, event: dict[str, Any]) -> None:
        if seq in self.unseen and (event.get("name_h"), inside(event, "obj", "id")) != self.identities[seq]:
            self.find("NAMES", "names.jsonl does not give the name this entry was made for", seq)
        self.unseen.discard(seq)
        held = inside(event, "actor", "name_seq")
        if held is not None and held not in self.names:
            self.erased.add(held)
        elif held is not None and self.identities[held][1] != inside(event, "actor", "id"):
            self.find("NAMES", "the entry points to the name of somebody else", seq)

    def compare_csv(self, expected: bytes, seq: int | None) -> None:
        if self.csv is not None and self.csv.read(len(expected)) != expected:
            self.csv = None  # once told; every later row may differ for the same reason
            self.find("CSV", f"row {self.rows} of events.csv is not what the lines and names give", seq)
        self.rows += expected.count(b"\r\n")

    def conclude(self) -> None:
        told = len(self.names) - len(self.unseen)
        self.checked(f"{told} names match their entries, {len(self.erased)} are no longer there")
        if self.unseen and self.manifest["filter"]:
            self.doubt(f"{len(self.unseen)} names have no identity entry in this selection")
        elif self.unseen:
            self.find("NAMES", "names.jsonl tells of an identity entry that is not there", min(self.unseen))
        if "fhir.ndjson" in self.members:
            self.checked("fhir.ndjson: its bytes alone, its content is not derived again")
        if self.csv is not None and self.csv.read(1):
            self.find("CSV", "events.csv goes on after the last line")
        elif self.csv is not None:
            self.checked(f"events.csv: {self.rows - 1} rows are what the lines and names give")

    def read_whole(self, name: str) -> bytes:
        with self.archive.open(name) as stream:
            data = stream.read(WHOLE_FILE_BYTES + 1)
        if len(data) > WHOLE_FILE_BYTES:
            raise MalformedError(f"holds a {name} that is too large")
        return data

    def batches_of(self, name: str) -> Iterator[list[bytes]]:
        """Yield the lines of a file of the zip, some thousand at a time; none if it is not there."""
        if name not in self.members:
            return
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
            what = "lines are missing" if int(number) > seq else "a line is repeated or out of order"
            kind, text = "SEQ", f"line #{number} stands where #{seq} is due: {what}"
        elif prev == self.prev:
            kind, text = "CLOCK", "the line is earlier than the one before it"
        elif seq and following and following[2].decode() == leaf:
            kind, text, seq = "PAYLOAD", f"its bytes do not give the leaf that line #{seq} names", seq - 1
        elif seq and not following:
            text, seq = f"the chain breaks between this line and #{seq}", seq - 1
        return TamperedError(kind, text, seq)


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
    if not isinstance(record, dict) or record.keys() != {"c", "e"} or inside(record, "e", "v") != 1:
        raise MalformedError("is no entry of version 1")
    return record


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
QUOTED = re.compile('[",\\r\\n]')
CSV_HEADER = (",".join(column.partition("=")[0] for column in CSV_COLUMNS.split()) + "\r\n").encode()


def csv_rows(line: Mapping[str, Any], leaf_hex: str, names: Mapping[int, str]) -> bytes:
    """Return the rows of events.csv for one line: one for each resident concerned, at least one.

    The only derivation of events.csv: the server writes with it what an examination compares.

    Args:
        line: The line as JSON, its place `c` and its event `e`.
        leaf_hex: Its leaf, in hex.
        names: The names enclosed in the export, by the number of their identity entry.
    """
    held = inside(line, "e", "actor", "name_seq")
    fields = [inside(change, "f") for change in inside(line, "e", "chg") or ()]
    name = None if held is None else names.get(held, ERASED)
    derived = {**line, "name": name, "fields": fields, "leaf": leaf_hex}
    cells = [_cell(inside(derived, *path)) for path in CSV_PATHS]
    rows = []
    for resident in inside(line, "e", "subs") or [None]:
        cells[RESIDENT] = _cell(resident)
        rows.append(",".join(cells) + "\r\n")
    return "".join(rows).encode()


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


# --- The other files of an export ---------------------------------------------------------------


def manifest_text(manifest: bytes) -> str:
    """Return the text that manifest.sig signs."""
    return f"{FORMAT}\n{sha256(manifest).hexdigest()}\n"


def read_name(line: bytes) -> tuple[int, str, str, str]:
    """Return a line of names.jsonl: number of the identity entry, user id, SHA-256(salt || name), name."""
    value = json.loads(line)
    salt, name = bytes_of(value["salt"], 32), value["name"]
    return int(value["seq"]), value["user_id"], sha256(salt + name.encode()).hexdigest(), name


def read_proof(line: bytes, seq: int) -> tuple[list[bytes], bytes]:
    """Return path and checkpoint of a line of proofs.jsonl, a C2SP tlog-proof for line `seq`."""
    head, _, note = json.loads(line)["proof"].partition("\n\n")
    kind, index, *path = head.split("\n")
    if (kind, index) != ("c2sp.org/tlog-proof@v1", f"index {seq}"):
        raise MalformedError("is that of another line")
    return [bytes_of(sibling, 32) for sibling in path], note.encode()


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


def open_note(note: bytes, keys: Sequence[Key]) -> str:
    """Return the text of a note that one of the keys signed. Raises MalformedError if none did.

    Signatures of other keys neither count nor harm; a broken one of a known key is fatal.
    """
    text, signatures = read_note(note)
    known = {(key.name, key.number): key.public for key in keys}
    ours = [(known[name, number], data) for name, number, data in signatures if (name, number) in known]
    if not ours:
        raise MalformedError("is not signed by the key")
    if not all(ed25519_verifies(public, text.encode(), data) for public, data in ours):
        raise MalformedError("has a broken signature")
    return text


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
