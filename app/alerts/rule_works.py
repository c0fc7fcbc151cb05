"""Showing the rules of detection, and setting them.

Who sets a rule says why. A number is set within the bounds of the catalogue: a rule is switched off openly,
never by a number that nobody reaches. That one was set is itself found by detection (`detection-weakened`),
for somebody else to look at; this rule stays on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from app.access.opened import FieldChange, Opened
from app.access.work import Answer, Work
from app.alerts import rows
from app.alerts.rows import RuleRow
from app.alerts.table import alert_rule
from app.core.clock import spell
from app.core.errors import ConflictError, InvalidRequestError, NotFoundError
from app.detection.catalogue import RULES
from app.detection.rule import Rule

ALWAYS_ON: Final = frozenset({"detection-weakened", "incident-clock", "oversight-removed", "trail-check"})
"""The rules that watch the others, whoever reviews, the trail and the law's clocks."""
WARNED: Final = (
    "That a rule was switched off, on or changed itself raises an alert, which somebody else reviews."
)
NEVER_OFF: Final = (
    "This rule stays on: it watches the others, whoever reviews, the trail or the law's clocks."
)
JsonObject = dict[str, Any]


@dataclass
class ListRules(Work):
    """Show the catalogue of rules, with what the organisation set."""

    def perform(self, opened: Opened) -> Answer:
        """Return every rule by name."""
        there = {row.rule: row for row in rows.found(opened, RuleRow)}
        items = [_show(rule, there.get(name)) for name, rule in sorted(RULES.items())]
        opened.note.count = len(items)
        return Answer({"items": items, "next_cursor": None})


@dataclass
class SetRule(Work):
    """Set one rule for the whole organisation: switch it on or off, give numbers.

    Attributes:
        rule: The name of the rule.
        enabled: Whether it is judged at all.
        thresholds: Its numbers; one that is not named is as the catalogue says.
        reason: Why.
    """

    rule: str
    enabled: bool
    thresholds: Mapping[str, int]
    reason: str
    changes = True

    def asked(self) -> tuple[str, str | None]:
        """Return the rule as asked, if there is one."""
        return "alert_rule", self.rule if self.rule in RULES else None

    def touches(self) -> str:
        """Return the rule: one change in a turn."""
        return f"alert-rule {self.rule}"

    def perform(self, opened: Opened) -> Answer:
        """Write what is set."""
        rule = RULES.get(self.rule)
        if rule is None:
            raise NotFoundError(why="rule-not-found")
        if self.rule in ALWAYS_ON and not self.enabled:
            raise ConflictError(NEVER_OFF, why="rule-never-off")
        _check(rule, self.thresholds)
        was = next(iter(rows.found(opened, RuleRow, alert_rule.c.rule == self.rule)), None)
        row = self._row(opened, was)
        opened.change(*(rows.insertion(row) if was is None else rows.succession(was, row)))
        before = _told(was)
        changes = [FieldChange(name, before[name], now) for name, now in _told(row).items()]
        owner = (opened.org, opened.organisation_key())
        opened.changed("alert_rule", row.rule, row.version, row.state, changes, owner)
        opened.note.reason = self.reason
        return Answer(_show(rule, row) | {"warning": WARNED}, version=row.version)

    def look_again(self, _opened: Opened, told: JsonObject) -> JsonObject:
        """Return it: whoever sets rules sees what was set of all of them."""
        return told

    def _row(self, opened: Opened, was: RuleRow | None) -> RuleRow:
        version = 1 if was is None else was.version + 1
        place = rows.box_place(opened.org, self.rule, "reason", version)
        row = RuleRow(
            rule=self.rule,
            org=opened.org,
            enabled=self.enabled,
            thresholds=orjson.dumps(dict(self.thresholds), option=orjson.OPT_SORT_KEYS).decode(),
            set_by=opened.agent.id,
            set_at=spell(opened.at),
            reason=opened.organisation_key().seal(self.reason.encode(), place),
            version=version,
            state=b"",
        )
        return rows.bound(opened, row)


def _check(rule: Rule, given: Mapping[str, int]) -> None:
    """Refuse numbers the rule does not have, or out of their bounds.

    Raises:
        InvalidRequestError: With a pointer to each.
    """
    errors = [
        (f"/thresholds/{name}", "The rule has no such number. See GET /v1/alert-rules.")
        for name in given
        if name not in rule.thresholds
    ]
    for name, limit in rule.thresholds.items():
        if name in given and not limit.minimum <= given[name] <= limit.maximum:
            errors.append((f"/thresholds/{name}", f"Must be from {limit.minimum} to {limit.maximum}."))
    if errors:
        raise InvalidRequestError(*errors)


def _numbers(row: RuleRow | None) -> dict[str, int]:
    return dict(orjson.loads(row.thresholds)) if row is not None else {}


def _told(row: RuleRow | None) -> JsonObject:
    if row is None:
        return {"enabled": None, "thresholds": None}
    return {"enabled": bool(row.enabled), "thresholds": _numbers(row)}


def _show(rule: Rule, row: RuleRow | None) -> JsonObject:
    limits = {
        name: {
            "default": limit.default,
            "minimum": limit.minimum,
            "maximum": limit.maximum,
            "unit": limit.unit,
            "about": limit.about,
        }
        for name, limit in rule.thresholds.items()
    }
    return {
        "rule": rule.name,
        "title": rule.title,
        "severity": rule.severity,
        "thresholds": limits,
        "by_role": {role: dict(numbers) for role, numbers in rule.by_role.items()},
        "enabled": bool(row.enabled) if row is not None else True,
        "set": None if row is None else _numbers(row),
        "set_by": None if row is None else row.set_by,
        "set_at": None if row is None else row.set_at,
    }
