"""Residents and their records. Everything personal in here is sealed."""

from sqlalchemy import Boolean, Column, Index, Table

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

resident = Table(
    "resident",
    metadata,
    organisation_key(),
    identifier(key=True),
    identifier("home_id"),
    word("unit", nullable=True),
    word("status"),
    word("admitted_on"),
    word("discharged_on", nullable=True),
    sealed("wrapped_key"),
    sealed("identity"),
    sealed("identifiers"),
    sealed("room", nullable=True),
    digest("nhs_index", nullable=True),
    digest("family_index"),
    digest("family_birth_index"),
    digest("source_index", nullable=True),
    digest("source_digest", nullable=True),
    sealed("source", nullable=True),
    instant("created_at"),
    Column("deleted", Boolean, nullable=False),
    *state_columns(),
    comment="a person living at a home; the *_index columns are keyed digests for look-ups",
)
Index("ix_resident_org_created_at", resident.c.org, resident.c.created_at, resident.c.id)
Index(
    "ix_resident_org_home_id_created_at",
    resident.c.org,
    resident.c.home_id,
    resident.c.created_at,
    resident.c.id,
)
Index("ix_resident_org_family_index", resident.c.org, resident.c.family_index)
Index("ix_resident_org_source_index", resident.c.org, resident.c.source_index)
Index(
    "uq_resident_org_nhs_index",
    resident.c.org,
    resident.c.nhs_index,
    unique=True,
    postgresql_where=resident.c.deleted.is_(False),
    sqlite_where=resident.c.deleted.is_(False),
)

resident_hold = Table(
    "resident_hold",
    metadata,
    organisation_key(),
    identifier("resident_id", key=True),
    Column("held", Boolean, nullable=False),
    sealed("reason"),
    identifier("set_by"),
    instant("set_at"),
    *state_columns(),
    comment="whose record must be kept whatever its retention date, an inquiry say; reason is sealed",
)

erasure = Table(
    "erasure",
    metadata,
    organisation_key(),
    identifier(key=True),
    identifier("resident_id"),
    word("legal_basis"),
    word("status"),
    identifier("asked_by"),
    instant("asked_at"),
    sealed("reason"),
    identifier("approved_by", nullable=True),
    instant("approved_at", nullable=True),
    number("records", nullable=True),
    *state_columns(),
    position("entry", nullable=True),
    comment="erasures asked for and done: the ledger a restored backup is held against;"
    " reason is sealed under the organisation's key, entry says where the trail tells of it",
)
Index("ix_erasure_org_resident_id", erasure.c.org, erasure.c.resident_id)

access_request = Table(
    "access_request",
    metadata,
    organisation_key(),
    identifier(key=True),
    identifier("resident_id"),
    word("received_on"),
    word("due_on"),
    word("status"),
    instant("opened_at"),
    instant("answered_at", nullable=True),
    sealed("reason", nullable=True),
    *state_columns(),
    comment="who asked for a copy of what is held about them, and by when they have it;"
    " reason, sealed under the organisation's key, is why it takes longer",
)
Index("ix_access_request_org_resident_id", access_request.c.org, access_request.c.resident_id)

retention_rule = Table(
    "retention_rule",
    metadata,
    organisation_key(),
    identifier(key=True),
    word("what"),
    number("edition"),
    word("since"),
    number("years"),
    word("action"),
    word("source"),
    instant("set_at"),
    *state_columns(),
    comment="how long an organisation keeps what; the highest edition of each is in force",
)
Index(
    "uq_retention_rule_org_what_edition",
    retention_rule.c.org,
    retention_rule.c.what,
    retention_rule.c.edition,
    unique=True,
)

retention_review = Table(
    "retention_review",
    metadata,
    organisation_key(),
    identifier(key=True),
    identifier("resident_id"),
    word("decision"),
    word("until", nullable=True),
    word("status"),
    sealed("reason"),
    sealed("reviewer"),
    instant("reviewed_at"),
    sealed("approver", nullable=True),
    instant("approved_at", nullable=True),
    *state_columns(),
    comment="what was decided when a record's time was over; who and why is sealed",
)
Index("ix_retention_review_org_resident_id", retention_review.c.org, retention_review.c.resident_id)

record = Table(
    "record",
    metadata,
    organisation_key(),
    identifier("resident_id", key=True),
    identifier(key=True),
    word("category"),
    word("about", nullable=True),
    instant("occurred_at"),
    Column("occurred_at_estimated", Boolean, nullable=False),
    instant("recorded_at"),
    identifier("recorded_by"),
    instant("first_recorded_at"),
    identifier("author"),
    Column("late", Boolean, nullable=False),
    sealed("body"),
    identifier("medication_id", nullable=True),
    digest("source_index", nullable=True),
    digest("source_digest", nullable=True),
    sealed("source", nullable=True),
    Column("deleted", Boolean, nullable=False),
    *state_columns(),
    comment="the present version of each record; body and source are sealed under the resident's key",
)
Index(
    "ix_record_org_resident_id_occurred_at",
    record.c.org,
    record.c.resident_id,
    record.c.occurred_at,
    record.c.id,
)
Index(
    "ix_record_org_resident_id_category",
    record.c.org,
    record.c.resident_id,
    record.c.category,
    record.c.occurred_at,
    record.c.id,
)
Index("ix_record_org_source_index", record.c.org, record.c.source_index)
Index("ix_record_org_medication_id", record.c.org, record.c.medication_id)

record_version = Table(
    "record_version",
    metadata,
    organisation_key(),
    identifier("resident_id", key=True),
    identifier("record_id", key=True),
    number("version", key=True),
    instant("occurred_at"),
    Column("occurred_at_estimated", Boolean, nullable=False),
    instant("recorded_at"),
    identifier("recorded_by"),
    Column("late", Boolean, nullable=False),
    Column("deleted", Boolean, nullable=False),
    sealed("body"),
    sealed("reason", nullable=True),
    comment="every version of every record, as it was; never changed, never removed",
)
