"""Organisations, homes, roles, accounts, shifts, sessions and what may happen only once."""

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

organisation = Table(
    "organisation",
    metadata,
    identifier(key=True),
    word("name"),
    word("ods_code", nullable=True),
    instant("created_at"),
    number("roles_version"),
    comment="a provider; roles_version rises with every change of its permission matrix",
)

home = Table(
    "home",
    metadata,
    organisation_key(),
    identifier(key=True),
    word("name"),
    word("ods_code", nullable=True),
    word("cqc_location_id", nullable=True),
    instant("created_at"),
    *state_columns(),
)

role = Table(
    "role",
    metadata,
    organisation_key(),
    word("name", key=True),
    word("about"),
    word("user_kind"),
    word("permissions"),
    *state_columns(),
    comment="the organisation's matrix: permissions is JSON in the shape of permissions.json",
)

account = Table(
    "account",
    metadata,
    organisation_key(),
    identifier(key=True),
    word("kind"),
    Column("username_index", digest("x").type, nullable=False, unique=True),
    sealed("wrapped_key"),
    sealed("profile"),
    word("assignments"),
    word("password_hash"),
    Column("password_change_required", Boolean, nullable=False),
    sealed("totp_secret", nullable=True),
    Column("totp_confirmed", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    identifier("created_by"),
    instant("created_at"),
    position("name_seq", nullable=True),
    *state_columns(),
    comment="a person's login; profile = sealed user name and display name, assignments = JSON",
)
Index("ix_account_org_created_at", account.c.org, account.c.created_at, account.c.id)

one_time = Table(
    "account_one_time",
    metadata,
    organisation_key(),
    identifier("user_id", key=True),
    position("otp_step"),
    comment="the last one-time-code step used: rises by a conditional write, so each code works once",
)

recovery_code = Table(
    "account_recovery_code",
    metadata,
    organisation_key(),
    identifier("user_id", key=True),
    digest("code", key=True),
    instant("used_at", nullable=True),
)

shift = Table(
    "shift",
    metadata,
    organisation_key(),
    identifier(key=True),
    identifier("user_id"),
    identifier("home_id"),
    word("role"),
    word("agency", nullable=True),
    instant("starts_at"),
    instant("ends_at"),
    Column("cancelled", Boolean, nullable=False),
    *state_columns(),
)
Index("ix_shift_org_user_id_ends_at", shift.c.org, shift.c.user_id, shift.c.ends_at)

session = Table(
    "session",
    metadata,
    identifier(key=True),
    identifier("org"),
    identifier("user_id"),
    word("device_kind"),
    word("device_id", nullable=True),
    identifier("shift_id", nullable=True),
    instant("started_at"),
    instant("seen_at"),
    instant("ends_at"),
    word("ends_because"),
    number("idle_timeout_s"),
    instant("factor_at", nullable=True),
    instant("locked_at", nullable=True),
    number("unlock_failures"),
    instant("ended_at", nullable=True),
    word("end_reason", nullable=True),
)
Index("ix_session_org_user_id", session.c.org, session.c.user_id)
Index("ix_session_ends_at", session.c.ends_at)
Index(
    "ix_session_org_shift_id",
    session.c.org,
    session.c.shift_id,
    postgresql_where=session.c.shift_id.is_not(None),
    sqlite_where=session.c.shift_id.is_not(None),
)

throttle = Table(
    "sign_in_throttle",
    metadata,
    digest("key", key=True),
    word("kind"),
    identifier("org"),
    identifier("user_id", nullable=True),
    word("failures"),
    number("waits"),
    instant("blocked_until", nullable=True),
    number("refused"),
    instant("refused_since", nullable=True),
    number("version"),
    comment="sign-in attempts for each account and source; key is a keyed digest, never a name or address",
)

idempotency = Table(
    "idempotency",
    metadata,
    organisation_key(),
    identifier("user_id", key=True),
    word("route", key=True),
    word("key", key=True),
    word("request"),
    number("status"),
    sealed("answer"),
    instant("made_at"),
    identifier("subject", nullable=True),
    comment="answers of changing calls, sealed, kept 24 h, so that a repeat changes nothing",
)
Index("ix_idempotency_made_at", idempotency.c.made_at)
Index("ix_idempotency_org_subject", idempotency.c.org, idempotency.c.subject)
