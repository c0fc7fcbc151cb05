"""The tables of incidents. What somebody wrote in their own words is sealed under the organisation's key."""

from typing import Any

from sqlalchemy import Column, Index, Table

from app.storage.base import (
    identifier,
    instant,
    metadata,
    number,
    organisation_key,
    sealed,
    state_columns,
    word,
)


def _of_incident(name: str, *columns: Column[Any], comment: str) -> Table:
    table = Table(
        name,
        metadata,
        organisation_key(),
        identifier(key=True),
        identifier("incident_id"),
        *columns,
        *state_columns(),
        comment=comment,
    )
    Index(f"ix_{name}_org_incident_id", table.c.org, table.c.incident_id)
    return table


incident = Table(
    "incident",
    metadata,
    organisation_key(),
    identifier(key=True),
    identifier("home_id", nullable=True),
    word("nature"),
    word("kind"),
    word("status"),
    instant("opened_at"),
    identifier("opened_by"),
    instant("occurred_at", nullable=True),
    instant("ended_at", nullable=True),
    instant("detected_at", nullable=True),
    instant("became_aware_at", nullable=True),
    word("ongoing"),
    word("system_fault"),
    word("confidentiality"),
    word("integrity"),
    word("availability"),
    word("categories"),
    number("people_affected", nullable=True),
    word("alerts"),
    word("concerned"),
    sealed("texts"),
    word("decision", nullable=True),
    instant("ico_told_at", nullable=True),
    instant("management_told_at", nullable=True),
    instant("closed_at", nullable=True),
    identifier("closed_by", nullable=True),
    *state_columns(),
    comment="breaches and near misses; home_id of none: the whole organisation; categories, alerts and"
    " concerned (whose behaviour it is) are JSON lists; texts = sealed JSON",
)
Index("ix_incident_org_opened_at", incident.c.org, incident.c.opened_at, incident.c.id)

incident_history = _of_incident(
    "incident_history",
    word("what"),
    instant("was", nullable=True),
    instant("became", nullable=True),
    sealed("reason", nullable=True),
    identifier("by"),
    instant("at"),
    comment="instants corrected, closed, opened again: what was known when; never changed, never removed",
)

incident_assessment = _of_incident(
    "incident_assessment",
    word("edition"),
    number("likelihood"),
    number("impact"),
    word("vulnerable"),
    word("special"),
    number("counted_likelihood"),
    number("counted_impact"),
    word("proposal"),
    word("decision", nullable=True),
    sealed("reasons"),
    identifier("by"),
    instant("at"),
    comment="every scoring on the two-axis grid: what was proposed, what a person decided, and why",
)

incident_notification = _of_incident(
    "incident_notification",
    word("recipient"),
    instant("told_at"),
    number("people", nullable=True),
    sealed("texts"),
    identifier("replaced_by", nullable=True),
    identifier("by"),
    instant("at"),
    comment="who was told when; texts = sealed JSON: told by whom, reference, reasons for delay",
)

incident_action = _of_incident(
    "incident_action",
    identifier("owner_id", nullable=True),
    word("due_on", nullable=True),
    sealed("what"),
    identifier("by"),
    instant("at"),
    instant("done_at", nullable=True),
    identifier("done_by", nullable=True),
    sealed("outcome", nullable=True),
    comment="what is to be done about an incident, by whom and by when",
)

incident_warning = _of_incident(
    "incident_warning",
    word("clock"),
    number("mark"),
    instant("counted_from"),
    instant("due_at"),
    instant("given_at"),
    comment="each warning of a clock that was given, once for each instant the clock was counted from",
)
Index(
    "uq_incident_warning_clock",
    incident_warning.c.org,
    incident_warning.c.incident_id,
    incident_warning.c.clock,
    incident_warning.c.mark,
    incident_warning.c.counted_from,
    unique=True,
)

incident_scope = Table(
    "incident_scope",
    metadata,
    organisation_key(),
    identifier(key=True),
    instant("since"),
    instant("until", nullable=True),
    sealed("selection"),
    identifier("set_by"),
    instant("set_at"),
    *state_columns(),
    comment="which entries an incident is about; id is the incident's, selection (people, sessions,"
    " devices, residents, sources) is sealed JSON under the organisation's key",
)
