"""What there is already about what a finding is about: the open alert, earlier ones, and the same finding.

An alert that was altered behind the service's back is told of and counts for nothing: it takes no finding in,
and hides none. One that looks open still keeps its place in the database - at most one alert for a rule and a
subject is open - so what is found then stands beside it, under a subject of its own.
"""

import hashlib
from typing import NamedTuple

import orjson
from sqlalchemy import select

from app.access.opened import Opened
from app.alerts import rows
from app.alerts.rows import OPEN, AlertRow, StepRow
from app.alerts.table import alert, alert_step
from app.detection.finding import Finding

BESIDE = "+"
"""Between a subject and the altered alert that stands in its place."""
MOST_LOOKED_AT = 20
"""How many alerts about the same are read; which findings they tell of is asked for all of them."""


class Same(NamedTuple):
    """The alerts about the same, an open one first; and the subject under which a new one stands."""

    alerts: list[AlertRow]
    subject: str

    @property
    def standing(self) -> AlertRow | None:
        """Return the open one."""
        return next((row for row in self.alerts if row.status in OPEN), None)


def about_the_same(opened: Opened, finding: Finding) -> Same:
    """Return what there is about the subject of a finding, locked until the turn is over."""
    subject, known = finding.subject, list[AlertRow]()
    while True:
        found = _under(opened, finding.rule, subject)
        good = [row for row in found if rows.sound(opened, row)]
        known = [*good, *known]
        blocking = next((row.id for row in found if row.status in OPEN and row not in good), None)
        if blocking is None:
            return Same(sorted(known, key=lambda row: row.status not in OPEN), subject)
        subject = f"{finding.subject}{BESIDE}{blocking}"


def _under(opened: Opened, rule: str, subject: str) -> list[AlertRow]:
    """Return the alerts of a rule under a subject: an open one, then the newest first."""
    c = alert.c
    query = (
        select(*(c[name] for name in AlertRow._fields))
        .where(c.org == opened.org, c.rule == rule, c.subject == subject)
        .order_by(c.status.in_(OPEN).desc(), c.id.desc())
        .limit(MOST_LOOKED_AT)
        .with_for_update()
    )
    return [AlertRow._make(row) for row in opened.execute(query).all()]


def digest_of(finding: Finding) -> bytes | None:
    """Return what tells a finding from others, however often it is found; None of one without entries."""
    if not finding.entries:
        return None
    named = [finding.rule, finding.subject, finding.chain, finding.entries]
    return hashlib.sha256(orjson.dumps(named)).digest()


def told_in(opened: Opened, finding: Finding, same: Same) -> AlertRow | None:
    """Return the alert that tells of a finding already: of this very one, or of all its entries."""
    if not finding.entries:
        return None
    places = {(finding.chain, seq) for seq in finding.entries}
    holding = (row for row in same.alerts if places <= {(chain, seq) for chain, seq in row.places})
    return next(holding, None) or _told_by_step(opened, finding)


def _told_by_step(opened: Opened, finding: Finding) -> AlertRow | None:
    s, c = alert_step.c, alert.c
    steps = select(*(s[name] for name in StepRow._fields)).where(
        s.org == opened.org, s.finding == digest_of(finding)
    )
    told = [StepRow._make(row) for row in opened.execute(steps).all()]
    ids = {step.alert_id for step in told if rows.sound(opened, step)}
    if not ids:
        return None
    query = select(*(c[name] for name in AlertRow._fields)).where(c.org == opened.org, c.id.in_(ids))
    found = [AlertRow._make(row) for row in opened.execute(query.order_by(c.id.desc())).all()]
    return next((row for row in found if rows.sound(opened, row)), None)


def plain_subject(subject: str) -> str:
    """Return what an alert is about, whatever alert it had to be raised beside."""
    return subject.partition(BESIDE)[0]
