"""Listing and reading alerts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_

from app.access import cursors
from app.access.agent import Agent
from app.access.opened import Opened
from app.access.operation import Operation
from app.access.policy import Question, at_home
from app.access.sifting import Sieve
from app.access.work import Answer, Facts, Work
from app.alerts import rows
from app.alerts.rows import AlertRow
from app.alerts.seeing import MANAGE, Viewer, find_alert
from app.alerts.showing import show_brief, show_whole
from app.alerts.table import alert
from app.identity.homes import require_home


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
        viewer = Viewer(opened)
        sieve = Sieve(
            opened,
            alert,
            AlertRow,
            self._wanted(viewer),
            lambda row: rows.sound(opened, row) and viewer.sees(row),
            at="raised_at",
        )
        page = sieve.page(self.limit, after)
        opened.note.count = len(page.rows)
        onward = cursors.make(opened, query, page.after) if page.after else None
        return Answer({"items": [show_brief(row) for row in page.rows], "next_cursor": onward})

    def _wanted(self, viewer: Viewer) -> list[Any]:
        c = alert.c
        named = {c.status: self.state, c.severity: self.severity, c.rule: self.rule, c.user_id: self.user_id}
        wanted: list[Any] = [column == value for column, value in named.items() if value]
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
