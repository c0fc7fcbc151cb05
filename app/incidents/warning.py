"""The warnings of the clocks: each is given once, by whichever process looks first.

Which warning was given is a row whose key is the incident, the clock, its mark and the instant counted
from: of two processes that give the same one at once, the second finds it given. A clock that was moved by
a correction warns anew. What came due while nothing ran is given as soon as something does, and says so.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from app.access.drafting import further_entry
from app.access.opened import Note, Opened
from app.access.work import Answer, Work
from app.alerts.raising import raise_alert
from app.core.clock import spell
from app.core.identifiers import new_id
from app.detection.finding import Finding, Severity
from app.incidents.clock_rows import clocks_of, waiting_since
from app.incidents.clocks import HOURS, MARKS, Clock, given_late, in_words
from app.incidents.one_incident import tell
from app.incidents.rows import IncidentRow, WarningRow, enter_beside, found, of_incident
from app.incidents.seeing import homes_of
from app.incidents.table import incident

RULE = "incident-clock"
ACT = "incident.clock"
_SEVERITY: dict[int, Severity] = {
    6: "medium",
    12: "high",
    24: "low",
    48: "medium",
    66: "high",
    72: "critical",
}
_WHO = {"72h": "the ICO", "12h": "senior management"}


@dataclass
class FindWaiting(Work):
    """Find the incidents of all organisations of which a clock runs that may have something to warn of."""

    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return organisation and id of each."""
        first = (spell(opened.at - timedelta(hours=MARKS[name][0])) for name in ("72h", "12h"))
        query = select(incident.c.org, incident.c.id).where(waiting_since(*first))
        return Answer([(row.org, row.id) for row in opened.execute(query.order_by(incident.c.id))])


@dataclass
class GiveWarnings(Work):
    """Give the warnings of one incident that are due. Where there are none, nothing is written.

    Each clock that warns raises its alert once, for the last mark reached, and announces every mark.
    """

    incident_id: str
    changes = True
    own_sql = True
    silent = True

    def touches(self) -> str:
        """Return the incident: one change in a turn."""
        return self.incident_id

    def perform(self, opened: Opened) -> Answer:
        """Return which warnings were given."""
        rows = found(opened, IncidentRow, incident.c.id == self.incident_id, incident.c.status == "open")
        given = [one for row in rows for clock in clocks_of(row) for one in _warn(opened, row, clock)]
        return Answer([(one.clock, one.mark) for one in given])


def _warn(opened: Opened, row: IncidentRow, clock: Clock) -> list[WarningRow]:
    since = spell(clock.since.at)
    before = [one for one in of_incident(opened, WarningRow, row.id) if one.counted_from == since]
    marks = clock.due_marks(opened.at, (one.mark for one in before if one.clock == clock.name))
    if not marks:
        return []
    was, opened.note = opened.note, Note(object=("incident", row.id), homes=homes_of(row))
    given = [enter_beside(opened, _row(opened, row, clock, mark)) for mark in marks]
    opened.also.append(further_entry(opened, ACT))
    opened.note = was
    raise_alert(opened, _finding(opened, row, clock, marks))
    for mark in marks:
        tell(opened, ACT, row, clock=clock.name, hours=mark, due_at=spell(clock.due_at))
    return given


def _row(opened: Opened, row: IncidentRow, clock: Clock, mark: int) -> WarningRow:
    return WarningRow(
        id=new_id(),
        org=row.org,
        incident_id=row.id,
        clock=clock.name,
        mark=mark,
        counted_from=spell(clock.since.at),
        due_at=spell(clock.mark_at(mark)),
        given_at=spell(opened.at),
        version=1,
        state=b"",
    )


def _finding(opened: Opened, row: IncidentRow, clock: Clock, marks: tuple[int, ...]) -> Finding:
    left = clock.left(opened.at) or timedelta()
    over = left < timedelta()
    figures: dict[str, int | str] = {"clock": clock.name, "hours": marks[-1], "due_at": spell(clock.due_at)}
    return Finding(
        rule=RULE,
        severity=_SEVERITY[marks[-1]],
        subject=f"incident:{row.id}:{clock.name}",  # each clock has an alert, or one hides the other
        user_id=next(iter(row.concerned_ids), None),
        at=spell(opened.at),
        chain=row.org,
        entries=(),
        explanation=_explained(clock, left, marks, opened.at, over=over),
        figures=figures,
        homes=homes_of(row),
    )


def _explained(clock: Clock, left: timedelta, marks: tuple[int, ...], at: datetime, *, over: bool) -> str:
    """Return the warning in words, and if it comes late, that it does."""
    who, hours = _WHO[clock.name], HOURS[clock.name]
    told = (
        f"The {hours} hours to tell {who} of this incident have been over for {in_words(left)}."
        if over
        else f"{in_words(left)} are left of the {hours} hours to tell {who} of this incident."
    )
    if clock.since.assumed:
        told += " They count from when it was recorded: nobody has said since when the home knew."
    late = [mark for mark in marks if given_late(clock.mark_at(mark), at)]
    if late:
        named = " and ".join(f"{mark} hours" for mark in late)
        told += f" The warning at {named} comes late by {in_words(at - clock.mark_at(late[0]))}:"
        told += " nothing looked at the clocks in between."
    return told
