"""The tables of alerts. What somebody or a rule says in sentences is sealed under the organisation's key."""

from sqlalchemy import Boolean, Column, Index, Table, text

from app.storage.base import (
    digest,
    identifier,
    instant,
    metadata,
    number,
    organisation_key,
    position,
    sealed,
    state_columns,
    word,
)

alert = Table(
    "alert",
    metadata,
    organisation_key(),
    identifier(key=True),
    word("rule"),
    word("subject"),
    identifier("user_id", nullable=True),
    word("concerned"),
    word("severity"),
    word("status"),
    identifier("owner_id", nullable=True),
    number("findings"),
    instant("raised_at"),
    instant("first_at"),
    instant("last_at"),
    word("entries"),
    word("homes"),
    word("residents"),
    sealed("story"),
    identifier("earlier_id", nullable=True),
    identifier("incident_id", nullable=True),
    *state_columns(),
    comment="what detection found; entries (chain and number), homes, residents and concerned (whose"
    " behaviour it is) are JSON lists; story = sealed sentence and figures of the newest finding",
)
Index("ix_alert_org_raised_at", alert.c.org, alert.c.raised_at, alert.c.id)
Index("ix_alert_org_rule", alert.c.org, alert.c.rule, alert.c.subject, alert.c.id)
_OPEN = "status IN ('new', 'in_review')"
Index(
    "uq_alert_open",
    alert.c.org,
    alert.c.rule,
    alert.c.subject,
    unique=True,
    postgresql_where=text(_OPEN),
    sqlite_where=text(_OPEN),
)

alert_step = Table(
    "alert_step",
    metadata,
    organisation_key(),
    identifier(key=True),
    identifier("alert_id"),
    word("what"),
    instant("at"),
    word("by"),
    number("alert_version"),
    word("severity"),
    word("was"),
    word("status"),
    identifier("owner_id", nullable=True),
    number("findings"),
    sealed("comment", nullable=True),
    digest("finding", nullable=True),
    *state_columns(),
    position("entry", nullable=True),
    comment="everything that happened to an alert; never changed, never removed; finding = digest of what"
    " was found, so that it is told once; entry says where the trail tells of it, and is the order in which a"
    " stream does",
)
Index("ix_alert_step_org_alert_id", alert_step.c.org, alert_step.c.alert_id, alert_step.c.id)
Index("ix_alert_step_org_entry", alert_step.c.org, alert_step.c.entry)
Index("ix_alert_step_org_finding", alert_step.c.org, alert_step.c.finding)

alert_rule = Table(
    "alert_rule",
    metadata,
    organisation_key(),
    word("rule", key=True),
    Column("enabled", Boolean, nullable=False),
    word("thresholds"),
    identifier("set_by"),
    instant("set_at"),
    sealed("reason"),
    *state_columns(),
    comment="what an organisation set of a rule of detection; one that is not here is as the catalogue says",
)

judged = Table(
    "detection_judged",
    metadata,
    organisation_key(),
    identifier("chain", key=True),
    position("seq"),
    identifier("runner", nullable=True),
    instant("leased_until", nullable=True),
    digest("state"),
    comment="for each organisation: up to which line its chain and the system's were judged, and who"
    " judges now; state is a keyed digest of the place, so that nobody moves it past what they did",
)

habit_day = Table(
    "detection_day",
    metadata,
    organisation_key(),
    identifier("user_id", key=True),
    word("day", key=True),
    word("roles"),
    number("gap"),
    number("hours"),
    number("records"),
    number("residents"),
    number("listed"),
    number("amendments"),
    number("removals"),
    number("outside"),
    word("places"),
    digest("state"),
    comment="what a person's day at work came to: counts of its busiest hour, a bit for each hour of the"
    " day, and residents by place (JSON); kept for four weeks; state is a keyed digest of the others",
)

told = Table(
    "detection_told",
    metadata,
    organisation_key(),
    identifier("chain", key=True),
    word("rule", key=True),
    word("subject", key=True),
    instant("until"),
    number("size"),
    digest("state"),
    comment="what was found lately, and until when its like is held back unless it doubles; state is a"
    " keyed digest of the others, so that nobody holds back what was not told",
)
