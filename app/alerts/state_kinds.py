"""Which rows of alerts the trail vouches for."""

from app.alerts.rows import AlertRow, RuleRow, StepRow, row_state
from app.trail.state_kinds import of_organisation

ALERTS = of_organisation("alert", "alert", AlertRow, "id", row_state)
ALERT_STEPS = of_organisation("alert_step", "alert_step", StepRow, "id", row_state)
ALERT_RULES = of_organisation("alert_rule", "alert_rule", RuleRow, "rule", row_state)
ALERT_KINDS = (ALERTS, ALERT_STEPS, ALERT_RULES)
