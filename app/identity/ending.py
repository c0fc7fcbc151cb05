"""Sessions of others: see who is signed in, and sign them out.

A session of an agency worker acts at the home of its shift, and is reached there; any other acts, and is
reached, where the user has an assignment, whatever shift it names.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, not_, or_, select, true

from app.access import cursors
from app.access.opened import Opened
from app.access.work import Answer, Work
from app.core.clock import spell
from app.core.errors import HiddenError, NotFoundError
from app.core.identifiers import id_or_none
from app.identity.reach import account_to
from app.identity.rows import AccountRow, SessionRow
from app.identity.session_rows import SESSION_COLUMNS, end_session, session_by_id, show_session
from app.identity.shift_reach import shifts_within
from app.identity.table import session, shift

PERMISSION = "sessions:end"


@dataclass
class ListSessions(Work):
    """List a user's sessions that have not ended, newest first."""

    user_id: str
    limit: int = 50
    cursor: str | None = None

    def asked(self) -> tuple[str, str | None]:
        """Return the user as asked."""
        return "user", id_or_none(self.user_id)

    def perform(self, opened: Opened) -> Answer:
        """Return a page of sessions."""
        account = account_to(opened, self.user_id, PERMISSION)
        query = [self.user_id, self.limit]
        rows = self._select(opened, account, cursors.read(opened, query, self.cursor))
        page = rows[: self.limit]
        last = [page[-1].started_at, page[-1].id] if len(rows) > self.limit else None
        opened.note.count = len(page)
        items = [show_session(row) | {"seen_at": row.seen_at, "locked_at": row.locked_at} for row in page]
        return Answer({"items": items, "next_cursor": cursors.make(opened, query, last) if last else None})

    def _select(self, opened: Opened, account: AccountRow, after: list[Any] | None) -> list[SessionRow]:
        c = session.c
        live = [c.ended_at.is_(None), c.ends_at > spell(opened.at)]
        wanted = [c.org == opened.org, c.user_id == self.user_id, *live]
        wanted.append(or_(c.shift_id.is_(None), c.shift_id.not_in(_elsewhere(opened, account))))
        if after is not None:
            wanted.append(cursors.older(c.started_at, c.id, after))
        statement = (
            select(*SESSION_COLUMNS)
            .where(*wanted)
            .order_by(c.started_at.desc(), c.id.desc())
            .limit(self.limit + 1)
        )
        return [SessionRow._make(row) for row in opened.execute(statement).all()]


@dataclass
class EndSession(Work):
    """End a session of somebody within reach. One that is over already stays over."""

    session_id: str
    changes = True
    alone = True

    def asked(self) -> tuple[str, str | None]:
        """Return the session as asked."""
        return "session", self.session_id

    def perform(self, opened: Opened) -> Answer:
        """End it."""
        row = session_by_id(opened, self.session_id, locked=True)
        if row is None:
            raise NotFoundError(why="session-not-found")
        account = account_to(opened, row.user_id, PERMISSION)
        if row.shift_id in opened.execute(_elsewhere(opened, account)).scalars().all():
            raise HiddenError(why="out-of-scope")
        if row.ended_at is None:
            end_session(opened, row, "ended-by-other")
        return Answer(None)


def _elsewhere(opened: Opened, account: AccountRow) -> Select[tuple[str]]:
    """Return a query of the shifts of a user that the caller does not reach.

    A shift is not judged by its digest here: one that was altered must not keep anybody signed in.
    """
    reached = shifts_within(opened.agent, PERMISSION, account) if account.kind == "agency" else true()
    return select(shift.c.id).where(shift.c.org == account.org, shift.c.user_id == account.id, not_(reached))
