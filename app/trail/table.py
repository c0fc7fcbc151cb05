"""What was shut because of an incident. It lies here because the exports, which ask, lie below incidents."""

from sqlalchemy import Index, Table

from app.storage.base import identifier, instant, metadata, organisation_key, sealed, state_columns, word

containment = Table(
    "containment",
    metadata,
    organisation_key(),
    identifier(key=True),
    identifier("incident_id"),
    word("user_ids"),
    word("acts"),
    word("frozen"),
    word("status"),
    sealed("reason"),
    identifier("made_by"),
    instant("made_at"),
    sealed("lift_reason", nullable=True),
    identifier("lifted_by", nullable=True),
    instant("lifted_at", nullable=True),
    *state_columns(),
    comment="what was shut because of an incident: whose sessions and accounts, which exports; user_ids"
    " and acts are JSON lists, reasons are sealed under the organisation's key",
)
Index("ix_containment_org_incident_id", containment.c.org, containment.c.incident_id)
Index("ix_containment_org_status", containment.c.org, containment.c.status)
