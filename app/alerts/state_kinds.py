"""Which rows of alerts the trail vouches for."""

from dataclasses import replace

from app.alerts.rows import AlertRow, RuleRow, StepRow, row_state
from app.trail.state_kinds import Fault, Keys, Row, columns, of_organisation
from app.trail.state_ledger import Ledger

_FIELDS = StepRow._fields


def _step_further(_keys: Keys, ledger: Ledger, row: Row) -> list[Fault]:
    """Judge what the digest leaves out, being made before the entry: where the trail tells of the step."""
    said = ledger.newest("alert_step", row[_FIELDS.index("id")])
    if said is None or row[-1] == said.seq:
        return []
    return [("STATE", f"the step is said to stand at entry #{row[-1]}, it is told of at #{said.seq}")]


ALERTS = of_organisation("alert", "alert", AlertRow, "id", row_state)
ALERT_STEPS = replace(
    of_organisation("alert_step", "alert_step", StepRow, "id", row_state),
    select=f"SELECT {columns('t', (*_FIELDS, 'entry'))} FROM alert_step t WHERE t.org = ?",
    state=_FIELDS.index("state"),
    digest=lambda keys, row: row_state(keys.own_state(), StepRow._make(row[:-1])),
    further=_step_further,
)
ALERT_RULES = of_organisation("alert_rule", "alert_rule", RuleRow, "rule", row_state)
ALERT_KINDS = (ALERTS, ALERT_STEPS, ALERT_RULES)
