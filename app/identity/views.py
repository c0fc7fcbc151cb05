"""From stored rows to what the session rules look at."""

from datetime import timedelta

from app.core.clock import parse
from app.identity.rows import SessionRow, ShiftRow
from app.identity.sessions import SessionView, ShiftView


def session_view(row: SessionRow) -> SessionView:
    """Return what the rules need of a session."""
    return SessionView(
        seen_at=parse(row.seen_at),
        ends_at=parse(row.ends_at),
        ends_because=row.ends_because,
        idle_for=timedelta(seconds=row.idle_timeout_s),
        shift_id=row.shift_id,
        factor_at=parse(row.factor_at) if row.factor_at else None,
        locked_at=parse(row.locked_at) if row.locked_at else None,
        unlock_failures=row.unlock_failures,
        ended_at=parse(row.ended_at) if row.ended_at else None,
        end_reason=row.end_reason,
    )


def shift_view(row: ShiftRow) -> ShiftView:
    """Return what the rules need of a shift."""
    return ShiftView(row.id, parse(row.starts_at), parse(row.ends_at), bool(row.cancelled))
