"""An incident or a near miss is recorded: from alerts, or because somebody tells of it.

Source: DSPT 6.1.1 (a system to report breaches and near misses), UK GDPR article 33(5).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app.access.agent import Agent, Place
from app.access.opened import Opened
from app.access.operation import Operation
from app.access.policy import Question
from app.access.work import Answer, Facts, Work
from app.alerts.rows import AlertRow
from app.alerts.steps import link_to_incident
from app.core.clock import spell
from app.core.errors import ForbiddenError
from app.core.identifiers import new_id
from app.identity.homes import require_home
from app.incidents.alerted import taken_from, told_by_alerts
from app.incidents.concern import SEEN_BY_ONE, Concern, concern_of, listed, require_others
from app.incidents.correcting import PLAIN
from app.incidents.gathered import Gathered
from app.incidents.instants import refuse_disorder
from app.incidents.one_incident import tell_state
from app.incidents.rows import IncidentRow, enter
from app.incidents.seeing import MANAGE, homes_of
from app.incidents.showing import show_gathered
from app.incidents.shown_again import incident_again
from app.incidents.texts import seal_texts
from app.incidents.turning import turned
from app.incidents.vocabulary import TEXTS, Plain

NO_HOME: Final = (
    "Name the home where it happened (home_id). Without one an incident is the whole organisation's: to"
    " record that takes somebody who manages incidents for all of it."
)


@dataclass
class OpenIncident(Work):
    """Record an incident at a home, or one of the whole organisation.

    Attributes:
        home_id: Where; None for the whole organisation.
        given: Everything else of the request, by the names of the row and of its texts.
    """

    home_id: str | None
    given: Plain
    changes = True

    def asked(self) -> tuple[str, str | None]:
        """Return an incident that has no id yet."""
        return "incident", None

    def question(self, operation: Operation, agent: Agent, _facts: Facts, _at: datetime) -> Question:
        """Want `incidents:manage` where it happened; for the whole organisation, without limit of place.

        Raises:
            ForbiddenError: No home is named, by somebody who manages the incidents of some place only.
        """
        wanted = operation.anywhere
        if self.home_id is None:
            grants = [grant for grant in agent.grants if MANAGE in grant.may]
            if grants and not any(grant.whole_organisation for grant in grants):
                raise ForbiddenError(NO_HOME, why="home-not-named")
            return Question(anywhere=wanted, organisation_wide=True)
        return Question(anywhere=wanted, here=wanted, place=Place(self.home_id))

    def perform(self, opened: Opened) -> Answer:
        """Write it, with its alerts told, and return it with its clocks."""
        if self.home_id is not None:
            require_home(opened, self.home_id)
        refuse_disorder(self.given, opened.at)
        row_id, named = new_id(), self.given["concerned_ids"]
        alerts = link_to_incident(opened, self.given["alert_ids"], row_id)
        require_others(opened, named)
        concern = concern_of(opened, self.home_id, named, alerts, own=True)
        taken = taken_from(alerts, self.given)
        given = self.given | taken
        new = self._row(opened, row_id, given, alerts, concern)
        told = {name: given[name] for name in (*PLAIN, *TEXTS) if given.get(name) is not None}
        told |= {"categories": new.categories, "alerts": new.alerts}
        row = enter(opened, new, told | ({SEEN_BY_ONE: True} if concern.alone else {}))
        opened.note.homes = homes_of(row)
        turns = told_by_alerts(opened, row_id, taken)
        turns += [turned(opened, row_id, SEEN_BY_ONE, None)] if concern.alone else []
        first = row.alert_ids[0] if row.alert_ids else None
        tell_state(opened, "incident.opened", row, alert_id=first)
        return Answer(show_gathered(opened, Gathered(row, turns, [], [], [], [])))

    def look_again(self, opened: Opened, told: Plain) -> Plain:
        """Return the incident, as far as the caller still sees it."""
        return incident_again(opened, told)

    def _row(
        self, opened: Opened, row_id: str, given: Plain, alerts: Sequence[AlertRow], concern: Concern
    ) -> IncidentRow:
        return IncidentRow(
            id=row_id,
            org=opened.org,
            home_id=self.home_id,
            status="open",
            opened_at=spell(opened.at),
            opened_by=opened.agent.id,
            categories=listed(given["categories"]),
            alerts=listed(alert.id for alert in alerts),
            concerned=listed(concern.people),
            texts=seal_texts(opened, row_id, {name: given.get(name) for name in TEXTS}),
            decision=None,
            ico_told_at=None,
            management_told_at=None,
            closed_at=None,
            closed_by=None,
            version=1,
            state=b"",
            **{name: given[name] for name in PLAIN},
        )
