"""What happened to an incident, kept beside it for good: corrected, closed, opened again."""

from app.access.opened import Opened
from app.core.clock import spell
from app.core.identifiers import new_id
from app.incidents.rows import HistoryRow, enter_beside
from app.incidents.texts import seal_text


def turned(
    opened: Opened,
    incident_id: str,
    what: str,
    reason: str | None,
    was: str | None = None,
    became: str | None = None,
    by: str | None = None,
) -> HistoryRow:
    """Have a turn of an incident written, and noted in the entry that makes it.

    Args:
        opened: The attempt that does it.
        incident_id: The incident.
        what: `closed`, `reopened`, `seen_by_one`, or the name of what was corrected.
        reason: Why, if somebody said so.
        was: What was corrected, before: an instant or a word.
        became: The same, afterwards.
        by: Whose word it is; None: the caller's.
    """
    turn = new_id()
    row = HistoryRow(
        id=turn,
        org=opened.org,
        incident_id=incident_id,
        what=what,
        was=was,
        became=became,
        reason=seal_text(opened, turn, "reason", reason) if reason else None,
        by=by or opened.agent.id,
        at=spell(opened.at),
        version=1,
        state=b"",
    )
    return enter_beside(opened, row)
