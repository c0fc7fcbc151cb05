"""Rows of sessions: reading, showing and ending them."""

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from app.access.opened import Opened
from app.core.clock import spell
from app.core.errors import SessionEndedError
from app.identity.rows import SessionRow
from app.identity.sessions import check_alive
from app.identity.table import session
from app.identity.views import session_view, shift_view

SESSION_COLUMNS = tuple(session.c[name] for name in SessionRow._fields)
INSERT_SESSION = insert(session)

_ONE = select(*SESSION_COLUMNS).where(session.c.org == bindparam("of"), session.c.id == bindparam("which"))
_LIVE = (session.c.org == bindparam("of"), session.c.ended_at.is_(None))
_ENDED: dict[str, Any] = {"ended_at": bindparam("at"), "end_reason": bindparam("because")}
_END_ONE = update(session).where(*_LIVE, session.c.id == bindparam("which")).values(_ENDED)
_END_ALL = (
    update(session)
    .where(*_LIVE, session.c.user_id == bindparam("whose"), session.c.id != bindparam("but"))
    .values(_ENDED)
)
_END_EVERY = update(session).where(*_LIVE).values(_ENDED)
# A session's end only ever moves forward: a shift that is extended again brings nobody back.
_DRAW_FORWARD = (
    update(session)
    .where(*_LIVE, session.c.shift_id == bindparam("shift"), session.c.ends_at > bindparam("limit"))
    .values(ends_at=bindparam("limit"), ends_because="shift")
)
_KEPT = ("seen_at", "locked_at", "unlock_failures", "factor_at", "ended_at", "end_reason")
_KEEP = (
    update(session)
    .where(*_LIVE, session.c.id == bindparam("which"))
    .values({name: bindparam(f"new_{name}") for name in _KEPT})
)


def session_by_id(opened: Opened, session_id: str, *, locked: bool = False) -> SessionRow | None:
    """Return a session of the caller's organisation."""
    statement = _ONE.with_for_update() if locked else _ONE
    row = opened.execute(statement, {"of": opened.org, "which": session_id}).first()
    return SessionRow._make(row) if row is not None else None


def present_session(opened: Opened) -> SessionRow:
    """Return the caller's session as it is now, alive, and locked against others until the turn ends."""
    facts = opened.facts
    row = session_by_id(opened, facts.session.id, locked=True)
    if row is None:  # removed meanwhile, by a process whose clock is far ahead
        raise SessionEndedError(why="session-ended")
    shift = shift_view(facts.shift) if facts.shift is not None else None
    check_alive(session_view(row), bool(facts.account.active), shift, opened.at)
    return row


def keep_session(opened: Opened, row: SessionRow) -> None:
    """Have the state of a live session written: activity, lock, failures, factor, end."""
    values = {f"new_{name}": getattr(row, name) for name in _KEPT}
    opened.change(_KEEP, values | {"of": row.org, "which": row.id})


def end_session(opened: Opened, row: SessionRow, because: str) -> None:
    """Have one live session ended."""
    where = {"of": row.org, "which": row.id}
    opened.change(_END_ONE, where | {"at": spell(opened.at), "because": because})


def end_sessions(opened: Opened, user_id: str, because: str, *, but: str = "") -> int:
    """End all live sessions of a user now, but for one, and return how many were ended."""
    where = {"of": opened.org, "whose": user_id, "but": but}
    ended = opened.execute(_END_ALL, where | {"at": spell(opened.at), "because": because})
    return ended.rowcount


def end_every_session(opened: Opened, because: str) -> int:
    """End all live sessions of the organisation now, and return how many were ended."""
    where = {"of": opened.org, "at": spell(opened.at), "because": because}
    return opened.execute(_END_EVERY, where).rowcount


def draw_sessions_forward(opened: Opened, shift_id: str, limit: datetime) -> int:
    """Let no session of a shift last beyond an instant, and return how many were drawn forward."""
    where = {"of": opened.org, "shift": shift_id, "limit": spell(limit)}
    return opened.execute(_DRAW_FORWARD, where).rowcount


def show_session(row: SessionRow) -> dict[str, Any]:
    """Return a session as its owner sees it."""
    return {
        "id": row.id,
        "user_id": row.user_id,
        "device": {"id": row.device_id, "kind": row.device_kind},
        "shift_id": row.shift_id,
        "started_at": row.started_at,
        "idle_timeout_s": row.idle_timeout_s,
        "ends_at": row.ends_at,
        "ends_because": row.ends_because,
        "second_factor_at": row.factor_at,
    }
