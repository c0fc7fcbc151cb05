"""What a breach reaches, and what was shut because of it."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_23_05"
down_revision = "2026_11_23_04"
branch_labels = None
depends_on = None


def _text(length: int | None = None):
    if length is None:
        return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "incident_scope",
        sa.Column("org", _text(36), nullable=False),
        sa.Column("id", _text(36), nullable=False),
        sa.Column("since", _text(27), nullable=False),
        sa.Column("until", _text(27), nullable=True),
        sa.Column("selection", sa.LargeBinary(), nullable=False),
        sa.Column("set_by", _text(36), nullable=False),
        sa.Column("set_at", _text(27), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("org", "id", name="pk_incident_scope"),
        comment="which entries an incident is about; id is the incident's, selection (people, sessions,"
        " devices, residents, sources) is sealed JSON under the organisation's key",
    )
    op.create_table(
        "containment",
        sa.Column("org", _text(36), nullable=False),
        sa.Column("id", _text(36), nullable=False),
        sa.Column("incident_id", _text(36), nullable=False),
        sa.Column("user_ids", _text(), nullable=False),
        sa.Column("acts", _text(), nullable=False),
        sa.Column("frozen", _text(), nullable=False),
        sa.Column("status", _text(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("made_by", _text(36), nullable=False),
        sa.Column("made_at", _text(27), nullable=False),
        sa.Column("lift_reason", sa.LargeBinary(), nullable=True),
        sa.Column("lifted_by", _text(36), nullable=True),
        sa.Column("lifted_at", _text(27), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("org", "id", name="pk_containment"),
        comment="what was shut because of an incident: whose sessions and accounts, which exports; user_ids"
        " and acts are JSON lists, reasons are sealed under the organisation's key",
    )
    op.create_index("ix_containment_org_incident_id", "containment", ["org", "incident_id"])
    op.create_index("ix_containment_org_status", "containment", ["org", "status"])
    if op.get_bind().dialect.name == "postgresql":
        for table in ("incident_scope", "containment"):
            op.execute(f"REVOKE ALL ON {table} FROM PUBLIC, caretrail_service")
            op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO caretrail_service")


def downgrade() -> None:
    raise RuntimeError("refused: what was shut because of a breach would be forgotten")
