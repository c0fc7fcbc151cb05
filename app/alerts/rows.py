"""Rows of alerts, their steps, and what was set of rules, which the trail knows.

All are bound and sealed under the organisation's key.
"""

from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import bindparam, update

from app.access.bound_rows import BoundTables
from app.alerts.table import alert, alert_rule, alert_step
from app.vault.sealing import Place

NEW: Final = "new"
IN_REVIEW: Final = "in_review"
EXPLAINED: Final = "explained"
INCIDENT: Final = "incident"
OPEN: Final = (NEW, IN_REVIEW)
"""An alert in these states takes in further findings about the same."""


class AlertRow(NamedTuple):
    """An alert. `state` covers the columns before it."""

    id: str
    org: str
    rule: str
    subject: str
    user_id: str | None
    concerned: str
    severity: str
    status: str
    owner_id: str | None
    findings: int
    raised_at: str
    first_at: str
    last_at: str
    entries: str
    homes: str
    residents: str
    story: bytes
    earlier_id: str | None
    incident_id: str | None
    version: int
    state: bytes

    @property
    def places(self) -> list[list[Any]]:
        """Return the entries it rests on: pairs of chain and number."""
        return list(orjson.loads(self.entries))

    @property
    def home_ids(self) -> list[str]:
        """Return which homes it concerns; none: the organisation."""
        return list(orjson.loads(self.homes))

    @property
    def resident_ids(self) -> list[str]:
        """Return which residents it concerns."""
        return list(orjson.loads(self.residents))

    @property
    def concerned_ids(self) -> list[str]:
        """Return whose doings it is about: they neither see nor review it."""
        return list(orjson.loads(self.concerned))


class StepRow(NamedTuple):
    """Something that happened to an alert, and how it was then. `state` covers the columns before it."""

    id: str
    org: str
    alert_id: str
    what: str
    at: str
    by: str
    alert_version: int
    severity: str
    was: str
    status: str
    owner_id: str | None
    findings: int
    comment: bytes | None
    finding: bytes | None
    version: int
    state: bytes


class RuleRow(NamedTuple):
    """What an organisation set of a rule. `state` covers the columns before it."""

    rule: str
    org: str
    enabled: bool
    thresholds: str
    set_by: str
    set_at: str
    reason: bytes
    version: int
    state: bytes


_ROWS = BoundTables({AlertRow: alert, StepRow: alert_step, RuleRow: alert_rule}, {RuleRow: "rule"})
row_state, bound, member, named = _ROWS.state, _ROWS.bound, _ROWS.member, _ROWS.named
found, vouched, sound = _ROWS.found, _ROWS.vouched, _ROWS.sound
insertion, succession = _ROWS.insertion, _ROWS.succession
_STANDS = (
    update(alert_step)
    .where(alert_step.c.org == bindparam("of"), alert_step.c.id == bindparam("which"))
    .values(entry=bindparam("seq"))
)


def box_place(org: str, row_id: str, field: str, version: int = 1) -> Place:
    """Return where a sealed field of such a row belongs."""
    return Place(org, org, row_id, field, version)


def story_place(org: str, alert_id: str, findings: int) -> Place:
    """Return where the sealed sentence of an alert belongs: each finding brings its own."""
    return box_place(org, alert_id, "story", findings)


def stands_at(step: StepRow, seq: int) -> tuple[Any, dict[str, Any]]:
    """Return the statement that notes where the trail tells of a step."""
    return _STANDS, {"of": step.org, "which": step.id, "seq": seq}
