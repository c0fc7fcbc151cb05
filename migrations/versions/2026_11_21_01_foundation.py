"""The foundation: keys, the trail, people, residents and their records.

Written out once and never edited: what a database of the first version looks like must not change with
the application. Names of ids, times, categories, homes, units and states are readable columns; all else
about a person is sealed.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_21_01"
down_revision = None
branch_labels = None
depends_on = None


def _text(length: int | None = None):
    # byte order, not a language's: ids and instants sort alike on both databases
    if length is None:
        return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


_IDENTIFIER = _text(36)
_INSTANT = _text(27)
_WORD = _text()
_DIGEST = sa.LargeBinary(32)
_POSITION = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _keys()
    _trail()
    _checkpoints()
    _people()
    _accounts()
    _sessions()
    _once()
    _residents()
    _records()


def downgrade() -> None:
    raise RuntimeError("refused: this would destroy the trail. Restore a backup instead.")


def _keys() -> None:
    op.create_table(
        "key_check",
        sa.Column("name", _WORD, nullable=False),
        sa.Column("value", _DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_key_check"),
        comment="a keyed digest of a constant: tells a wrong root key before anything is written",
    )
    op.create_table(
        "organisation_key",
        sa.Column("org", _IDENTIFIER, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("org", "generation", name="pk_organisation_key"),
        comment="one data-wrapping key for each organisation, wrapped by the root key",
    )


def _trail() -> None:
    op.create_table(
        "audit_head",
        sa.Column("org", _IDENTIFIER, nullable=False),
        sa.Column("size", _POSITION, nullable=False),
        sa.Column("leaf", _DIGEST, nullable=False),
        sa.Column("ts", _INSTANT, nullable=False),
        sa.Column("peaks", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("org", name="pk_audit_head"),
        sqlite_with_rowid=False,
        comment="one row for each chain: how long it is, its last leaf, its Merkle peaks",
    )
    op.create_table(
        "audit_event",
        sa.Column("org", _IDENTIFIER, nullable=False),
        sa.Column("seq", _POSITION, nullable=False, autoincrement=False),
        sa.Column("line", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", _DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("org", "seq", name="pk_audit_event"),
        sqlite_with_rowid=False,
        comment="the trail, append-only: exact lines and their RFC 6962 leaf hashes",
    )
    op.create_table(
        "audit_value",
        sa.Column("org", _IDENTIFIER, nullable=False),
        sa.Column("seq", _POSITION, nullable=False, autoincrement=False),
        sa.Column("n", _POSITION, nullable=False, autoincrement=False),
        sa.Column("field", _WORD, nullable=False),
        sa.Column("side", _WORD, nullable=False),
        sa.Column("owner", _IDENTIFIER, nullable=False),
        sa.Column("ct", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("org", "seq", "n", name="pk_audit_value"),
        sqlite_with_rowid=False,
        comment="sealed values before (b) and after (a) a change, sealed reasons (r); the line "
        "has their hashes",
    )
    op.create_table(
        "audit_name",
        sa.Column("org", _IDENTIFIER, nullable=False),
        sa.Column("seq", _POSITION, nullable=False, autoincrement=False),
        sa.Column("user_id", _IDENTIFIER, nullable=False),
        sa.Column("ct", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("org", "seq", name="pk_audit_name"),
        sqlite_with_rowid=False,
        comment="salt and name of a person, sealed under the person's key, for the name_h of the line",
    )


def _checkpoints() -> None:
    op.create_table(
        "audit_checkpoint",
        sa.Column("org", _IDENTIFIER, nullable=False),
        sa.Column("size", _POSITION, nullable=False, autoincrement=False),
        sa.Column("root", _DIGEST, nullable=False),
        sa.Column("made_at", _INSTANT, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("org", "size", name="pk_audit_checkpoint"),
        sqlite_with_rowid=False,
        comment="signed checkpoints (C2SP signed notes)",
    )
    op.create_table(
        "audit_index",
        sa.Column("org", _IDENTIFIER, nullable=False),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("key", _WORD, nullable=False),
        sa.Column("seq", _POSITION, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("org", "kind", "key", "seq", name="pk_audit_index"),
        comment="inverted index of the lines: derived, can be rebuilt, proves nothing",
    )
    op.create_table(
        "audit_indexed",
        sa.Column("org", _IDENTIFIER, nullable=False),
        sa.Column("size", _POSITION, nullable=False),
        sa.PrimaryKeyConstraint("org", name="pk_audit_indexed"),
        comment="how far audit_index has come",
    )


def _people() -> None:
    op.create_table(
        "organisation",
        sa.Column("id", _IDENTIFIER, nullable=False),
        sa.Column("name", _WORD, nullable=False),
        sa.Column("ods_code", _WORD, nullable=True),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("roles_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organisation"),
        comment="a provider; roles_version rises with every change of its permission matrix",
    )
    op.create_table(
        "home",
        sa.Column("org", _IDENTIFIER, nullable=False),
        sa.Column("id", _IDENTIFIER, nullable=False),
        sa.Column("name", _WORD, nullable=False),
        sa.Column("ods_code", _WORD, nullable=True),
        sa.Column("cqc_location_id", _WORD, nullable=True),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", _DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("org", "id", name="pk_home"),
    )
    op.create_table(
        "role",
        sa.Column("org", _IDENTIFIER, nullable=False),
        sa.Column("name", _WORD, nullable=False),
        sa.Column("about", _WORD, nullable=False),
        sa.Column("user_kind", _WORD, nullable=False),
        sa.Column("permissions", _WORD, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", _DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("org", "name", name="pk_role"),
        comment="the organisation's matrix: permissions is JSON in the shape of permissions.json",
    )


def _accounts() -> None:
    op.create_table(
        "account",
        sa.Column("org", _IDENTIFIER, nullable=False),
        sa.Column("id", _IDENTIFIER, nullable=False),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("username_index", _DIGEST, nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("profile", sa.LargeBinary(), nullable=False),
        sa.Column("assignments", _WORD, nullable=False),
        sa.Column("password_hash", _WORD, nullable=False),
        sa.Column("password_change_required", sa.Boolean(), nullable=False),
        sa.Column("totp_secret", sa.LargeBinary(), nullable=True),
        sa.Column("totp_confirmed", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_by", _IDENTIFIER, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("name_seq", _POSITION, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", _DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("org", "id", name="pk_account"),
        sa.UniqueConstraint("username_index", name="uq_account_username_index"),
        comment="a person's login; profile = sealed user name and display name, assignments = JSON",
    )
    op.create_table(
        "account_one_time",
        sa.Column("org", _IDENTIFIER, nullable=False),
        sa.Column("user_id", _IDENTIFIER, nullable=False),
        sa.Column("otp_step", _POSITION, nullable=False),
        sa.PrimaryKeyConstraint("org", "user_id", name="pk_account_one_time"),
        comment="the last one-time-code step used: rises by a conditional write, so each code works once",
    )
    op.create_table(
        "account_recovery_code",
        sa.Column("org", _IDENTIFIER, nullable=False),
        sa.Column("user_id", _IDENTIFIER, nullable=False),
        sa.Column("code", _DIGEST, nullable=False),
        sa.Column("used_at", _INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("org", "user_id", "code", name="pk_account_recovery_code"),
    )


def _sessions() -> None:
    op.create_table(
        "shift",
        sa.Column("org", _IDENTIFIER, nullable=False),
        sa.Column("id", _IDENTIFIER, nullable=False),
        sa.Column("user_id", _IDENTIFIER, nullable=False),
        sa.Column("home_id", _IDENTIFIER, nullable=False),
        sa.Column("role", _WORD, nullable=False),
        sa.Column("agency", _WORD, nullable=True),
        sa.Column("starts_at", _INSTANT, nullable=False),
        sa.Column("ends_at", _INSTANT, nullable=False),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", _DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("org", "id", name="pk_shift"),
    )
    op.create_index("ix_shift_org_user_id_ends_at", "shift", ["org", "user_id", "ends_at"])
    op.create_table(
        "session",
        sa.Column("id", _IDENTIFIER, nullable=False),
        sa.Column("org", _IDENTIFIER, nullable=False),
        sa.Column("user_id", _IDENTIFIER, nullable=False),
        sa.Column("device_kind", _WORD, nullable=False),
        sa.Column("device_id", _WORD, nullable=True),
        sa.Column("shift_id", _IDENTIFIER, nullable=True),
        sa.Column("started_at", _INSTANT, nullable=False),
        sa.Column("seen_at", _INSTANT, nullable=False),
        sa.Column("ends_at", _INSTANT, nullable=False),
        sa.Column("ends_because", _WORD, nullable=False),
        sa.Column("idle_timeout_s", sa.Integer(), nullable=False),
        sa.Column("factor_at", _INSTANT, nullable=True),
        sa.Column("locked_at", _INSTANT, nullable=True),
        sa.Column("unlock_failures", sa.Integer(), nullable=False),
        sa.Column("ended_at", _INSTANT, nullable=True),
        sa.Column("end_reason", _WORD, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
    )
    op.create_index("ix_session_org_user_id", "session", ["org", "user_id"])


def _once() -> None:
    op.create_table(
        "sign_in_throttle",
        sa.Column("key", _DIGEST, nullable=False),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("org", _IDENTIFIER, nullable=False),
        sa.Column("user_id", _IDENTIFIER, nullable=True),
        sa.Column("failures", _WORD, nullable=False),
        sa.Column("waits", sa.Integer(), nullable=False),
        sa.Column("blocked_until", _INSTANT, nullable=True),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("refused_since", _INSTANT, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_sign_in_throttle"),
        comment="sign-in attempts for each account and source; key is a keyed digest, never a "
        "name or address",
    )
    op.create_table(
        "idempotency",
        sa.Column("org", _IDENTIFIER, nullable=False),
        sa.Column("user_id", _IDENTIFIER, nullable=False),
        sa.Column("route", _WORD, nullable=False),
        sa.Column("key", _WORD, nullable=False),
        sa.Column("request", _WORD, nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("org", "user_id", "route", "key", name="pk_idempotency"),
        comment="answers of changing calls, sealed, kept 24 h, so that a repeat changes nothing",
    )


def _residents() -> None:
    op.create_table(
        "resident",
        sa.Column("org", _IDENTIFIER, nullable=False),
        sa.Column("id", _IDENTIFIER, nullable=False),
        sa.Column("home_id", _IDENTIFIER, nullable=False),
        sa.Column("unit", _WORD, nullable=True),
        sa.Column("status", _WORD, nullable=False),
        sa.Column("admitted_on", _WORD, nullable=False),
        sa.Column("discharged_on", _WORD, nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("identity", sa.LargeBinary(), nullable=False),
        sa.Column("identifiers", sa.LargeBinary(), nullable=False),
        sa.Column("room", sa.LargeBinary(), nullable=True),
        sa.Column("nhs_index", _DIGEST, nullable=True),
        sa.Column("family_index", _DIGEST, nullable=False),
        sa.Column("family_birth_index", _DIGEST, nullable=False),
        sa.Column("source_index", _DIGEST, nullable=True),
        sa.Column("source_digest", _DIGEST, nullable=True),
        sa.Column("source", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", _DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("org", "id", name="pk_resident"),
        comment="a person living at a home; the *_index columns are keyed digests for look-ups",
    )
    op.create_index("ix_resident_org_family_index", "resident", ["org", "family_index"])
    op.create_index("ix_resident_org_home_id", "resident", ["org", "home_id", "id"])
    op.create_index("ix_resident_org_source_index", "resident", ["org", "source_index"])
    op.create_index(
        "uq_resident_org_nhs_index",
        "resident",
        ["org", "nhs_index"],
        unique=True,
        postgresql_where=sa.text("deleted IS false"),
        sqlite_where=sa.text("deleted IS 0"),
    )


def _records() -> None:
    op.create_table(
        "record",
        sa.Column("org", _IDENTIFIER, nullable=False),
        sa.Column("resident_id", _IDENTIFIER, nullable=False),
        sa.Column("id", _IDENTIFIER, nullable=False),
        sa.Column("category", _WORD, nullable=False),
        sa.Column("about", _WORD, nullable=True),
        sa.Column("occurred_at", _INSTANT, nullable=False),
        sa.Column("occurred_at_estimated", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", _INSTANT, nullable=False),
        sa.Column("recorded_by", _IDENTIFIER, nullable=False),
        sa.Column("first_recorded_at", _INSTANT, nullable=False),
        sa.Column("author", _IDENTIFIER, nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("medication_id", _IDENTIFIER, nullable=True),
        sa.Column("source_index", _DIGEST, nullable=True),
        sa.Column("source_digest", _DIGEST, nullable=True),
        sa.Column("source", sa.LargeBinary(), nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", _DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("org", "resident_id", "id", name="pk_record"),
        comment="the present version of each record; body and source are sealed under the resident's key",
    )
    op.create_index("ix_record_org_medication_id", "record", ["org", "medication_id"])
    op.create_index(
        "ix_record_org_resident_id_occurred_at", "record", ["org", "resident_id", "occurred_at", "id"]
    )
    op.create_index("ix_record_org_source_index", "record", ["org", "source_index"])
    op.create_table(
        "record_version",
        sa.Column("org", _IDENTIFIER, nullable=False),
        sa.Column("resident_id", _IDENTIFIER, nullable=False),
        sa.Column("record_id", _IDENTIFIER, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("occurred_at", _INSTANT, nullable=False),
        sa.Column("occurred_at_estimated", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", _INSTANT, nullable=False),
        sa.Column("recorded_by", _IDENTIFIER, nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("org", "resident_id", "record_id", "version", name="pk_record_version"),
        comment="every version of every record, as it was; never changed, never removed",
    )
