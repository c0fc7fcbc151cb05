"""An independent check of a database against the contract. It shares no code with the application.

Written from the contract's section 5 alone: exact lines, links, leaves, the Merkle tree of RFC 6962 as
its recursion says, and the bond between every version of a row and the one entry that tells of it. It
reads SQLite or PostgreSQL as it lies there, with the driver and nothing else.

    findings = check_database(url)
    assert findings.problems == []
"""

import base64
import contextlib
import hashlib
import json
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg

Query = Callable[[str], list[tuple[Any, ...]]]
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_NAME = re.compile(r"[a-z0-9_]+")
# table, type of the entry's object, and whether old versions are kept in a table of their own
_BOUND = (("resident", "resident"), ("record", "record"), ("account", "user"), ("shift", "shift"))


class Entry(NamedTuple):
    """One line, read."""

    org: str
    seq: int
    leaf: str
    ts: str
    e: dict[str, Any]

    @property
    def receipt(self) -> str:
        """Return what `Audit-Event` must say of it."""
        return f"{self.org}/{self.seq}/{self.leaf[:16]}"

    @property
    def object_id(self) -> str | None:
        """Return the id of its object."""
        identifier: str | None = self.e.get("obj", {}).get("id")
        return identifier


@dataclass
class Findings:
    """What was read, and what is wrong with it."""

    entries: dict[str, list[Entry]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    versions: set[tuple[str, int]] = field(default_factory=set)

    def by_request(self) -> dict[str, list[Entry]]:
        """Return the entries that name a request, by its id."""
        found: defaultdict[str, list[Entry]] = defaultdict(list)
        for entries in self.entries.values():
            for entry in entries:
                if "rid" in entry.e.get("src", {}):
                    found[entry.e["src"]["rid"]].append(entry)
        return found


@contextlib.contextmanager
def reading(url: str) -> Iterator[Query]:
    """Open a database to read it, past everything that guards it."""
    if url.startswith("sqlite:///"):
        path = url.removeprefix("sqlite:///")
        # not `mode=ro`: after a crash the first to open the file has to recover its write-ahead log
        connection: Any = sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None)
    else:
        connection = psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"))
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    try:
        connection.execute("BEGIN" if url.startswith("sqlite") else "SELECT 1")  # one state for all
        yield lambda statement: connection.execute(statement).fetchall()
    finally:
        connection.close()


def check_database(url: str) -> Findings:
    """Check every chain from line 0, and every row that is bound to one."""
    findings = Findings()
    with reading(url) as query:
        heads = {org: row for org, *row in query("SELECT org, size, leaf, ts, peaks FROM audit_head")}
        lines: defaultdict[str, list[tuple[int, bytes, bytes]]] = defaultdict(list)
        for org, seq, line, leaf in query("SELECT org, seq, line, leaf FROM audit_event ORDER BY org, seq"):
            lines[org].append((seq, bytes(line), bytes(leaf)))
        findings.problems += [f"{org}: lines without a head" for org in lines.keys() - heads.keys()]
        for org, head in heads.items():
            _check_chain(findings, org, lines[org], head)
        _check_ids(findings)
        _check_checkpoints(findings, query)
        _check_beside(findings, query)
        _check_versions(findings, query)
    return findings


# --- the chain ----------------------------------------------------------------------------------


def leaf_of(line: bytes) -> bytes:
    """Return SHA-256(0x00 || line)."""
    return hashlib.sha256(b"\0" + line).digest()


