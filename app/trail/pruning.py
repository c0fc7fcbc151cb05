"""Pruning a chain: one turn that enters what is taken out, and takes it out.

The turn runs with the login that owns the tables, in one transaction: protection off, lines out, protection
on, the entry. A crash leaves all of it or nothing. The entry names the month up to which, the root and the
peaks there, and the rule; whoever verifies asks whether the month was closed and its time was over.

Source: AUDIT-2; app/decisions/0016-pruning.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import orjson
from sqlalchemy import Connection

from app.access.drafting import further_entry
from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.audit import indexing, merkle, pruning, reading, segments, verify
from app.audit.pruning import Survey
from app.audit.reading import Wanted
from app.audit.unprotecting import unprotected
from app.core.clock import spell
from app.core.errors import ConflictError, InvalidRequestError

PRUNE = Operation("*", "*", "system", "self", pruning.ACT, 200)
LEAST_YEARS = verify.LEAST_YEARS
"""What no setting goes below: the Records Management Code keeps care records for eight years."""
CLOSINGS_AT_ONCE = 50


class Taken(NamedTuple):
    """What was pruned: up to which month and line, and how many lines went."""

    month: str
    end: int
    lines: int


class _Closed(NamedTuple):
    """A closed month, and the root with which it was closed, in hex."""

    month: str
    end: int
    root: str


@dataclass
class PruneChain(Work):
    """Take out what is before an instant and may go; the connection has to be the owner's.

    Attributes:
        before: The instant, spelled; months that end later are left alone.
        years: How long entries are kept.
    """

    before: str
    years: int
    silent = True  # its entry is the one beside it
    own_sql = True
    alone = True

    def perform(self, opened: Opened) -> Answer:
        """Return `Taken`, or None where nothing is left to be pruned.

        Raises:
            InvalidRequestError: Some of it has to be kept still.
            ConflictError: A line that goes is not what was signed, or the month is not closed yet.
        """
        connection, org = opened.connection(), opened.org
        while indexing.catch_up(connection, org, indexing.LONGEST_PIECE):
            pass
        segment = _last_due(connection, org, self.before)
        if segment is None or segment.end <= pruning.first_kept(connection, org):
            return Answer(None)
        self._refuse_early(segment, spell(opened.at))
        survey = pruning.survey(connection, org, segment.end)
        _enter(opened, segment, survey, self.years)
        with unprotected(connection):
            pruning.remove(connection, org, survey.going, segment.end)
        return Answer(Taken(segment.month, segment.end, len(survey.going)))

    def _refuse_early(self, segment: _Closed, now: str) -> None:
        if self.years < LEAST_YEARS:
            raise InvalidRequestError(detail=f"entries are kept for {LEAST_YEARS} years at least")
        until = verify.kept_until(segment.month, self.years)
        if until > now:
            told = f"entries of {segment.month} are kept until {until[:10]}: the rule is {self.years} years"
            raise InvalidRequestError(detail=f"{told}. Nothing was pruned.")


def _last_due(connection: Connection, org: str, before: str) -> _Closed | None:
    """Return the newest closed month that ends before an instant."""
    for closed in _all_closed(connection, org):
        if verify.start_of(verify.month_after(closed.month)) <= before:
            return closed
    return None


def _all_closed(connection: Connection, org: str) -> Iterator[_Closed]:
    """Yield the closed months of a chain, the newest first."""
    before: int | None = None
    while True:
        page = reading.page(connection, org, Wanted(act=segments.ACT), before, CLOSINGS_AT_ONCE)
        for entry in page.entries:
            event = orjson.loads(entry.line)["e"]
            yield _Closed(event["obj"]["id"], event["seg"]["end"], event["seg"]["root"])
        if page.next is None:
            return
        before = page.next


def _enter(opened: Opened, closed: _Closed, survey: Survey, years: int) -> None:
    """Put the entry beside the turn's own: it is appended after all else, in the same transaction."""
    root = merkle.root(survey.peaks).hex()
    if root != closed.root:
        raise ConflictError(
            "Lines are not those the month was closed with. Look at `caretrail audit verify`.",
            why="segment-differs",
        )
    opened.note.object = ("segment", closed.month)
    draft = further_entry(opened, pruning.ACT)
    draft.event["prune"] = {
        "first": pruning.first_kept(opened.connection(), opened.org),
        "end": closed.end,
        "lines": len(survey.going),
        "prev": survey.prev.hex(),
        "root": root,
        "peaks": [peak.hex() for peak in survey.peaks],
        "years": years,
    }
    opened.also.append(draft)
