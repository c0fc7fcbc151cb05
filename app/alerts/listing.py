"""Listing and reading alerts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select

from app.access import cursors
from app.access.agent import Agent
from app.access.opened import Opened
from app.access.operation import Operation
from app.access.policy import Question, at_home
from app.access.work import Answer, Facts, Work
from app.alerts import rows
from app.alerts.rows import AlertRow
from app.alerts.seeing import MANAGE, Viewer, find_alert
from app.alerts.showing import show_brief, show_whole
from app.alerts.table import alert
from app.identity.homes import require_home

AT_ONCE = 200
"""How many rows are looked at for one page at a time: not each is for everybody to see."""
Position = list[Any] | None


@dataclass
class ListAlerts(Work):
    """List the alerts the caller sees, newest first. One that was altered is left out, and told of.

    Attributes:
        state: `new`, `in_review`, `explained` or `incident`.
        severity: How grave.
        rule: Which rule found it.
        user_id: Whose behaviour it is.
        home_id: Which home it concerns.
        since: Raised at this instant or later.
        until: Raised before this instant.
    """

    state: str | None = None
    severity: str | None = None
    rule: str | None = None
    user_id: str | None = None
    home_id: str | None = None
    since: str | None = None
    until: str | None = None
    limit: int = 50
    cursor: str | None = None

    def question(self, _operation: Operation, agent: Agent, _facts: Facts, _at: datetime) -> Question:
        """Want `alerts:manage`, and of a home that is named some reach into it."""
        return at_home(agent, MANAGE, self.home_id)

    def perform(self, opened: Opened) -> Answer:
        """Return a page of alerts."""
        if self.home_id is not None:
            require_home(opened, self.home_id)
        named = (self.state, self.severity, self.rule, self.user_id, self.home_id, self.since, self.until)
        query: list[Any] = [*named, self.limit]
        after = cursors.read(opened, query, self.cursor)
        seen = self._seen(opened, after)
        page = seen[: self.limit]
        last = [page[-1].raised_at, page[-1].id] if len(seen) > self.limit else None
        opened.note.count = len(page)
        onward = cursors.make(opened, query, last) if last else None
        return Answer({"items": [show_brief(row) for row in page], "next_cursor": onward})

    def _seen(self, opened: Opened, after: Position) -> list[AlertRow]:
        """Return one alert more than the page takes, if there are so many."""
        viewer = Viewer(opened)
        wanted = self._wanted(opened, viewer)
        seen: list[AlertRow] = []
        while len(seen) <= self.limit:
            batch = _batch(opened, wanted, after)
            seen += [row for row in batch if rows.sound(opened, row) and viewer.sees(row)]
            if len(batch) < AT_ONCE:
                break
            after = [batch[-1].raised_at, batch[-1].id]
        return seen

    def _wanted(self, opened: Opened, viewer: Viewer) -> list[Any]:
        c = alert.c
        named = {c.status: self.state, c.severity: self.severity, c.rule: self.rule, c.user_id: self.user_id}
        wanted = [c.org == opened.org, *(column == value for column, value in named.items() if value)]
        if self.home_id is not None:
            wanted.append(_of_home(self.home_id))
        if viewer.homes is not None:
            wanted.append(or_(False, *(_of_home(home) for home in sorted(viewer.homes))))
        if self.since is not None:
            wanted.append(c.raised_at >= self.since)
        if self.until is not None:
            wanted.append(c.raised_at < self.until)
        return wanted


def _of_home(home_id: str) -> Any:
    return alert.c.homes.contains(f'"{home_id}"', autoescape=True)


def _batch(opened: Opened, wanted: list[Any], after: Position) -> list[AlertRow]:
    c = alert.c
    if after is not None:
        further = cursors.older(c.raised_at, c.id, after)
        wanted = [*wanted, further]
    query = (
        select(*(c[name] for name in AlertRow._fields))
        .where(*wanted)
        .order_by(c.raised_at.desc(), c.id.desc())
        .limit(AT_ONCE)
    )
    return [AlertRow._make(row) for row in opened.execute(query).all()]


@dataclass
class ReadAlert(Work):
    """Read one alert, with its evidence and what was done about it."""

    alert_id: str

    def asked(self) -> tuple[str, str | None]:
        """Return the alert as asked."""
        return "alert", self.alert_id

    def perform(self, opened: Opened) -> Answer:
        """Return the alert."""
        row = find_alert(opened, self.alert_id)
        opened.note.version = row.version
        return Answer(show_whole(opened, row), version=row.version)