class Tree:
    """The tree over some leaves. Perfect subtrees are hashed once, however many roots are asked for."""

    def __init__(self, leaves: list[bytes]) -> None:
        self._leaves = leaves
        self._known: dict[tuple[int, int], bytes] = {}

    def root(self, size: int, start: int = 0) -> bytes:
        """Return MTH of RFC 6962, 2.1, over `size` leaves from `start`, as it is written there."""
        if size < 2:
            return self._leaves[start] if size else hashlib.sha256(b"").digest()
        if (start, size) not in self._known:
            split = 1 << (size - 1).bit_length() - 1
            two = self.root(split, start) + self.root(size - split, start + split)
            self._known[start, size] = hashlib.sha256(b"\1" + two).digest()
        return self._known[start, size]

    def peaks(self) -> bytes:
        """Return the roots of the perfect trees that the tree is made of, the largest first."""
        peaks, at = b"", 0
        for bit in reversed(range(len(self._leaves).bit_length())):
            if len(self._leaves) >> bit & 1:
                peaks += self.root(1 << bit, at)
                at += 1 << bit
        return peaks


def _check_chain(findings: Findings, org: str, lines: list[Any], head: list[Any]) -> None:
    prev = hashlib.sha256(b"caretrail/v1 genesis\n" + org.encode()).hexdigest()
    before, entries = "", []
    for place, (seq, line, leaf) in enumerate(lines):
        problem, entry = _check_line(org, place, seq, line, leaf, prev)
        if entry is None:
            findings.problems.append(f"{org}/{seq}: {problem}")
            break
        if entry.ts < before:
            findings.problems.append(f"{org}/{seq}: time runs backwards")
        entries.append(entry)
        prev, before = leaf.hex(), entry.ts
    findings.entries[org] = entries
    size, last, ts, peaks = head
    tree = Tree([leaf for _, _, leaf in lines])
    if (size, bytes(last).hex(), bytes(peaks)) != (len(lines), prev, tree.peaks()):
        findings.problems.append(
            f"{org}: the head says {size}, there are {len(lines)} lines, or another tree"
        )
    if entries and ts != before:
        findings.problems.append(f"{org}: the head has another time than its last line")


def _check_line(
    org: str, place: int, seq: int, line: bytes, leaf: bytes, prev: str
) -> tuple[str, Entry | None]:
    if seq != place:
        return f"stands at place {place}", None
    start = f'{{"c":{{"org":"{org}","prev":"{prev}","seq":{seq},"ts":"'.encode()
    if not line.startswith(start):
        return "is not linked to the line before it", None
    if leaf != leaf_of(line):
        return "has another leaf than its bytes give", None
    whole = json.loads(line, parse_float=_refuse_float, object_pairs_hook=_members)
    if json.dumps(whole, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() != line:
        return "is not canonical", None
    c, e = whole["c"], whole["e"]
    if not _TIME.fullmatch(c["ts"]) or set(c) != {"org", "prev", "seq", "ts"} or set(whole) != {"c", "e"}:
        return "has another shape", None
    if e["v"] != 1 or e["out"] not in ("ok", "deny", "fail") or not e["act"] or "id" not in e["actor"]:
        return "is no event of version 1", None
    return "", Entry(org, seq, leaf.hex(), c["ts"], e)


def _refuse_float(text: str) -> float:
    raise ValueError(f"a float: {text}")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs) or not all(_NAME.fullmatch(name) for name in members):
        raise ValueError("a member twice, or of another name")
    return members


def _check_ids(findings: Findings) -> None:
    ids = Counter(entry.e["id"] for entries in findings.entries.values() for entry in entries)
    findings.problems += [f"the event {one} stands {n} times" for one, n in ids.items() if n > 1]


def _check_checkpoints(findings: Findings, query: Query) -> None:
    trees = {o: Tree([bytes.fromhex(one.leaf) for one in found]) for o, found in findings.entries.items()}
    for org, size, root, note in query("SELECT org, size, root, note FROM audit_checkpoint"):
        if size > len(findings.entries.get(org, [])):
            findings.problems.append(f"{org}: the checkpoint at {size} signs lines that are gone")
            continue
        origin, count, told, *_ = note.split("\n")
        right = trees[org].root(size)
        if bytes(root) != right:
            findings.problems.append(f"{org}: the checkpoint at {size} signs another chain")
        if (count, told) != (str(size), base64.b64encode(right).decode()):
            findings.problems.append(f"{org}: the note of the checkpoint at {size} says something else")
        if not origin.endswith(f"/audit/{org}"):
            findings.problems.append(f"{org}: the checkpoint at {size} is of another origin")


