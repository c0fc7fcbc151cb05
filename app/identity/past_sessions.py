"""Rows of sessions that are long over go. What was done in them stays in the trail.

A session is over at `ends_at` at the latest, whether or not anybody ended it before, and that never moves
later. So a row that is removed was of a session that opened nothing any more, and its token then opens
nothing because there is no such session. One that began while a clock was ahead has its end at an hour to
come, and goes when that hour and the rest have passed.

Source: UK GDPR Art. 5(1)(c) and (e); app/decisions/0037-what-is-forgotten-after-a-while.md.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, delete, select

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.core.clock import day_before, spell
from app.identity.table import session

FORGET_SESSIONS = Operation("*", "*", "system", "self", "sessions.forget", 200)
KEEP_FOR = timedelta(days=90)
MOST_FORGOTTEN = 256
"""Sessions of one turn of housekeeping."""
_OVER = (
    select(session.c.id)
    .where(session.c.ends_at < bindparam("outdated"))
    .order_by(session.c.ends_at)
    .limit(MOST_FORGOTTEN)
    .with_for_update(skip_locked=True)  # another process removes those
)
_REMOVE = delete(session).where(session.c.id.in_(bindparam("which", expanding=True)))


@dataclass
class ForgetSessions(Work):
    """Remove sessions of every organisation that were over 90 days before today began, the oldest first."""

    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Return how many went; the entry says so, and there is none of none."""
        over = opened.execute(_OVER, {"outdated": spell(day_before(opened.at, KEEP_FOR))}).scalars().all()
        if over:
            opened.execute(_REMOVE, {"which": over})
        opened.note.count = len(over)
        self.silent = not over
        return Answer(len(over))
