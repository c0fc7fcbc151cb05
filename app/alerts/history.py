"""Judging the past once more: what the rules, as they are now, say of lines since an instant.

Habits are learnt anew from the four weeks before. Facts beside the trail - where residents live, who holds
which rights - are those of today; shifts are those of then. What is stored of the judging while serving is
neither read nor changed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.alerts.facts import GatherFacts, Incidents, Kept, no_others
from app.alerts.judging import Piece, ReadPiece, first_place
from app.alerts.raising import raise_alert
from app.audit.pruning import first_kept
from app.audit.stored import first_at, size_of
from app.core.clock import spell
from app.core.identifiers import SYSTEM
from app.detection.event import Event
from app.detection.facts import Facts
from app.detection.finding import Finding
from app.detection.habit import REMEMBERED
from app.detection.judging import judge
from app.detection.state import State

RUN = Operation("*", "*", "system", "self", "detection.run", 200)
PIECE = 1000
EARLIEST = datetime(1970, 3, 1, tzinfo=UTC)
"""No trail is older; four weeks before it there are dates still."""
RAISED_AT_ONCE = 20

Do = Callable[[Work], Awaitable[Any]]
"""Has a work done for the organisation, silently, and returns its payload."""


class Range(NamedTuple):
    """From which line on to learn, from which to judge, and where to end."""

    learn: int
    start: int
    end: int


@dataclass
class FindRange(Work):
    """Find the lines of a run. Answers with a `Range`."""

    chain: str
    since: datetime
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Look the instants up; what was pruned is left out."""
        connection, size = opened.connection(), size_of(opened.connection(), self.chain)
        low = max(first_kept(connection, self.chain), first_place(opened, self.chain))
        learnt = spell(max(self.since, EARLIEST) - timedelta(days=REMEMBERED))
        learn = first_at(connection, self.chain, size, learnt, low)
        return Answer(
            Range(learn, first_at(connection, self.chain, size, spell(max(self.since, EARLIEST)), low), size)
        )


@dataclass
class RaiseFound(Work):
    """Raise alerts for findings; those that were raised already stay as they are. Answers with their ids."""

    findings: list[Finding]
    silent = True
    alone = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Raise them in the order in which they were found."""
        return Answer([raise_alert(opened, finding) for finding in self.findings])


@dataclass
class RecordRun(Work):
    """Leave the entry of a run: since when, and what it came to."""

    since: datetime
    findings: int
    raised: bool

    def perform(self, opened: Opened) -> Answer:
        """Note it."""
        opened.note.object = ("detection", None)
        told = {"since": spell(self.since), "findings": self.findings, "raised": int(self.raised)}
        opened.note.members["detection"] = told
        return Answer()


async def found_since(do: Do, org: str, since: datetime, incidents: Incidents = no_others) -> list[Finding]:
    """Return what the rules find in an organisation's chain, and for it in the system's, since an instant."""
    found: list[Finding] = []
    for chain in (org, SYSTEM):
        found += await _found_in(do, chain, since, incidents)
    return sorted(found, key=lambda one: (one.at, one.chain, one.entries))


async def _found_in(do: Do, chain: str, since: datetime, incidents: Incidents) -> list[Finding]:
    lines: Range = await do(FindRange(chain, since))
    state, kept, found = State(chain), Kept(), list[Finding]()
    at = lines.learn
    while at < lines.end:
        learning = at < lines.start
        most = min(PIECE, (lines.start if learning else lines.end) - at)
        piece: Piece = await do(ReadPiece(chain, at, most))
        events = await asyncio.to_thread(piece.events)
        facts: Facts = await do(GatherFacts(events, kept, incidents))
        if learning:
            _learn(state, events, facts)
        else:
            found += await asyncio.to_thread(judge, state, events, facts, piece.settings)
        at = piece.end
    return found


def _learn(state: State, events: list[Event], facts: Facts) -> None:
    for event in events:
        state.observe(event, facts)


async def raise_all(do: Do, findings: list[Finding]) -> int:
    """Raise alerts for findings, some at a time, and return how many alerts tell of them."""
    alerts: set[str] = set()
    for n in range(0, len(findings), RAISED_AT_ONCE):
        alerts.update(await do(RaiseFound(findings[n : n + RAISED_AT_ONCE])))
    return len(alerts)
