"""The check of the stored trail itself: every line, head, checkpoint and guard, in constant memory.

For each chain: the lines are one unbroken chain, each leaf stored beside a line is that line's, the
root at every signed size is the signed one, the head row - size, last leaf, time, peaks - is where the
lines end, and nothing that was signed is missing. The chain itself is checked by the very code an
auditor runs offline (`verify.ChainCheck`).

Not proven here: what checkpoints kept by somebody else would show. The report says so.

Source: AUDIT-2, promise P5.
"""

import heapq
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import chain as joined
from typing import Any, NamedTuple

from sqlalchemy import Engine

from app.audit import merkle, pruning
from app.audit.checkpoint import Notary
from app.audit.database_report import DatabaseReport
from app.audit.earlier_trees import peaks_of
from app.audit.guard_file import Guards, KnownGuards
from app.audit.hearing import Hearing
from app.audit.missing import missing_months
from app.audit.schema_digest import check_snapshot
from app.audit.schema_record import against_record
from app.audit.signed_meanwhile import Unsigned, wait_for_checkpoints, why_not_ours
from app.audit.stored import HeadRow
from app.audit.verify import UNREADABLE, ChainCheck, Present, Report, TamperedError, Tree, shown
from app.audit.verify import Checkpoint as Said
from app.core.clock import SystemClock, spell
from app.core.errors import StartRefusedError
from app.storage import snapshot as snapshots
from app.storage.schema import SERVICE_ROLE
from app.storage.snapshot import Rows, Snapshot, open_snapshot

_LINES = "SELECT seq, line, leaf FROM audit_event WHERE org = ? ORDER BY seq"
_CHECKPOINTS = "SELECT size, root, note FROM audit_checkpoint WHERE org = ? ORDER BY size"
_HEADS = "SELECT org, size, leaf, ts, peaks FROM audit_head ORDER BY org"
_NEXT_ORG = "SELECT min(org) FROM {table} WHERE org > ?"


def check_database(
    engine: Engine,
    notary: Notary,
    guards: Guards | None = None,
    also: Callable[[Snapshot, DatabaseReport], None] | None = None,
    now: datetime | None = None,
    patience_s: float = 0.0,
) -> DatabaseReport:
    """Return the report on everything an engine's database holds of the trail. Never raises for its content.

    Args:
        engine: The database; a read-only connection of its own is opened beside it.
        notary: Whose signatures count.
        guards: The guard files, where they are at hand.
        also: Checks more in the same snapshot, once the lines were checked, and adds to the report.
        now: The present, by which it is judged what time is over; by default what the clock here says.
        patience_s: How long lines that are not signed yet may take to be; without it nobody waits for them.
    """
    report, present = DatabaseReport(), now or SystemClock().now()
    unsigned: list[Unsigned] = []
    known = KnownGuards(guards) if guards is not None else None
    try:
        with open_snapshot(engine) as snapshot:
            by = _By(notary, known, Present(spell(present)), unsigned)
            heads = {head.org: head for head in _heads(snapshot)}
            guarded = set(known.read_before) if known is not None else set()
            for org in sorted({*heads, *guarded, *_chains(snapshot)}):
                report.chains.append(_ChainInDatabase(snapshot, org, heads.get(org), by).run())
            schema = check_snapshot(snapshot, engine.dialect.name, SERVICE_ROLE)
            report.schema = against_record(schema, snapshot)
            if also is not None:
                also(snapshot, report)
        wait_for_checkpoints(engine, [one for one in unsigned if one.may_be_signed(present)], patience_s)
    except (*UNREADABLE, *snapshots.UNREADABLE) as error:
        report.unreadable = f"{shown(error)} ({type(error).__name__})"
    return report


def _heads(snapshot: Snapshot) -> list[HeadRow]:
    return [HeadRow._make(row) for batch in snapshot.rows(_HEADS) for row in batch]


def _chains(snapshot: Snapshot) -> Iterator[str]:
    """Yield the chains that have lines or checkpoints, whether or not there is a head for them."""
    for table in ("audit_event", "audit_checkpoint"):
        yield from organisations_in(snapshot, table)


