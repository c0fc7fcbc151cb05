"""Lines that had no checkpoint yet when they were read: looked at again until one covers them.

Beside a busy service there are always such lines: it signs once a second. Their tree goes on with the lines
that came after them, up to the first checkpoint made since. If that signs the root of this tree, the lines
that were read are what it signs, and none of them has to be read again. Whatever else comes of it, they stay
lines that nobody can vouch for.

Not proven here: anything of the lines that came after.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import chain as joined
from typing import Any

from sqlalchemy import Engine

from app.audit import note
from app.audit.checkpoint import Notary
from app.audit.verify import Checkpoint, Key, Report, Tree, leaf_hash
from app.core.clock import monotonic, parse
from app.core.errors import CaretrailError
from app.storage.snapshot import Snapshot, open_snapshot

LOOK_EVERY_S = 0.5
NOBODY_SIGNS_AFTER = timedelta(minutes=1)
"""Where the newest line is older and has no checkpoint, none is on its way."""
_FIRST_SINCE = (
    "SELECT size, root, note FROM audit_checkpoint WHERE org = ? AND size >= ? ORDER BY size LIMIT 1"
)
_LINES = "SELECT line FROM audit_event WHERE org = ? AND seq >= ? AND seq < ? ORDER BY seq"


def why_not_ours(keys: Sequence[Key], stored: Checkpoint, text: Any) -> str:
    """Return why a stored checkpoint is not what we signed, as the end of a sentence; nothing if it is."""
    try:
        said = note.read_checkpoint(note.open_note(str(text), keys))
    except CaretrailError as error:
        return f": {error.why}"
    return "" if said == stored else " was signed for another chain, size or root"


class Unsigned:
    """The newest lines of one chain, which are not signed yet."""

    def __init__(self, report: Report, tree: Tree, newest: str, notary: Notary, doubt: str) -> None:
        """Tell of them in the report.

        Args:
            report: On the chain.
            tree: Over all its lines. It is used up here.
            newest: The time of the newest line.
            notary: Whose signatures count.
            doubt: What is told of them, as long as they are not signed.
        """
        self._report, self._tree, self._newest, self._doubt = report, tree, newest, doubt
        self._origin, self._keys = notary.origin(report.organisation), notary.keys(report.organisation)
        report.doubts.append(doubt)

    def may_be_signed(self, present: datetime) -> bool:
        """Say whether somebody may be about to sign them: nothing else is wrong, and their time is recent."""
        try:
            return not self._report.findings and present - parse(self._newest) < NOBODY_SIGNS_AFTER
        except ValueError:
            return False

    def is_settled(self, snapshot: Snapshot) -> bool:
        """Say whether there is a checkpoint by now; the report then says what it shows."""
        org, count = self._report.organisation, self._report.count
        for size, root, text in joined.from_iterable(snapshot.rows(_FIRST_SINCE, org, count)):
            if why_not_ours(self._keys, Checkpoint(self._origin, size, root), text):
                return False
            for batch in snapshot.rows(_LINES, org, count, size):
                self._tree.extend([leaf_hash(line if isinstance(line, bytes) else b"") for (line,) in batch])
            self._conclude(size, covered=self._tree.root() == root)
            return True
        return False

    def _conclude(self, size: int, *, covered: bool) -> None:
        report, doubts = self._report, self._report.doubts
        if covered:
            doubts.remove(self._doubt)
            since = f"a checkpoint of {size} lines, made meanwhile,"
            report.checked.append(f"{since} signs the lines from #{report.signed_size} on as they were read")
            report.signed_size = report.count
        else:
            since = f"The checkpoint of {size} lines made meanwhile signs others than were read."
            doubts[doubts.index(self._doubt)] = f"{self._doubt}. {since} Check again"


def wait_for_checkpoints(engine: Engine, unsigned: Sequence[Unsigned], patience_s: float) -> None:
    """Look for the checkpoints of lines again, until all have one or it takes too long."""
    until, left = monotonic() + patience_s, list(unsigned)
    while left and monotonic() < until:
        time.sleep(LOOK_EVERY_S)
        with open_snapshot(engine) as snapshot:
            left = [one for one in left if not one.is_settled(snapshot)]
