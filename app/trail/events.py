"""Reading the trail: its events, one event, and who looked at a resident.

Whoever holds `audit:read` for the whole organisation sees everything in its chain; whoever holds it
at homes sees the entries of those homes: of their residents and of their staff. While exports are frozen
for somebody they are shown one page, and nothing after it.
"""

import re
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

import orjson

from app.access import cursors
from app.access.agent import Agent, Place
from app.access.opened import Opened
from app.access.operation import Operation
from app.access.policy import Question, need
from app.access.work import Answer, Facts, Work
from app.audit import indexing, reading, stored
from app.audit.reading import Wanted
from app.audit.stored import Entry
from app.core.errors import AuditUnavailableError, HiddenError, NotFoundError
from app.trail.freezing import refuse_paging_frozen
from app.trail.showing import show_accesses, show_events

READ = "audit:read"
PRUNED = "This entry was pruned when its time was over. Its number and its leaf are still in the trail."
MOST_CAUGHT_UP = 20_000
"""Lines a question takes into the index itself, about half a second; the housekeeping does the rest."""
_NUMBER = re.compile("0|[1-9][0-9]{0,15}", re.ASCII)


def homes_read(agent: Agent) -> tuple[str, ...] | None:
    """Return the homes whose entries somebody may read; None means the whole organisation.

    A line knows homes, not units: whoever may read for a unit or for named residents only reads
    the access logs of those residents.
    """
    homes = agent.homes_of(READ)
    return None if homes is None else tuple(sorted(homes))


def entry_asked(seq: str) -> tuple[str, str | None]:
    """Return an entry as it stands in a path, if it can be one, for the `obj` of who asks for it."""
    return "audit_event", seq if _NUMBER.fullmatch(seq) else None


def readable_entry(opened: Opened, seq: str) -> Entry:
    """Return an entry by its number, as it stands in a path.

    Raises:
        NotFoundError: There is none.
        HiddenError: This caller may not read it.
    """
    entry = None
    if _NUMBER.fullmatch(seq):
        entry = stored.entry(opened.connection(), opened.org, int(seq))
        if entry is None and stored.is_pruned(opened.connection(), opened.org, int(seq)):
            raise NotFoundError(why="pruned", detail=PRUNED)
    if entry is None:
        raise NotFoundError(why="not-found")
    homes = homes_read(opened.agent)
    if homes is not None and not set(homes).intersection(orjson.loads(entry.line)["e"].get("homes", ())):
        raise HiddenError(why="out-of-scope")
    return entry


@dataclass
class ListEvents(Work):
    """List entries, newest first.

    `since` and `until` are spelled instants, the first included, the second not.
    """

    since: str | None = None
    until: str | None = None
    agent_id: str | None = None
    about_resident: str | None = None
    act: str | None = None
    outcome: str | None = None
    limit: int = 50
    cursor: str | None = None
    own_sql = True

    def asked(self) -> tuple[str, str | None] | None:
        """Return whom the question is about, as asked."""
        if self.about_resident is not None:
            return "resident", self.about_resident
        return ("user", self.agent_id) if self.agent_id is not None else None

    def perform(self, opened: Opened) -> Answer:
        """Return a page of the entries this caller may read."""
        homes = homes_read(opened.agent)
        wanted = Wanted(
            self.since, self.until, self.agent_id, self.about_resident, self.act, self.outcome, homes
        )
        return _Page(opened, wanted, self.limit, self.cursor).answer(show_events)


@dataclass
class ReadEvent(Work):
    """Read one entry by its number, as it stands in the path."""

    seq: str

    def asked(self) -> tuple[str, str | None]:
        """Return the entry as asked, if it can be one."""
        return entry_asked(self.seq)

    def perform(self, opened: Opened) -> Answer:
        """Return the entry, if there is one this caller may read."""
        [item] = show_events(opened, [readable_entry(opened, self.seq)])
        return Answer(item)


@dataclass
class AccessLog(Work):
    """List who looked at a resident or changed something, newest first.

    It needs `audit:read` where the resident lives, and nothing else: not `identity:read`, and it does
    not end with the resident's stay. A resident entered in error still has a log.
    """

    resident_id: str
    since: str | None = None
    until: str | None = None
    limit: int = 50
    cursor: str | None = None
    own_sql = True

    def asked(self) -> tuple[str, str | None]:
        """Return the resident as asked."""
        return "resident", self.resident_id

    def question(self, _operation: Operation, _agent: Agent, facts: Facts, _at: datetime) -> Question:
        """Want `audit:read` where the resident lives."""
        row = facts.resident
        place = Place(row.home_id, row.unit, row.id) if row is not None else None
        return Question(anywhere=need(READ), here=need(READ), place=place, missing=row is None)

    def perform(self, opened: Opened) -> Answer:
        """Return a page of the entries that concern the resident."""
        wanted = Wanted(self.since, self.until, resident_id=self.resident_id)
        return _Page(opened, wanted, self.limit, self.cursor).answer(show_accesses)


@dataclass
class _Page:
    """One page of entries, with the cursor of the next."""

    opened: Opened
    wanted: Wanted
    limit: int
    cursor: str | None

    def answer(self, show: Any) -> Answer:
        opened, query = self.opened, [*astuple(self.wanted), self.limit]
        refuse_paging_frozen(opened, self.limit, self.cursor)
        after = cursors.read(opened, query, self.cursor)
        if self.wanted.conditions() and indexing.catch_up(opened.connection(), opened.org, MOST_CAUGHT_UP):
            # What was indexed stays: the next try has less left to do
            return Answer(refusal=AuditUnavailableError(why="index-behind"))
        before = after[0] if after is not None else None
        page = reading.page(opened.connection(), opened.org, self.wanted, before, self.limit)
        cursor = cursors.make(opened, query, [page.next]) if page.next is not None else None
        return Answer({"items": show(opened, page.entries), "next_cursor": cursor})