# --- what stands beside the lines, and the rows bound to them -----------------------------------------


def _check_beside(findings: Findings, query: Query) -> None:
    """Every sealed value, reason and name that a line names is there, and no other."""
    beside: defaultdict[tuple[str, int], set[tuple[str, str, str]]] = defaultdict(set)
    for org, seq, name, side, box in query("SELECT org, seq, field, side, ct FROM audit_value"):
        beside[org, seq].add((name, side, hashlib.sha256(bytes(box)).hexdigest()))
    names = {(org, seq) for org, seq in query("SELECT org, seq FROM audit_name")}
    for entries in findings.entries.values():
        for entry in entries:
            at = (entry.org, entry.seq)
            if _named(entry.e) != beside.pop(at, set()):
                findings.problems.append(f"{at}: the values beside the line are not those it names")
            if ("name_h" in entry.e) != (at in names):
                findings.problems.append(f"{at}: a name is missing, or one too many")
    findings.problems += [f"{at}: values beside no line" for at in beside]


def _named(e: dict[str, Any]) -> set[tuple[str, str, str]]:
    named = {(c["f"], side, c[side]) for c in e.get("chg", ()) for side in ("b", "a") if side in c}
    return named | ({("", "r", e["reason_h"])} if "reason_h" in e else set())


def _check_versions(findings: Findings, query: Query) -> None:
    """Every version of every row has exactly one entry, every such entry its row, and the states agree."""
    told: defaultdict[str, dict[tuple[str, str], dict[int, str]]] = defaultdict(lambda: defaultdict(dict))
    for entries in findings.entries.values():
        for entry in entries:
            if "state" in entry.e:
                _note_change(findings, told, entry)
            if entry.e["act"] == "key.rewrap":
                _note_rewrap(findings, told, entry)
    for table, kind in _BOUND:
        rows = query(f"SELECT org, id, version, state FROM {table}")
        for org, one, version, state in rows:
            entered = told[kind].pop((org, one), {})
            if sorted(entered) != list(range(1, version + 1)):
                findings.problems.append(f"{kind} {one}: version {version}, entries of {sorted(entered)}")
            elif entered[version] != bytes(state).hex():
                findings.problems.append(f"{kind} {one}: the row is not what its entry says")
        findings.problems += [f"{kind} {one}: entries but no row" for _, one in told[kind]]
    _check_kept_versions(findings, query)


def _note_change(findings: Findings, told: Any, entry: Entry) -> None:
    described = entry.e["obj"]
    versions = told[described["t"]][entry.org, described["id"]]
    if entry.e["out"] != "ok" or described["ver"] in versions:
        findings.problems.append(f"{entry.org}/{entry.seq}: tells of version {described['ver']} once more")
    versions[described["ver"]] = entry.e["state"]


def _note_rewrap(findings: Findings, told: Any, entry: Entry) -> None:
    """A row whose owner's key was wrapped anew has another digest of the version it has."""
    for row in entry.e.get("rows", ()):
        versions = told[row["t"]][entry.org, row["id"]]
        if max(versions, default=0) != row["ver"]:
            findings.problems.append(
                f"{entry.org}/{entry.seq}: wraps a key of another version than the newest"
            )
        versions[row["ver"]] = row["state"]


def _check_kept_versions(findings: Findings, query: Query) -> None:
    kept = set(query("SELECT org, record_id, version FROM record_version"))
    rows = query("SELECT org, id, version FROM record")
    wanted = {(org, one, n) for org, one, version in rows for n in range(1, version + 1)}
    findings.versions = {(one, version) for _, one, version in kept}
    findings.problems += [f"record {one}: version {n} is not kept" for _, one, n in wanted - kept]
    findings.problems += [f"record {one}: version {n} is of no record" for _, one, n in kept - wanted]
