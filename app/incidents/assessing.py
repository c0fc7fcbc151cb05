"""An incident is scored on the grid: the system proposes, a person decides and says why.

Every scoring is kept. One without a decision takes the last decision back: what was scored anew has to be
decided anew, and the clock runs until it is.
"""

from dataclasses import dataclass
from typing import Any

from app.access.opened import Opened
from app.access.work import Answer
from app.core.clock import spell
from app.core.errors import ConflictError
from app.core.identifiers import new_id
from app.incidents.containment_rows import contained
from app.incidents.grid import GRID, Scores
from app.incidents.one_incident import ChangeIncident, tell_state
from app.incidents.rows import AssessmentRow, amend, enter_beside
from app.incidents.seeing import find_open
from app.incidents.seniority import refuse_younger
from app.incidents.showing import show_assessment
from app.incidents.texts import seal_text
from app.incidents.vocabulary import Decision, Known

NEAR_MISS = "A near miss is not scored: nobody outside has to be told. Change its nature if it was none."


@dataclass
class AssessIncident(ChangeIncident):
    """Score an incident, and decide whom to tell.

    Attributes:
        scores: Likelihood and impact as the person sees them.
        vulnerable: Whether vulnerable people are involved.
        special: Whether special categories of data are involved.
        decision: What the person decided; None: not yet.
        reasons: Why, also where they agree with what is proposed.
    """

    scores: Scores
    vulnerable: Known
    special: Known
    decision: Decision | None
    reasons: str

    def perform(self, opened: Opened) -> Answer:
        """Write the scoring and what was proposed beside what was decided."""
        was = find_open(opened, self.incident_id)
        if was.nature == "near_miss":
            raise ConflictError(NEAR_MISS, why="near-miss")
        if self.decision == "none":
            refuse_younger(opened, was, contained(opened, was.id))
        scored = enter_beside(opened, self._row(opened))
        names = ("likelihood", "impact", "proposal")
        changes: dict[str, tuple[Any, Any]] = {f"assessment.{n}": (None, getattr(scored, n)) for n in names}
        changes |= {"assessment.reasons": (None, self.reasons), "decision": (was.decision, scored.decision)}
        row = amend(opened, was, changes, decision=scored.decision)
        tell_state(opened, "incident.changed", row, was=was.status)
        return Answer(show_assessment(opened, scored))

    def _row(self, opened: Opened) -> AssessmentRow:
        row_id = new_id()
        counted = GRID.counted(self.scores, self.vulnerable, self.special)
        return AssessmentRow(
            id=row_id,
            org=opened.org,
            incident_id=self.incident_id,
            edition=GRID.edition,
            likelihood=self.scores.likelihood,
            impact=self.scores.impact,
            vulnerable=self.vulnerable,
            special=self.special,
            counted_likelihood=counted.likelihood,
            counted_impact=counted.impact,
            proposal=GRID.propose(counted),
            decision=self.decision,
            reasons=seal_text(opened, row_id, "reasons", self.reasons),
            by=opened.agent.id,
            at=spell(opened.at),
            version=1,
            state=b"",
        )
