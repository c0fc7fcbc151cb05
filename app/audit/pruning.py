"""Pruning: what is taken out of closed months when their time is over, and what stays.

A pruned line leaves its place, its number and its leaf: 32 bytes that nobody can read anything from. So the
tree, every proof and every signed root stay what they were, and a line that was pruned cannot come back as
another. What was sealed beside it goes with it, and so do its places in the index.

Lines that made or changed something stay: a row that is still there is bound to its entry, and a record is
kept from the end of care, not from the day of an entry. So do names that were set, and what the trail says of
itself. What goes is who read, searched and signed in.

Source: AUDIT-2; app/decisions/0016-pruning.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, delete, insert, select, tuple_, update

from app.audit import indexing, merkle, stored, table
from app.audit.notable import notable
from app.audit.verify import (
    HEAD,
    LEAST_YEARS,
    SPECIAL,
    ChainCheck,
    Present,
    Pruning,
    Report,
    TamperedError,
    inside,
    is_month,
    kept_until,
    prunes,
)

ACT = "segment.prune"
LINES_AT_ONCE = 2000
_STAYING_ACTS = SPECIAL | {"identity.set", "schema.change"}

_event, _value, _name, _index = table.event.c, table.value.c, table.name.c, table.index.c
_ENTRIES = (
    select(_index.seqs)
    .where(_index.org == bindparam("org"), _index.kind == indexing.ACT, _index.key == ACT)
    .order_by(_index.first.desc())
)
_EMPTY = (
    update(table.event)
    .where(_event.org == bindparam("of"), _event.seq.in_(bindparam("seqs", expanding=True)))
    .values(line=b"")
)
_LISTS = (
    select(_index.kind, _index.key, _index.first, _index.seqs)
    .where(
        _index.org == bindparam("org"),
        _index.first < bindparam("end"),
        tuple_(_index.kind, _index.key, _index.first)
        > tuple_(bindparam("kind"), bindparam("key"), bindparam("first")),
    )
    .order_by(_index.kind, _index.key, _index.first)
    .limit(LINES_AT_ONCE)
)
_DROP_LIST = delete(table.index).where(
    _index.org == bindparam("of"),
    _index.kind == bindparam("of_kind"),
    _index.key == bindparam("of_key"),
    _index.first == bindparam("of_first"),
)


class Pruned(NamedTuple):
    """What the newest entry says that pruned a chain.

    Attributes:
        entry: Its number.
        end: The first line that was left alone; all before it that do not stay are gone.
        prev: The leaf before that line, in hex.
        peaks: The peaks of the tree up to that line, in hex.
    """

    entry: int
    end: int
    prev: str
    peaks: tuple[str, ...]


def pruned(connection: Connection, org: str) -> Pruned | None:
    """Return how far a chain was pruned, None if it never was. The index has to have caught up."""
    for seqs in connection.execute(_ENTRIES, {"org": org}).scalars():
        for seq in reversed(seqs.split(" ")):
            found = stored.entry(connection, org, int(seq))
            event = orjson.loads(found.line)["e"] if found is not None else {}
            if "prune" in event:  # the others tell of an attempt that was refused
                return said_by(int(seq), event)
    return None


def first_kept(connection: Connection, org: str) -> int:
    """Return the number of the line a chain begins with since it was pruned; 0 if it never was."""
    found = pruned(connection, org)
    return 0 if found is None else found.end


def said_by(seq: int, event: dict[str, Any]) -> Pruned:
    """Return what an entry that pruned says."""
    said = event["prune"]
    return Pruned(seq, said["end"], said["prev"], tuple(said["peaks"]))


def feed(chain: ChainCheck, lines: list[bytes], leaves: list[bytes], following: bytes = b"") -> None:
    """Take stored lines into the check of their chain; for one that was pruned its leaf stands."""
    at = 0
    if all(lines):
        chain.feed(lines, following)
        return
    while at < len(lines) and not chain.fault:
        there = bool(lines[at])
        end = next((n for n in range(at, len(lines)) if bool(lines[n]) is not there), len(lines))
        if there:
            chain.feed(lines[at:end], following if end == len(lines) else b"")
        else:
            chain.join(leaves[at:end], chain.stamp)
        at = end


class Gaps:
    """Where lines of a chain are empty, and what its entries say of that."""

    def __init__(self, present: Present) -> None:
        """Begin before the first line; that time was over is judged by no later instant than the present."""
        self._empty: list[range] = []
        self._heard = Pruning(present)

    def take(self, start: int, lines: Sequence[bytes]) -> list[TamperedError]:
        """Take the next lines; return what is wrong with entries that closed a month or pruned."""
        self.see(start, lines)
        faults = [told.fault or self.hear(told.seq, told.record) for told in notable(lines, start)]
        return [fault for fault in faults if fault is not None]

    def see(self, start: int, lines: Sequence[bytes]) -> None:
        """Note which of the next lines are there, and of which months they are; nothing is read yet."""
        there: Sequence[int] = range(start, start + len(lines))
        if not all(lines):
            for seq in there:
                if not lines[seq - start]:
                    self._note(seq)
            there = [seq for seq in there if lines[seq - start]]
        self._see_months(there, lines, start)

    def _see_months(self, there: Sequence[int], lines: Sequence[bytes], start: int) -> None:
        """Find where months change: times never go back, so what is between two of a month is of it."""
        if not there:
            return
        first, last = (_month_of(lines[seq - start]) for seq in (there[0], there[-1]))
        if first != last:
            half = len(there) // 2
            self._see_months(there[:half], lines, start)
            self._see_months(there[half:], lines, start)
        elif first:
            self._heard.see(first, there[0], there[-1])

    def hear(self, seq: int, record: Mapping[str, Any]) -> TamperedError | None:
        """Take an entry in, once it was seen; return what is wrong with it."""
        return self._heard.hear(seq, record)

    def _note(self, seq: int) -> None:
        if self._empty and self._empty[-1].stop == seq:
            self._empty[-1] = range(self._empty[-1].start, seq + 1)
        else:
            self._empty.append(range(seq, seq + 1))

    def fault(self) -> TamperedError | None:
        """Return the first line that is missing although no entry pruned it that counts."""
        end = max(self._heard.entries, default=0)
        seq = next((max(gap.start, end) for gap in self._empty if gap.stop > end), None)
        if seq is None:
            return None
        return TamperedError("SEQ", f"lines are missing from here: {self._heard.untold()}", seq)

    def conclude(self, report: Report) -> None:
        """Add to a report under which entry lines were pruned, or which are missing."""
        end = max(self._heard.entries, default=0)
        fault, told = self.fault(), self._heard.told(end)
        if fault is not None:
            report.findings.append(fault)
        if told is not None:
            report.checked.append(told + ("; the root still matches" if report.signed_size >= end else ""))
            report.doubts += filter(None, [self._heard.hidden.get(end)])

    def break_off(self, report: Report) -> None:
        """Add to a report what lines are missing before one that ended the check of the chain."""
        if self._empty:
            text = f"PRUNED: {sum(map(len, self._empty))} lines from #{self._empty[0].start} on are empty;"
            report.doubts.append(f"{text} whether an entry pruned them, was not read to the end")


def _month_of(line: bytes) -> str:
    """Return the month of a line, nothing for what is none."""
    head = HEAD.match(line)
    return line[head.end() : head.end() + 7].decode("ascii", "replace") if head else ""


def pruned_early(lines: Sequence[bytes], start: int, now: str) -> int | None:
    """Return the number of an entry, among lines from `start` on, that prunes what has to be kept still.

    No rule is shorter than `LEAST_YEARS`; what a longer one says is for whoever checks.
    """
    for seq, record, _ in notable(lines, start):
        month = inside(record, "e", "obj", "id")
        is_early = is_month(month) and kept_until(month, LEAST_YEARS) > now
        if prunes(record.get("e", {})) and is_early:
            return seq
    return None


def stays(line: bytes) -> bool:
    """Say whether a line stays although its month is pruned."""
    event = orjson.loads(line)["e"]
    return "state" in event or "rows" in event or event["act"] in _STAYING_ACTS


class Survey(NamedTuple):
    """What is before a line.

    Attributes:
        going: The numbers of the lines that do not stay and are there still.
        peaks: The peaks over all of them, hashed from the lines.
        prev: The leaf of the last.
    """

    going: list[int]
    peaks: list[bytes]
    prev: bytes


def survey(connection: Connection, org: str, end: int) -> Survey:
    """Return what is before line `end`. Who prunes compares its root: what was altered must not go."""
    going: list[int] = []
    peaks: list[bytes] = []
    leaf = b""
    for start in range(0, end, LINES_AT_ONCE):
        upto = min(end, start + LINES_AT_ONCE)
        lines = stored.lines(connection, org, start, upto)
        going += [seq for seq, line in enumerate(lines, start) if line and not stays(line)]
        for seq, leaf in enumerate(stored.leaves(connection, org, start, upto), start):
            merkle.append(peaks, seq, leaf)
    return Survey(going, peaks, leaf)


def remove(connection: Connection, org: str, seqs: list[int], end: int) -> None:
    """Take lines before `end` out, with what belongs to them. Their leaves stay.

    The protection of the trail has to be off (`unprotecting`), in the same transaction.
    """
    for at in range(0, len(seqs), LINES_AT_ONCE):
        some = seqs[at : at + LINES_AT_ONCE]
        connection.execute(_EMPTY, {"of": org, "seqs": some})
        connection.execute(delete(table.value).where(_value.org == org, _value.seq.in_(some)))
        connection.execute(delete(table.name).where(_name.org == org, _name.seq.in_(some)))
    _take_from_lists(connection, org, frozenset(seqs), end)


def _take_from_lists(connection: Connection, org: str, gone: frozenset[int], end: int) -> None:
    asked: dict[str, Any] = {"org": org, "end": end, "kind": "", "key": "", "first": -1}
    while rows := connection.execute(_LISTS, asked).all():
        shorter = [_without(row.seqs, gone) for row in rows]
        changed = [(row, left) for row, left in zip(rows, shorter, strict=True) if left != row.seqs]
        if changed:
            of = {"of": org}
            dropped = [{"of_kind": r.kind, "of_key": r.key, "of_first": r.first} | of for r, _ in changed]
            connection.execute(_DROP_LIST, dropped)
        if made := [_list(org, row.kind, row.key, left) for row, left in changed if left]:
            connection.execute(insert(table.index), made)
        asked |= {"kind": rows[-1].kind, "key": rows[-1].key, "first": rows[-1].first}


def _without(seqs: str, gone: frozenset[int]) -> str:
    return " ".join([seq for seq in seqs.split(" ") if int(seq) not in gone])


def _list(org: str, kind: str, key: str, seqs: str) -> dict[str, Any]:
    return {"org": org, "kind": kind, "key": key, "first": int(seqs.partition(" ")[0]), "seqs": seqs}
