"""The list of incidents, and the grid."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.access import cursors
from app.access.agent import Agent
from app.access.opened import Opened
from app.access.operation import Operation
from app.access.policy import Question, at_home
from app.access.sifting import Sieve
from app.access.work import Answer, Facts, Work
from app.core.clock import spell
from app.core.identifiers import id_or_none
from app.identity.homes import require_home
from app.incidents.clock_rows import waiting_since
from app.incidents.clocks import HOURS
from app.incidents.grid import GRID
from app.incidents.rows import IncidentRow, sound
from app.incidents.seeing import MANAGE, reached
from app.incidents.showing import show_short
from app.incidents.table import incident


@dataclass
class ListIncidents(Work):
    """List the incidents the caller may see, newest first. One that was altered is left out, and told of.

    Attributes:
        overdue: Only those whose clock is over and not stopped, or only the others.
    """

    state: str | None
    kind: str | None
    home_id: str | None
    since: str | None
    until: str | None
    overdue: bool | None
    limit: int
    cursor: str | None

    def asked(self) -> tuple[str, str | None]:
        """Return the home as asked."""
        return "home", id_or_none(self.home_id)

    def question(self, _operation: Operation, agent: Agent, _facts: Facts, _at: datetime) -> Question:
        """Want `incidents:manage`, at the home if one is named."""
        return at_home(agent, MANAGE, self.home_id)

    def perform(self, opened: Opened) -> Answer:
        """Return a page of incidents, without texts."""
        if self.home_id is not None:
            require_home(opened, self.home_id)
        query = [self.state, self.kind, self.home_id, self.since, self.until, self.overdue, self.limit]
        after = cursors.read(opened, query, self.cursor)
        wanted = [*reached(opened), *self._filters(opened.at)]
        sieve = Sieve(opened, incident, IncidentRow, wanted, lambda row: sound(opened, row), at="opened_at")
        page = sieve.page(self.limit, after)
        opened.note.count = len(page.rows)
        items = [show_short(row, opened.at) for row in page.rows]
        onward = cursors.make(opened, query, page.after) if page.after else None
        return Answer({"items": items, "next_cursor": onward})

    def _filters(self, at: datetime) -> list[Any]:
        c = incident.c
        equal = {c.status: self.state, c.kind: self.kind, c.home_id: self.home_id}
        wanted: list[Any] = [column == value for column, value in equal.items() if value is not None]
        if self.since is not None:
            wanted.append(c.opened_at >= self.since)
        if self.until is not None:
            wanted.append(c.opened_at < self.until)
        if self.overdue is not None:
            over = waiting_since(*(_over_since(at, hours) for hours in HOURS.values()))
            wanted.append(over if self.overdue else ~over)
        return wanted


def _over_since(at: datetime, hours: int) -> str:
    """Return the last instant from which these hours are over now: in their last instant they are not."""
    return spell(at - timedelta(hours=hours, microseconds=1))


@dataclass
class ShowGrid(Work):
    """Show the grid: its edition, where each row is from, and what of it is not verified."""

    def asked(self) -> tuple[str, str | None]:
        """Return the grid."""
        return "incident_grid", None

    def perform(self, _opened: Opened) -> Answer:
        """Return the data as it stands."""
        return Answer(GRID.plain)
