"""The self-check: a serving process reads the whole trail and all rows again and again, slowly.

One piece at a time - some hundred lines, or rows - each from a snapshot of its own, so that no long
transaction stands in anybody's way, and rarely enough to be felt by nobody. The lines of a chain come first
and fill a ledger, and what is derived from them, or sealed beside them, is compared as they are taken; then
come the index, and the rows, while the ledger follows the chain as it grows. In every snapshot rows and lines
belong together, so a busy service is never accused.

Memory stays bounded: of a large organisation each round keeps a share of what the trail says of rows, another
share in each round. The digests of all rows are judged in every round.

What is found stands in the trail (`integrity.fail`), in the log, and makes the service unready.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Engine

from app.audit import merkle, note, pruning
from app.audit.checkpoint import Notary
from app.audit.earlier_trees import peaks_of
from app.audit.verify import ChainCheck, Checkpoint, Present, TamperedError
from app.core.clock import spell
from app.core.entropy import Entropy
from app.core.errors import AlteredRow, CaretrailError, SealBrokenError
from app.storage.snapshot import Snapshot, open_snapshot
from app.trail import index_check
from app.trail.derived import Derived, indexed
from app.trail.state_check import RowCheck, new_ledger
from app.trail.state_kinds import Keys, Kind
from app.trail.state_ledger import Ledger, Share
from app.vault.keyring import Keyring

MOST_KEPT = 100_000
"""Rows of a chain kept in mind in one round, about 20 MB."""
MOST_FOUND = 1000
_ORGS = "SELECT org FROM audit_head ORDER BY org"
_HEAD = "SELECT size, leaf, peaks FROM audit_head WHERE org = ?"
_LINES = "SELECT line, leaf FROM audit_event WHERE org = ? AND seq >= ? AND seq < ? ORDER BY seq"
_SIGNED = (
    "SELECT size, root, note FROM audit_checkpoint"
    " WHERE org = ? AND size > ? AND size <= ? ORDER BY size DESC LIMIT 1"
)


class Found(NamedTuple):
    """A finding, and where its entry belongs."""

    org: str
    finding: TamperedError
    row: AlteredRow


class Means(NamedTuple):
    """What a round works with."""

    engine: Engine
    keyring: Keyring
    notary: Notary
    kinds: Sequence[Kind]
    now: Callable[[], datetime]
    entropy: Entropy


@dataclass(slots=True)
class Round:
    """One walk over everything. `walk` yields after each piece; between two pieces nothing is held open.

    Attributes:
        means: What it works with.
        number: Counts the rounds, from 0.
        most: Lines or rows of one piece.
        lines: Lines found good so far.
        rows: Rows compared so far.
        found: What was found, the first of it.
    """

    means: Means
    number: int
    most: int
    lines: int = 0
    rows: int = 0
    found: list[Found] = field(default_factory=list)

    def walk(self) -> Iterator[None]:
        """Check everything, a piece at a time."""
        with open_snapshot(self.means.engine) as snapshot:
            orgs = [org for batch in snapshot.rows(_ORGS) for (org,) in batch]
        for org in orgs:
            yield from self._chain(org)

    def _chain(self, org: str) -> Iterator[None]:
        ledger = new_ledger(self.means.kinds, Share(self.number), MOST_KEPT)
        with open_snapshot(self.means.engine) as snapshot:
            upto = indexed(snapshot, org) or 0
        derived = self._derived(org, upto)
        lines = _Lines(org, self.means, ledger, self.most, derived)
        more = True
        while more:
            with open_snapshot(self.means.engine) as snapshot:
                more = self._lines(lines, snapshot)
                if lines.fault is None and not more:
                    derived.finish_lines(snapshot, lines.size)
            yield
        if lines.fault is None:
            yield from self._index(lines, derived, upto)
        lines.derived = None  # what comes from here on is compared in the next round
        for kind in self.means.kinds if lines.fault is None else ():
            yield from self._table(lines, kind)
        for seq, text in ledger.faults:
            self._find(org, TamperedError("STATE", text, seq), AlteredRow("audit_event", str(seq)))

    def _derived(self, org: str, upto: int) -> Derived:
        def find(finding: TamperedError, row: AlteredRow) -> None:
            self._find(org, finding, row)

        def keys(snapshot: Snapshot) -> Keys | None:
            with contextlib.suppress(SealBrokenError):  # the comparison of the rows says so
                return Keys(snapshot, self.means.keyring, org, self.means.now())
            return None

        share = Share(self.number)
        return Derived(org, self.means.entropy, find, upto=upto, keys=keys, share=share, most=MOST_KEPT)

    def _index(self, lines: "_Lines", derived: Derived, upto: int) -> Iterator[None]:
        """Compare the index, some lists at a time. It only grows behind what was taken into account.

        The chain is followed meanwhile: a pruning shortens lists, and is an entry.
        """
        after, more = index_check.BEFORE_ALL, True
        while more:
            with open_snapshot(self.means.engine) as snapshot:
                while self._lines(lines, snapshot):
                    pass
                end = indexed(snapshot, lines.org) or 0
                if lines.fault is not None or derived.pruned or end < upto:
                    return  # it is being made anew, or was shortened lawfully; the next round compares it
                asked = snapshot.rows(index_check.PAGE, lines.org, *after, index_check.ROWS_AT_ONCE)
                rows = [row for batch in asked for row in batch]
                derived.index.compare(rows, end, derived.find)
            more = len(rows) == index_check.ROWS_AT_ONCE
            after = rows[-1][:3] if rows else after
            yield
        derived.index.finish(derived.find)

    def _lines(self, lines: "_Lines", snapshot: Snapshot) -> bool:
        before = lines.size
        more = lines.take(snapshot)
        self.lines += lines.size - before
        if (fault := lines.fault) is not None and not more:
            at = fault.seq if fault.seq is not None else lines.size
            self._find(lines.org, fault, AlteredRow("audit_event", str(at)))
        return more

    def _table(self, lines: "_Lines", kind: Kind) -> Iterator[None]:
        """Compare one table. Entries from here on may be of rows the walk has passed by already."""

        def find(finding: TamperedError, named: str, row: str) -> None:
            self._find(lines.org, finding, AlteredRow(named, row))

        check = RowCheck(kind, lines.ledger, find, settled=lines.size)
        after, more = kind.first, True
        while more:
            with open_snapshot(self.means.engine) as snapshot:
                behind = self._lines(lines, snapshot)
                if lines.fault is not None:
                    return
                if not behind:  # the ledger is where this snapshot's chain ends
                    after, more = self._page(snapshot, lines.org, check, after)
            yield

    def _page(
        self, snapshot: Snapshot, org: str, check: RowCheck, after: tuple[Any, ...]
    ) -> tuple[tuple[Any, ...], bool]:
        kind, before = check.kind, check.count
        try:
            keys = Keys(snapshot, self.means.keyring, org, self.means.now())
        except SealBrokenError as broken:
            finding = TamperedError("STATE", f"the organisation's key does not open ({broken.why})")
            self._find(org, finding, AlteredRow("organisation", org))
            return after, False
        for batch in snapshot.rows(kind.page, org, *after, self.most, batch=kind.batch):
            check.take(keys, batch)
            after = kind.at(batch[-1])
        taken = check.count - before
        self.rows += taken
        if taken < self.most:
            check.finish(keys)
        return after, taken == self.most

    def _find(self, org: str, finding: TamperedError, row: AlteredRow) -> None:
        if len(self.found) < MOST_FOUND:
            self.found.append(Found(org, finding, row))


class _Lines:
    """The lines of one chain, checked a piece at a time and entered into a ledger."""

    def __init__(
        self, org: str, means: Means, ledger: Ledger, most: int, derived: Derived | None = None
    ) -> None:
        self.org, self.ledger, self.derived = org, ledger, derived
        self.fault: TamperedError | None = None
        self._chain, self._notary, self._most = ChainCheck(org), means.notary, most
        self._now, self._present = means.now, Present(spell(means.now()))
        self._gaps = pruning.Gaps(self._present)

    @property
    def size(self) -> int:
        """How many lines were found good."""
        return self._chain.size

    def take(self, snapshot: Snapshot) -> bool:
        """Check the next lines; say whether there are more in this snapshot."""
        start, self._present.latest = self.size, spell(self._now())
        try:
            [[(size, leaf, peaks)]] = snapshot.rows(_HEAD, self.org)
            self._check(snapshot, start, min(size, start + self._most))
            if self.size == size:
                self._compare_head(leaf, peaks)
                if (gap := self._gaps.fault()) is not None:
                    raise gap
        except TamperedError as fault:
            self.fault = fault
        except ValueError:
            self.fault = TamperedError("HEAD", "the head row is gone", start)
        return self.fault is None and self.size < size

    def _check(self, snapshot: Snapshot, start: int, end: int) -> None:
        if end < start:
            raise TamperedError("ROLLBACK", f"{start} lines were there, {end} are", end)
        rows = [row for batch in snapshot.rows(_LINES, self.org, start, end) for row in batch]
        if len(rows) != end - start:
            raise TamperedError("SEQ", f"{end - start - len(rows)} lines are missing", start)
        lines, leaves = [line for line, _ in rows], [leaf for _, leaf in rows]
        signed = next((row for batch in snapshot.rows(_SIGNED, self.org, start, end) for row in batch), None)
        upto = signed[0] - start if signed is not None else 0
        self._feed(lines[:upto], leaves[:upto])
        if signed is not None:
            self._compare_root(*signed)
        self._feed(lines[upto:], leaves[upto:])
        for seq, (line, leaf) in enumerate(zip(lines, leaves, strict=True), start):
            if line and merkle.leaf_hash(line) != leaf:
                raise TamperedError("LEAF", "the leaf stored beside the line is not the line's", seq)
        self.ledger.take(start, lines)
        if self.derived is not None:
            self.derived.take(snapshot, start, lines, leaves)

    def _feed(self, lines: list[bytes], leaves: list[bytes]) -> None:
        for fault in self._gaps.take(self._chain.size, lines):
            raise fault
        pruning.feed(self._chain, lines, leaves)
        if self._chain.fault is not None:
            raise self._chain.fault

    def _compare_root(self, size: int, root: bytes, text: str) -> None:
        try:
            said = note.read_checkpoint(note.open_note(text, self._notary.keys(self.org)))
        except CaretrailError as error:
            raise TamperedError("CHECKPOINT", f"the stored checkpoint of size {size}: {error.why}") from error
        if said != Checkpoint(self._notary.origin(self.org), size, root):
            raise TamperedError("CHECKPOINT", f"the stored checkpoint of size {size} was signed for another")
        if self._chain.tree.root() != root:
            raise TamperedError("ROOT", f"the first {size} lines have another root than was signed", size)

    def _compare_head(self, leaf: bytes, peaks: bytes) -> None:
        if (leaf.hex(), peaks) != (self._chain.prev, merkle.pack(peaks_of(self._chain.tree))):
            raise TamperedError("HEAD", "the head row is not that of the last line", self.size)
