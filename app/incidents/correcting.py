"""An incident is amended: what is learned later, and instants corrected with their history kept."""

from dataclasses import dataclass, replace
from typing import Any

from app.access.opened import Opened
from app.access.work import Answer
from app.alerts.steps import link_to_incident
from app.core.errors import InvalidRequestError
from app.incidents.clock_rows import clocks_of
from app.incidents.clocks import Since
from app.incidents.concern import SEEN_BY_ONE, alerts_of, concern_of, listed, require_others
from app.incidents.gathered import gather
from app.incidents.instants import refuse_disorder
from app.incidents.one_incident import ChangeIncident, tell_clocks
from app.incidents.oversight import frozen_by
from app.incidents.rows import IncidentRow, amend
from app.incidents.seeing import find_open
from app.incidents.seniority import refuse_younger
from app.incidents.showing import show_gathered
from app.incidents.shown_again import incident_again
from app.incidents.texts import seal_texts, texts_of
from app.incidents.turning import turned
from app.incidents.vocabulary import INSTANTS, STARTS, TEXTS, Plain

_MOVED = "Say why: this moves or ends a clock that has been counting."
_EMPTIED = (
    "Give the right instant instead of none, and say why: a clock counts from it, and does not begin anew"
    " because nobody says any more since when."
)
PLAIN = (
    *("nature", "kind", *INSTANTS),
    *("ongoing", "system_fault", "confidentiality", "integrity", "availability"),
    "people_affected",
)
"""Columns a request gives as they stand."""


@dataclass
class UpdateIncident(ChangeIncident):
    """Change what is recorded of an incident.

    Attributes:
        given: What the request named, each field with its new value.
        reason: Why a clock is moved or ended.
    """

    given: Plain
    reason: str | None

    def perform(self, opened: Opened) -> Answer:
        """Write it, with what each corrected instant was before."""
        whole = gather(opened, find_open(opened, self.incident_id))
        was, texts = whole.row, texts_of(opened, whole.row)
        columns, now, alone = self._columns(opened, was, texts)
        values, becoming = was._asdict() | columns, was._replace(**columns)
        if takes_from(was, becoming):
            refuse_younger(opened, was, whole.shut)
        _refuse_emptied(was, becoming)
        refuse_disorder(values, opened.at)
        if self.reason is None and moves_a_clock(was, becoming):
            raise InvalidRequestError(("/reason", _MOVED))
        changes = _changes(was, columns, texts, now) | ({SEEN_BY_ONE: (None, True)} if alone else {})
        row = amend(opened, was, changes, **columns)
        tell_clocks(opened, was, row)
        turns = [
            turned(opened, was.id, name, self.reason, getattr(was, name), values[name])
            for name in ("nature", *INSTANTS)
            if values[name] != getattr(was, name)
        ]
        turns += [turned(opened, was.id, SEEN_BY_ONE, None)] if alone else []
        whole = replace(whole, row=row, history=[*whole.history, *turns])
        return Answer(show_gathered(opened, whole))

    def look_again(self, opened: Opened, told: Plain) -> Plain:
        """Return the incident, as far as the caller still sees it."""
        return incident_again(opened, told)

    def _columns(self, opened: Opened, was: IncidentRow, texts: Plain) -> tuple[Plain, Plain, bool]:
        """Return the columns that change, all texts as they are to be, and whether one alone sees it then."""
        columns: Plain = {name: self.given[name] for name in PLAIN if name in self.given}
        now = texts | {name: self.given[name] for name in TEXTS if name in self.given}
        if now != texts:
            columns["texts"] = seal_texts(opened, was.id, now)
        if "categories" in self.given:
            columns["categories"] = listed(self.given["categories"])
        concern, alone = self._concern(opened, was)
        return columns | concern, now, alone

    def _concern(self, opened: Opened, was: IncidentRow) -> tuple[Plain, bool]:
        """Link further alerts, and return what the incident is about with them: alerts and people."""
        further = [one for one in self.given.get("alert_ids", ()) if one not in was.alert_ids]
        if not further and "concerned_ids" not in self.given:
            return {}, False
        alerts, people = link_to_incident(opened, further, was.id), was.concerned_ids
        if "concerned_ids" in self.given:
            people = self.given["concerned_ids"]
            require_others(opened, people)
            alerts += alerts_of(opened, was.alert_ids)
        frozen, own = frozen_by(opened, was.id), was.opened_by == opened.agent.id
        concern = concern_of(opened, was.home_id, people, alerts, frozen, own=own)
        columns = {"alerts": listed([*was.alert_ids, *further]), "concerned": listed(concern.people)}
        return columns, concern.alone


def moves_a_clock(was: IncidentRow, row: IncidentRow) -> bool:
    """Say whether a correction takes time back or gives more: a clock ends, or counts from elsewhere.

    To say what was unknown, where it lies before the record, only takes time away and needs no reason. A near
    miss counts by the clocks it would have: who calls it an incident again finds them where they were.
    """
    ended = len(clocks_of(row)) < len(clocks_of(was))
    pairs = zip(clocks_of(_as_incident(was)), clocks_of(_as_incident(row)), strict=True)
    return ended or any(_moved(before.since, after.since) for before, after in pairs)


def _as_incident(row: IncidentRow) -> IncidentRow:
    return row._replace(nature="incident")


def _moved(was: Since, since: Since) -> bool:
    return since.at > was.at or (since.at < was.at and not was.assumed)


def takes_from(was: IncidentRow, row: IncidentRow) -> bool:
    """Say whether a change is one of those by which an incident goes away.

    A clock is moved or ended, an instant one starts with is another or none, or it is about other people.
    """
    replaced = any(getattr(was, name) not in (None, getattr(row, name)) for name in STARTS)
    return replaced or moves_a_clock(was, row) or set(was.concerned_ids) != set(row.concerned_ids)


def _refuse_emptied(was: IncidentRow, row: IncidentRow) -> None:
    emptied = [name for name in STARTS if getattr(was, name) is not None and getattr(row, name) is None]
    if emptied:
        raise InvalidRequestError(*((f"/{name}", _EMPTIED) for name in emptied))


def _changes(was: IncidentRow, columns: Plain, texts: Plain, now: Plain) -> dict[str, tuple[Any, Any]]:
    """Return each field that differs, before and after."""
    before = {name: getattr(was, name) for name in columns if name != "texts"} | texts
    after = {name: value for name, value in columns.items() if name != "texts"} | now
    return {name: (before[name], after[name]) for name in after if before[name] != after[name]}
