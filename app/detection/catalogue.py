"""Every rule there is. What waits for something not built yet stands here like the others."""

from collections.abc import Mapping
from types import MappingProxyType

from app.detection.rule import Rule, Setting, Threshold, by_default
from app.detection.rules_of_access import OF_ACCESS
from app.detection.rules_of_accounts import OF_ACCOUNTS
from app.detection.rules_of_records import OF_RECORDS, OF_THE_SERVICE

RULES: Mapping[str, Rule] = MappingProxyType(
    {rule.name: rule for rule in (*OF_ACCESS, *OF_ACCOUNTS, *OF_RECORDS, *OF_THE_SERVICE)}
)

WAITING: Mapping[str, str] = MappingProxyType(
    {"break-glass": "breakglass.start", "second-factor-exception": "factor.exempt"}
)
"""Rules that wait, and for which act: nothing writes it yet."""


def defaults() -> dict[str, Setting]:
    """Return every rule's setting where an organisation set nothing."""
    return {name: by_default(rule) for name, rule in RULES.items()}


__all__ = ["RULES", "WAITING", "Rule", "Setting", "Threshold", "by_default", "defaults"]
