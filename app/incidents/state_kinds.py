"""Which rows of incidents the trail vouches for."""

from app.incidents.rows import (
    ActionRow,
    AssessmentRow,
    HistoryRow,
    IncidentRow,
    NotificationRow,
    WarningRow,
    row_state,
)
from app.incidents.scope_rows import ScopeRow, scope_state
from app.trail.freezing import ContainmentRow, containment_state
from app.trail.state_kinds import Kind, of_organisation


def _kind(name: str, row_type: type) -> Kind:
    return of_organisation(name, name, row_type, "id", row_state)


INCIDENT_KINDS = (
    _kind("incident", IncidentRow),
    _kind("incident_history", HistoryRow),
    _kind("incident_assessment", AssessmentRow),
    _kind("incident_notification", NotificationRow),
    _kind("incident_action", ActionRow),
    _kind("incident_warning", WarningRow),
    of_organisation("incident_scope", "incident_scope", ScopeRow, "id", scope_state),
    of_organisation("containment", "containment", ContainmentRow, "id", containment_state),
)
