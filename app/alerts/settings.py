"""What an organisation set of the rules of detection."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select

from app.alerts.rows import RuleRow, row_state
from app.alerts.table import alert_rule
from app.core.errors import AlteredRow
from app.vault.sealing import DataKey, StateKey, refuse_altered

_COLUMNS = [alert_rule.c[name] for name in RuleRow._fields]


@dataclass(frozen=True, slots=True)
class RuleSetting:
    """What was set of one rule. A threshold that is not named is as the catalogue says."""

    enabled: bool
    thresholds: Mapping[str, int]


def rules_of(
    execute: Callable[[Any], Any], org: str, key: DataKey | StateKey | None = None
) -> Mapping[str, RuleSetting]:
    """Return what an organisation set, by rule; a rule that is not named is as the catalogue says.

    Args:
        execute: Runs a statement: `opened.execute` or a connection's.
        org: Whose settings.
        key: The organisation's; with it each row is held against its digest.

    Raises:
        SealBrokenError: Somebody changed one behind the service's back: switched a rule off, say.
    """
    query = select(*_COLUMNS).where(alert_rule.c.org == org)
    rows = [RuleRow._make(one) for one in execute(query).all()]
    for row in rows if key is not None else ():
        refuse_altered(row.state, row_state(key, row), AlteredRow("alert_rule", row.rule))  # type: ignore[arg-type]
    return {row.rule: RuleSetting(bool(row.enabled), orjson.loads(row.thresholds)) for row in rows}
