"""Endpoints of other systems, what is to be sent to them, and what came of it."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_23_03"
down_revision = "2026_11_23_02"
branch_labels = None
depends_on = None


def _text(length: int | None = None):
    if length is None:
        return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "webhook",
        sa.Column("org", _text(36), nullable=False),
        sa.Column("id", _text(36), nullable=False),
        sa.Column("url", sa.LargeBinary(), nullable=False),
        sa.Column("events", _text(), nullable=False),
        sa.Column("status", _text(), nullable=False),
        sa.Column("off_because", _text(), nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("secret_set_at", _text(27), nullable=False),
        sa.Column("former_secret", sa.LargeBinary(), nullable=True),
        sa.Column("former_until", _text(27), nullable=True),
        sa.Column("created_at", _text(27), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("org", "id", name="pk_webhook"),
        comment="endpoints; address and secrets are sealed under the organisation's key, events = JSON",
    )
    op.create_table(
        "webhook_message",
        sa.Column("org", _text(36), nullable=False),
        sa.Column("id", _text(36), nullable=False),
        sa.Column("webhook_id", _text(36), nullable=False),
        sa.Column("event", _text(), nullable=False),
        sa.Column("body", _text(), nullable=False),
        sa.Column("bound", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", _text(27), nullable=False),
        sa.Column("status", _text(), nullable=False),
        sa.Column("due_at", _text(27), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("tries", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("lease", _text(36), nullable=True),
        sa.Column("leased_until", _text(27), nullable=True),
        sa.Column("ended_at", _text(27), nullable=True),
        sa.PrimaryKeyConstraint("org", "id", name="pk_webhook_message"),
        comment="the outbox: exact bodies, bound by a keyed digest; written with what they tell of",
    )
    op.create_index("ix_webhook_message_status_due_at", "webhook_message", ["status", "due_at"])
    op.create_index("ix_webhook_message_org_webhook_id", "webhook_message", ["org", "webhook_id", "id"])
    op.create_table(
        "webhook_attempt",
        sa.Column("org", _text(36), nullable=False),
        sa.Column("message_id", _text(36), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("webhook_id", _text(36), nullable=False),
        sa.Column("at", _text(27), nullable=False),
        sa.Column("outcome", _text(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("took_ms", sa.Integer(), nullable=False),
        sa.Column("answer", sa.LargeBinary(32), nullable=True),
        sa.PrimaryKeyConstraint("org", "message_id", "n", name="pk_webhook_attempt"),
        comment="every attempt at a delivery; of the answer only its status and a digest",
    )
    op.create_index("ix_webhook_attempt_org_webhook_id_at", "webhook_attempt", ["org", "webhook_id", "at"])
    if op.get_bind().dialect.name == "postgresql":
        for table in ("webhook", "webhook_message", "webhook_attempt"):
            op.execute(f"REVOKE ALL ON {table} FROM PUBLIC, caretrail_service")
        op.execute("GRANT SELECT, INSERT, UPDATE ON webhook TO caretrail_service")
        op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_message TO caretrail_service")
        op.execute("GRANT SELECT, INSERT, DELETE ON webhook_attempt TO caretrail_service")


def downgrade() -> None:
    raise RuntimeError("refused: endpoints and what was sent to them would be lost")
