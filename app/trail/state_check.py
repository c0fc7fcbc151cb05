"""The rows against the trail, both ways: `caretrail audit verify --state`.

The newest entry that changed a row holds its version and a keyed digest of all its columns. So a row that
was changed, set back, deleted, inserted or given another's columns behind the service's back is not what
its entry says - whoever did it, and whatever rights they have in the database. One pass over the lines
fills a ledger; one pass over each table compares.

Not proven here: that the lines themselves are what was signed (`audit.database_check` says that, in the same
snapshot), and columns outside the digests: see app/audit/README.md.

Source: AUDIT-2, promises P2 and P5.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from app.audit.database_check import organisations_in
from app.audit.database_report import DatabaseReport
from app.audit.verify import BROKEN, Report, TamperedError, shown
from app.core.errors import SealBrokenError
from app.storage.snapshot import Snapshot
from app.trail.state_kinds import Keys, Kind, Row, root_fits
from app.trail.state_ledger import Ledger, Said, Share
from app.vault.keyring import Keyring
from app.vault.sealing import same_digest

LINES = "SELECT line FROM audit_event WHERE org = ? ORDER BY seq"
MOST_TOLD = 100
"""Findings of one kind told in full for one chain; of the others, how many there are."""
WRONG_ROOT = "the rows were not compared: the root key is not the one this database was made with"
NOT_ADOPTED = (
    "{}: none of these {} rows has an entry, as an older version left them. Each is what its own digest says;"
    " that none was set back or taken away nobody can vouch for. The first start of this version enters them"
    " as they stand: compare them with what you know before it"
)
Find = Callable[[TamperedError, str, str], None]
"""Takes a finding, and the kind and id of the row it is about."""


def check_state(
    snapshot: Snapshot, report: DatabaseReport, keyring: Keyring, kinds: Sequence[Kind], at: datetime
) -> None:
    """Compare all rows with all chains and add to the report on each chain.

    Args:
        snapshot: The one the lines were checked in.
        report: On the lines of every chain.
        keyring: With the root key.
        kinds: The rows to compare.
        at: Now.
    """
    if not root_fits(snapshot, keyring):
        report.unreadable = WRONG_ROOT
        return
    for org in _strange(snapshot, kinds, {chain.organisation for chain in report.chains}):
        report.chains.append(Report(organisation=org))
    for chain in report.chains:
        _Told(chain).check(snapshot, keyring, kinds, at)


def _strange(snapshot: Snapshot, kinds: Sequence[Kind], known: set[str]) -> list[str]:
    """Return the organisations that have rows but no chain."""
    return sorted({org for kind in kinds for org in organisations_in(snapshot, kind.table)} - known)


class _Told:
    """What is told of the rows of one chain."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._counts: dict[str, int] = {}

    def check(self, snapshot: Snapshot, keyring: Keyring, kinds: Sequence[Kind], at: datetime) -> None:
        org = self._report.organisation
        try:
            keys = Keys(snapshot, keyring, org, at)
        except SealBrokenError as error:
            text = f"the organisation's key does not open ({error.why}): no row can be compared"
            self._report.findings.append(TamperedError("STATE", text))
            return
        ledger = new_ledger(kinds, Share())
        start = 0
        for batch in snapshot.rows(LINES, org):
            ledger.take(start, [line for (line,) in batch])
            start += len(batch)
        compared = [self._compare(snapshot, keys, ledger, kind) for kind in kinds]
        for seq, text in ledger.faults:
            self.find(TamperedError("STATE", text, seq), "", "")
        self._conclude(dict(compared))

    def _compare(self, snapshot: Snapshot, keys: Keys, ledger: Ledger, kind: Kind) -> tuple[str, int]:
        alone = kind.adopted and bool(self._report.count) and not ledger.rows(kind.name)
        check = RowCheck(kind, ledger, self.find, alone=alone)
        for batch in snapshot.rows(kind.all, keys.org, batch=kind.batch):
            check.take(keys, batch)
        check.finish(keys)
        if alone and check.count:
            self._report.doubts.append(NOT_ADOPTED.format(f"{kind.name.upper()}S", check.count))
        return kind.table, check.count

    def find(self, found: TamperedError, _kind: str, _row: str) -> None:
        self._counts[found.kind] = self._counts.get(found.kind, 0) + 1
        if self._counts[found.kind] <= MOST_TOLD:
            self._report.findings.append(found)

    def _conclude(self, compared: dict[str, int]) -> None:
        for kind, count in self._counts.items():
            if count > MOST_TOLD:
                self._report.findings.append(TamperedError(kind, f"{count - MOST_TOLD} more"))
        counts = ", ".join(f"{count} of {table}" for table, count in compared.items() if count) or "none"
        verdict = "were compared" if self._counts else "are what their entries say, none is missing"
        self._report.checked.append(f"{sum(compared.values())} rows {verdict}: {counts}")


def new_ledger(kinds: Iterable[Kind], share: Share, most: int = 0) -> Ledger:
    """Return an empty ledger for rows of these kinds."""
    listed = list(kinds)
    return Ledger({k.name for k in listed}, {k.name for k in listed if k.state is None}, share, most)


