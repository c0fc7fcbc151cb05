"""Requests for access with their deadlines; an organisation's retention schedule; reviews."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_08"
down_revision = "2026_11_22_07"
branch_labels = None
depends_on = None


def _text(length: int | None = None):
    if length is None:
        return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "access_request",
        sa.Column("org", _text(36), nullable=False),
        sa.Column("id", _text(36), nullable=False),
        sa.Column("resident_id", _text(36), nullable=False),
        sa.Column("received_on", _text(), nullable=False),
        sa.Column("due_on", _text(), nullable=False),
        sa.Column("status", _text(), nullable=False),
        sa.Column("opened_at", _text(27), nullable=False),
        sa.Column("answered_at", _text(27), nullable=True),
        sa.Column("reason", sa.LargeBinary(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("org", "id", name="pk_access_request"),
        comment="who asked for a copy of what is held about them, and by when they have it;"
        " reason, sealed under the organisation's key, is why it takes longer",
    )
    op.create_index("ix_access_request_org_resident_id", "access_request", ["org", "resident_id"])
    op.create_table(
        "retention_rule",
        sa.Column("org", _text(36), nullable=False),
        sa.Column("id", _text(36), nullable=False),
        sa.Column("what", _text(), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("since", _text(), nullable=False),
        sa.Column("years", sa.Integer(), nullable=False),
        sa.Column("action", _text(), nullable=False),
        sa.Column("source", _text(), nullable=False),
        sa.Column("set_at", _text(27), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("org", "id", name="pk_retention_rule"),
        comment="how long an organisation keeps what; the highest edition of each is in force",
    )
    op.create_index(
        "uq_retention_rule_org_what_edition", "retention_rule", ["org", "what", "edition"], unique=True
    )
    op.create_table(
        "retention_review",
        sa.Column("org", _text(36), nullable=False),
        sa.Column("id", _text(36), nullable=False),
        sa.Column("resident_id", _text(36), nullable=False),
        sa.Column("decision", _text(), nullable=False),
        sa.Column("until", _text(), nullable=True),
        sa.Column("status", _text(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("reviewer", sa.LargeBinary(), nullable=False),
        sa.Column("reviewed_at", _text(27), nullable=False),
        sa.Column("approver", sa.LargeBinary(), nullable=True),
        sa.Column("approved_at", _text(27), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("org", "id", name="pk_retention_review"),
        comment="what was decided when a record's time was over; who and why is sealed",
    )
    op.create_index("ix_retention_review_org_resident_id", "retention_review", ["org", "resident_id"])
    if op.get_bind().dialect.name == "postgresql":
        for table in ("access_request", "retention_rule", "retention_review"):
            op.execute(f"REVOKE ALL ON {table} FROM PUBLIC, caretrail_service")
        op.execute("GRANT SELECT, INSERT ON retention_rule TO caretrail_service")
        for table in ("access_request", "retention_review"):
            op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO caretrail_service")


def downgrade() -> None:
    raise RuntimeError("refused: deadlines and decisions about records would be lost")