def organisations_in(snapshot: Snapshot, table: str) -> Iterator[str]:
    """Yield whose rows a table holds, one question for each: it may hold millions."""
    org = ""
    while True:
        [[(found,)]] = snapshot.rows(_NEXT_ORG.format(table=table), org)
        if found is None:
            return
        org = found
        yield org


# --- One chain ------------------------------------------------------------------------------------


class _By(NamedTuple):
    """By what all chains are judged."""

    notary: Notary
    guards: KnownGuards | None
    present: Present
    unsigned: list[Unsigned]


class _Signed(NamedTuple):
    """A root that was signed for a size, and who says so."""

    size: int
    root: bytes
    where: str


class _Taken:
    """Stands in for the tree of a `ChainCheck`: keeps the leaves of the lines it found good."""

    def __init__(self) -> None:
        self.leaves: list[bytes] = []

    def extend(self, leaves: list[bytes]) -> None:
        self.leaves += leaves


class _ChainInDatabase:
    def __init__(self, snapshot: Snapshot, org: str, head: HeadRow | None, by: "_By") -> None:
        self.snapshot, self.org, self.head = snapshot, org, head
        self.notary, self.guards, self.unsigned = by.notary, by.guards, by.unsigned
        self.origin, self.keys = by.notary.origin(org), by.notary.keys(org)
        self.report = Report(organisation=org)
        self.chain, self.taken, self.tree = ChainCheck(org), _Taken(), Tree()
        self.chain.tree = self.taken  # type: ignore[assignment]  # roots are due at any size, not by batches
        self.signed = heapq.merge(self._stored(), self._guard(), key=lambda signed: signed.size)
        self.checkpoints, self.newest, self.guarded = 0, 0, 0
        self.hearing = Hearing(snapshot, self.report, by.present, self._add)
        self.gaps = self.hearing.gaps
        self.due = next(self.signed, None)

    def run(self) -> Report:
        try:
            self._check_lines()
            self._check_missing()
            self._check_head()
            self.gaps.conclude(self.report)
        except TamperedError as found:
            self.report.findings.append(found)
            self.gaps.break_off(self.report)
        self._conclude()
        return self.report

    def _find(self, kind: str, text: str, seq: int | None = None) -> None:
        self._add(TamperedError(kind, text, seq))

    def _add(self, finding: TamperedError) -> None:
        if finding.kind not in {found.kind for found in self.report.findings}:
            self.report.findings.append(finding)  # the first of a kind is enough

    # --- what was signed --------------------------------------------------------------------------

    def _stored(self) -> Iterator[_Signed]:
        """Yield the stored checkpoints by size; those that are not what we signed are findings."""
        for size, root, text in joined.from_iterable(self.snapshot.rows(_CHECKPOINTS, self.org)):
            if fault := why_not_ours(self.keys, Said(self.origin, size, root), text):
                self._find("CHECKPOINT", f"the stored checkpoint of size {shown(size)}{fault}")
                continue
            self.checkpoints, self.newest = self.checkpoints + 1, size
            yield _Signed(size, root, "a stored checkpoint")

    def _guard(self) -> Iterator[_Signed]:
        """Yield what the guard file knows, if there is one."""
        try:
            guard = self.guards.read(self.org) if self.guards is not None else None
        except StartRefusedError as refused:
            self._find("GUARD", str(refused))
            return
        if guard is not None:
            self.guarded = guard.size
            yield _Signed(guard.size, guard.root, "the guard file")
        elif self.head is not None and self.head.size:
            self.report.doubts.append("GUARD: no guard file was compared")

    # --- the lines --------------------------------------------------------------------------------

    def _check_lines(self) -> None:
        self._grow([], 0)
        batches = self.snapshot.rows(_LINES, self.org)
        batch = next(batches, [])
        while batch:
            following = next(batches, [])
            self._check_batch(batch, following[0][1] if following else b"")
            batch = following

    def _check_batch(self, batch: Rows, following: Any) -> None:
        start = self.chain.size
        seqs, lines, leaves = map(list, zip(*batch, strict=True))
        if {*map(type, lines), *map(type, leaves)} != {bytes}:
            raise TamperedError("CANON", "from here on a line or leaf is not stored as bytes", start)
        self.taken.leaves = []
        pruning.feed(self.chain, lines, leaves, following if isinstance(following, bytes) else b"")
        good = self.taken.leaves
        self._grow(good, start)
        self.hearing.hear(lines[: len(good)], start)
        if (at := _first_other(good, leaves)) is not None:
            self._find("LEAF", "the leaf stored beside the line is not the line's", start + at)
        if self.chain.fault:
            if self.chain.fault.kind == "SEQ":
                self.report.findings += missing_months(self.snapshot, self.org, self.chain.size)
            raise self.chain.fault
        if (at := _first_other(seqs, list(range(start, self.chain.size)))) is not None:
            raise TamperedError("SEQ", "the line is stored under another number", start + at)

    def _grow(self, leaves: list[bytes], size: int) -> None:
        """Take leaves into the tree that has `size` of them, and compare at every signed size."""
        self.report.count = size + len(leaves)
        self.hearing.note(self.tree, size)
        while self.due is not None and self.due.size <= self.report.count:
            more = self.due.size - size
            self.tree.extend(leaves[:more])
            leaves, size = leaves[more:], self.due.size
            self._compare(self.due)
        self.tree.extend(leaves)

    def _compare(self, due: _Signed) -> None:
        self.due = next(self.signed, None)
        if self.tree.root() == due.root:
            self.report.signed_size = due.size
            return
        good = self.report.signed_size
        text = f"the first {due.size} lines have another root than {due.where} signs;"
        self._find("ROOT", f"{text} the newest signed size that holds is {good}", good)
        self.due = None  # no later root can hold

    # --- the end ----------------------------------------------------------------------------------

    def _check_missing(self) -> None:
        while self.due is not None:
            missing = self.due.size - self.chain.size
            kind = "ROLLBACK" if self.due.where == "the guard file" else "TRUNCATED"
            text = f"{self.due.where} signs {self.due.size} lines, {missing} of them are missing"
            self._find(kind, text, self.chain.size)
            self.due = next(self.signed, None)

    def _check_head(self) -> None:
        size, peaks = self.chain.size, peaks_of(self.tree)
        if self.head is None:
            self._find("HEAD", f"there are {size} lines and no head row")
            return
        expected = HeadRow(
            self.org, size, bytes.fromhex(self.chain.prev), self._last_ts(), merkle.pack(peaks)
        )
        for name, is_, should in zip(HeadRow._fields, self.head, expected, strict=True):
            if is_ != should:
                self._find("HEAD", f"{name} of the head row is not that of the last line")

    def _last_ts(self) -> str:
        if not self.chain.size and self.head is not None:
            return self.head.ts  # a chain without lines has no time yet
        return self.chain.time()

    def _conclude(self) -> None:
        report, checked = self.report, self.report.checked.append
        if report.count:
            report.first, report.last = 0, report.count - 1
        checked(f"{report.count} lines are one unbroken chain")
        checked(
            f"{self.checkpoints} checkpoints are signed, their roots hold up to size {report.signed_size}"
        )
        if not report.findings:
            checked("the head row is where the lines end")
        if self.newest < self.guarded and not report.findings:
            text = f"the guard file holds a checkpoint of {self.guarded} lines,"
            self._find("CHECKPOINT", f"{text} {self._kept()}")
        self.hearing.conclude(self.chain.time())
        tail = report.count > report.signed_size and not report.findings
        if tail or (report.count and not self.checkpoints):
            newest = f"TAIL: the lines from #{report.signed_size} on are not signed yet"
            told = newest if self.checkpoints else "UNSIGNED: there is no checkpoint"
            self.unsigned.append(Unsigned(report, self.tree, self.chain.time(), self.notary, told))

    def _kept(self) -> str:
        return f"the newest stored one is of {self.newest}" if self.newest else "not one is stored"


def _first_other(values: list[Any], expected: list[Any]) -> int | None:
    """Return where two lists first differ, as far as both go."""
    both = min(len(values), len(expected))
    if values[:both] == expected[:both]:
        return None
    pairs = enumerate(zip(values, expected, strict=False))
    return next((at for at, (value, other) in pairs if value != other), None)