class RowCheck:
    """Compares the rows of one table, in the order of their keys, with what the trail says of them."""

    def __init__(
        self, kind: Kind, ledger: Ledger, find: Find, settled: int | None = None, *, alone: bool = False
    ) -> None:
        """Begin before the first row.

        Args:
            kind: The rows.
            ledger: What the trail says; it may grow while rows are taken.
            find: Takes what is found.
            settled: Entries from this one on may be of rows that came after the pass over the table began;
                such rows are not missed.
            alone: There are no entries about any: each is judged by the digest it carries.
        """
        self._alone = alone
        self.kind, self._ledger, self._find, self._settled = kind, ledger, find, settled
        self._seen: set[Any] = set()
        self._last: tuple[Any, int] | None = None
        self.count = 0

    def take(self, keys: Keys, rows: Iterable[Row]) -> None:
        """Compare the next rows."""
        kind, ledger = self.kind, self._ledger
        for row in rows:
            self.count += 1
            name, version = row[kind.id], row[kind.version]
            if self._alone or not ledger.has(name):
                self._judge_alone(keys, row)
            elif kind.state is None:
                self._judge_version(keys, row, name, version)
            else:
                self._seen.add(name)
                self._judge(keys, row, ledger.newest(kind.name, name))

    def finish(self, keys: Keys) -> None:
        """Miss the rows that the trail knows and the table does not hold."""
        kind = self.kind
        if kind.state is None:
            self._close_history()
        what = "row missing" if kind.state is not None else "earlier versions missing"
        for name in self._ledger.rows(kind.name):
            said = self._ledger.newest(kind.name, name) if name not in self._seen else None
            if said is not None and self._is_settled(said) and not self._is_gone(keys, name, said):
                self._tell(name, f"{what}, no entry deletes it (entry #{said.seq}, version {said.version})")

    def _is_settled(self, said: Said) -> bool:
        return self._settled is None or said.seq < self._settled

    def _is_gone(self, keys: Keys, name: str, said: Said) -> bool:
        """Say whether the entry removed the row: only who has the keys can have it say so."""
        return self.kind.gone is not None and same_digest(said.state, self.kind.gone(keys, name))

    # --- one row ------------------------------------------------------------------------------

    def _judge(self, keys: Keys, row: Row, said: Said | None) -> None:
        name, version = row[self.kind.id], row[self.kind.version]
        if said is None:
            self._tell(name, "row without an entry: no entry makes it")
        elif version != said.version:
            way = "was set back to" if _behind(version, said) else "is at"
            text = f"row {way} version {shown(version)}, the chain says {said.version} (entry #{said.seq})"
            self._tell(name, text)
        elif self._differs(keys, row, said):
            self._tell(name, f"row differs from entry #{said.seq}, version {said.version}")
            self._ledger.altered.add(name)
            self._judge_further(keys, row, name, altered=True)
        else:
            self._judge_further(keys, row, name)

    def _differs(self, keys: Keys, row: Row, said: Said) -> bool:
        kept = self.kind.state
        if kept is not None and row[kept] != said.state:
            return True
        digest = self._digest(keys, row)
        return digest is not None and digest != said.state

    def _judge_alone(self, keys: Keys, row: Row) -> None:
        """Judge a row of which the trail's word was not kept in mind: by the digest it carries."""
        kind = self.kind
        if kind.state is None:
            return
        digest = self._digest(keys, row)
        if digest is not None and (not digest or digest != row[kind.state]):
            self._ledger.altered.add(row[kind.id])
            self._tell(row[kind.id], f"row differs from its own digest, version {shown(row[kind.version])}")
        else:
            self._judge_further(keys, row, row[kind.id])

    def _judge_further(self, keys: Keys, row: Row, name: Any, *, altered: bool = False) -> None:
        try:
            faults = self.kind.further(keys, self._ledger, row)
        except (SealBrokenError, *BROKEN):
            # Of a row told of already nothing more is to be said
            faults = [] if altered else [("STATE", "what is sealed in the row does not open in its place")]
        for kind, text in faults:
            self._tell(name, text, kind)

    def _digest(self, keys: Keys, row: Row) -> bytes | None:
        try:
            return self.kind.digest(keys, row)
        except (SealBrokenError, *BROKEN):
            return b""  # its key does not open, or a column is not of its type: it differs, whatever it says

    # --- earlier versions ---------------------------------------------------------------------

    def _judge_version(self, keys: Keys, row: Row, name: Any, version: Any) -> None:
        if self._last is None or self._last[0] != name:
            self._close_history()
        due = self._last[1] + 1 if self._last is not None else 1
        if version != due:
            self._tell(name, f"earlier version {due} is missing, version {shown(version)} follows")
        self._last = (name, version if isinstance(version, int) else due)
        self._seen.add(name)
        said = self._ledger.of_version(self.kind.name, name, version)
        if said is None:
            self._tell(name, f"version {shown(version)} is kept without an entry")
        elif name in self._ledger.altered:
            return  # a version is judged with columns of its record, which is told of already
        elif self._differs(keys, row, said):
            self._tell(name, f"the version kept differs from entry #{said.seq}, version {said.version}")
        else:
            self._judge_further(keys, row, name)

    def _close_history(self) -> None:
        """Judge whether the versions of the last record went up to the newest."""
        if self._last is not None:
            name, version = self._last
            said = self._ledger.newest(self.kind.name, name)
            if said is not None and version < said.version:
                self._tell(name, f"version {said.version} of entry #{said.seq} is not among those kept")
        self._last = None

    def _tell(self, name: Any, text: str, kind: str = "STATE") -> None:
        found = TamperedError(kind, f"{self.kind.name} {shown(name)}: {text}")
        self._find(found, self.kind.name, str(name))


def _behind(version: Any, said: Said) -> bool:
    return isinstance(version, int) and version < said.version
