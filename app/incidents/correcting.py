"""An incident is amended: what is learned later, and instants corrected with their history kept."""

from dataclasses import dataclass, replace
from typing import Any

from app.access.opened import Opened
from app.access.work import Answer
from app.alerts.steps import link_to_incident
from app.core.errors import InvalidRequestError
from app.incidents.clock_rows import clocks_of
from app.incidents.concern import alerts_of, concern_of, listed, require_others
from app.incidents.gathered import gather
from app.incidents.instants import refuse_disorder
from app.incidents.one_incident import ChangeIncident, tell_clocks
from app.incidents.oversight import frozen_by
from app.incidents.rows import IncidentRow, amend
from app.incidents.seeing import find_open
from app.incidents.showing import show_gathered
from app.incidents.texts import seal_texts, texts_of
from app.incidents.turning import turned
from app.incidents.vocabulary import INSTANTS, TEXTS, Plain

_MOVED = "Say why: this moves or ends a clock that has been counting."
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
        columns, now = self._columns(opened, was, texts)
        values = was._asdict() | columns
        refuse_disorder(values, opened.at)
        if self.reason is None and moves_a_clock(was, was._replace(**columns)):
            raise InvalidRequestError(("/reason", _MOVED))
        row = amend(opened, was, _changes(was, columns, texts, now), **columns)
        tell_clocks(opened, was, row)
        turns = [
            turned(opened, was.id, name, self.reason, getattr(was, name), values[name])
            for name in ("nature", *INSTANTS)
            if values[name] != getattr(was, name)
        ]
        whole = replace(whole, row=row, history=[*whole.history, *turns])
        return Answer(show_gathered(opened, whole))

    def _columns(self, opened: Opened, was: IncidentRow, texts: Plain) -> tuple[Plain, Plain]:
        """Return the columns that change, and all texts as they are to be."""
        columns: Plain = {name: self.given[name] for name in PLAIN if name in self.given}
        now = texts | {name: self.given[name] for name in TEXTS if name in self.given}
        if now != texts:
            columns["texts"] = seal_texts(opened, was.id, now)
        if "categories" in self.given:
            columns["categories"] = listed(self.given["categories"])
        return columns | self._concern(opened, was), now

    def _concern(self, opened: Opened, was: IncidentRow) -> Plain:
        """Link further alerts, and return what the incident is about with them: alerts and people."""
        further = [one for one in self.given.get("alert_ids", ()) if one not in was.alert_ids]
        if not further and "concerned_ids" not in self.given:
            return {}
        alerts, people = link_to_incident(opened, further, was.id), was.concerned_ids
        if "concerned_ids" in self.given:
            people = self.given["concerned_ids"]
            require_others(opened, people)
            alerts += alerts_of(opened, was.alert_ids)
        concerned = concern_of(opened, was.home_id, people, alerts, frozen_by(opened, was.id))
        return {"alerts": listed([*was.alert_ids, *further]), "concerned": listed(concerned)}


def moves_a_clock(was: IncidentRow, row: IncidentRow) -> bool:
    """Say whether a correction takes time back or gives more: a clock ends, or counts from elsewhere.

    To say what was unknown, where it lies before the record, only takes time away and needs no reason.
    """
    now = {clock.name: clock.since for clock in clocks_of(row)}
    for clock in clocks_of(was):
        since = now.get(clock.name)
        if (
            since is None
            or since.at > clock.since.at
            or (since.at < clock.since.at and not clock.since.assumed)
        ):
            return True
    return False


def _changes(was: IncidentRow, columns: Plain, texts: Plain, now: Plain) -> dict[str, tuple[Any, Any]]:
    """Return each field that differs, before and after."""
    before = {name: getattr(was, name) for name in columns if name != "texts"} | texts
    after = {name: value for name, value in columns.items() if name != "texts"} | now
    return {name: (before[name], after[name]) for name in after if before[name] != after[name]}
