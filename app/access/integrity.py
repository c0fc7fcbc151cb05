"""The entry `integrity.fail`: a row or a line was changed behind the service's back, and somebody met it.

It goes with the refused attempt's own entry, names the row and nothing of its content, and is made once
for a row in the life of a process: whoever looks sees the first time, not ten thousand.
"""

import logging
from collections.abc import Sequence

from app.access.attempt import Attempt
from app.audit.entry import Draft, begin
from app.core.errors import AlteredRow, SealBrokenError

logger = logging.getLogger(__name__)

MOST_TOLD = 10_000
"""Rows told of by one process; beyond them the log alone tells."""
_WHY = "state-broken"
_Place = tuple[str, AlteredRow]


class Alarms:
    """Which altered rows were told of already. An alarm counts as told when its turn is committed."""

    def __init__(self) -> None:
        self._told: set[_Place] = set()
        self._pending: set[_Place] = set()

    def drafts(self, attempts: Sequence[Attempt]) -> list[Draft]:
        """Return an entry for each altered row that these attempts met and nobody was told of."""
        self._pending = {place for attempt in attempts for place in _met(attempt)} - self._told
        if self._pending and len(self._told) < MOST_TOLD:
            return [_draft(org, row) for org, row in sorted(self._pending, key=str)]
        return []

    def committed(self) -> None:
        """Take note that the entries of the last call are in the trail."""
        for org, row in self._pending:
            logger.critical("integrity-fail", extra={"chain": org, "kind": row.kind, "row": row.id})
        if len(self._told) < MOST_TOLD:
            self._told |= self._pending
        self._pending = set()


def _met(attempt: Attempt) -> list[_Place]:
    opened, error = attempt.opened, attempt.error
    if opened is None:
        return []
    rows = list(opened.altered)
    if isinstance(error, SealBrokenError) and error.row is not None:
        rows.append(error.row)
    return [(opened.note.org or opened.org, row) for row in rows]


def _draft(org: str, row: AlteredRow) -> Draft:
    event = begin("integrity.fail", "fail", {"id": "system:integrity", "kind": "system"})
    event |= {"why": _WHY, "obj": {"t": row.kind, "id": row.id}}
    if row.resident is not None:
        event["subs"] = [row.resident]
    return Draft(org, event)
