"""Alerts, the steps of who looks into them, and thresholds of rules."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_23_01"
down_revision = "2026_11_22_08"
branch_labels = None
depends_on = None


def _text(length: int | None = None):
    if length is None:
        return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


_OPEN = "status IN ('new', 'in_review')"


def upgrade() -> None:
    _alerts()
    _steps()
    _rules()
    if op.get_bind().dialect.name == "postgresql":
        for table in ("alert", "alert_step", "alert_rule"):
            op.execute(f"REVOKE ALL ON {table} FROM PUBLIC, caretrail_service")
            op.execute(f"GRANT SELECT, INSERT ON {table} TO caretrail_service")
        op.execute("GRANT UPDATE ON alert, alert_rule TO caretrail_service")
        op.execute("GRANT UPDATE (entry) ON alert_step TO caretrail_service")


def downgrade() -> None:
    raise RuntimeError("refused: alerts and who looked into them would be lost")


def _alerts() -> None:
    op.create_table(
        "alert",
        sa.Column("org", _text(36), nullable=False),
        sa.Column("id", _text(36), nullable=False),
        sa.Column("rule", _text(), nullable=False),
        sa.Column("subject", _text(), nullable=False),
        sa.Column("user_id", _text(36), nullable=True),
        sa.Column("concerned", _text(), nullable=False),
        sa.Column("severity", _text(), nullable=False),
        sa.Column("status", _text(), nullable=False),
        sa.Column("owner_id", _text(36), nullable=True),
        sa.Column("findings", sa.Integer(), nullable=False),
        sa.Column("raised_at", _text(27), nullable=False),
        sa.Column("first_at", _text(27), nullable=False),
        sa.Column("last_at", _text(27), nullable=False),
        sa.Column("entries", _text(), nullable=False),
        sa.Column("homes", _text(), nullable=False),
        sa.Column("residents", _text(), nullable=False),
        sa.Column("story", sa.LargeBinary(), nullable=False),
        sa.Column("earlier_id", _text(36), nullable=True),
        sa.Column("incident_id", _text(36), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("org", "id", name="pk_alert"),
        comment="what detection found; entries (chain and number), homes, residents and concerned (whose"
        " behaviour it is) are JSON lists; story = sealed sentence and figures of the newest finding",
    )
    op.create_index("ix_alert_org_raised_at", "alert", ["org", "raised_at", "id"])
    op.create_index("ix_alert_org_rule", "alert", ["org", "rule", "subject", "id"])
    op.create_index(
        "uq_alert_open",
        "alert",
        ["org", "rule", "subject"],
        unique=True,
        postgresql_where=sa.text(_OPEN),
        sqlite_where=sa.text(_OPEN),
    )


def _steps() -> None:
    op.create_table(
        "alert_step",
        sa.Column("org", _text(36), nullable=False),
        sa.Column("id", _text(36), nullable=False),
        sa.Column("alert_id", _text(36), nullable=False),
        sa.Column("what", _text(), nullable=False),
        sa.Column("at", _text(27), nullable=False),
        sa.Column("by", _text(), nullable=False),
        sa.Column("alert_version", sa.Integer(), nullable=False),
        sa.Column("severity", _text(), nullable=False),
        sa.Column("was", _text(), nullable=False),
        sa.Column("status", _text(), nullable=False),
        sa.Column("owner_id", _text(36), nullable=True),
        sa.Column("findings", sa.Integer(), nullable=False),
        sa.Column("comment", sa.LargeBinary(), nullable=True),
        sa.Column("finding", sa.LargeBinary(32), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(32), nullable=False),
        sa.Column("entry", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("org", "id", name="pk_alert_step"),
        comment="everything that happened to an alert; never changed, never removed; finding = digest of what"
        " was found, so that it is told once; entry says where the trail tells of it, and is the order in"
        " which a stream does",
    )
    op.create_index("ix_alert_step_org_alert_id", "alert_step", ["org", "alert_id", "id"])
    op.create_index("ix_alert_step_org_entry", "alert_step", ["org", "entry"])
    op.create_index("ix_alert_step_org_finding", "alert_step", ["org", "finding"])


def _rules() -> None:
    op.create_table(
        "alert_rule",
        sa.Column("org", _text(36), nullable=False),
        sa.Column("rule", _text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("thresholds", _text(), nullable=False),
        sa.Column("set_by", _text(36), nullable=False),
        sa.Column("set_at", _text(27), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("org", "rule", name="pk_alert_rule"),
        comment="what an organisation set of a rule of detection; one that is not here is as the catalogue"
        " says",
    )
