"""Residents and their records. Everything personal in here is sealed."""

from sqlalchemy import Boolean, Column, Index, Table

from app.storage.base import (
    digest,
    identifier,
    instant,
    metadata,
    number,
    organisation_key,
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
Index("ix_resident_org_home_id", resident.c.org, resident.c.home_id, resident.c.id)
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
