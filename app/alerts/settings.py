"""What an organisation set of the rules of detection."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from sqlalchemy import select

from app.access.opened import Opened
from app.alerts.rows import RuleRow, row_state
from app.alerts.table import alert_rule
from app.core.errors import AlteredRow
from app.vault.sealing import refuse_altered

_COLUMNS = [alert_rule.c[name] for name in RuleRow._fields]


@dataclass(frozen=True, slots=True)
class RuleSetting:
    """What was set of one rule. A threshold that is not named is as the catalogue says."""

    enabled: bool
    thresholds: Mapping[str, int]


def rules_of(opened: Opened) -> Mapping[str, RuleSetting]:
    """Return what an organisation set, by rule; a rule that is not named is as the catalogue says.

    Raises:
        SealBrokenError: Somebody changed one behind the service's back: switched a rule off, say.
    """
    query = select(*_COLUMNS).where(alert_rule.c.org == opened.org)
    rows = [RuleRow._make(one) for one in opened.execute(query).all()]
    for row in rows:
        right = row_state(opened.organisation_key(), row)
        refuse_altered(row.state, right, AlteredRow("alert_rule", row.rule))
    return {row.rule: RuleSetting(bool(row.enabled), orjson.loads(row.thresholds)) for row in rows}
