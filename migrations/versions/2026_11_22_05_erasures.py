"""Erasures and holds; and of each stored answer, whom it is about, so that it goes with them."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_05"
down_revision = "2026_11_22_04"
branch_labels = None
depends_on = None


def _text(length: int | None = None):
    if length is None:
        return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "resident_hold",
        sa.Column("org", _text(36), nullable=False),
        sa.Column("resident_id", _text(36), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("set_by", _text(36), nullable=False),
        sa.Column("set_at", _text(27), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("org", "resident_id", name="pk_resident_hold"),
        comment="whose record must be kept whatever its retention date, an inquiry say; reason is sealed",
    )
    op.create_table(
        "erasure",
        sa.Column("org", _text(36), nullable=False),
        sa.Column("id", _text(36), nullable=False),
        sa.Column("resident_id", _text(36), nullable=False),
        sa.Column("legal_basis", _text(), nullable=False),
        sa.Column("status", _text(), nullable=False),
        sa.Column("asked_by", _text(36), nullable=False),
        sa.Column("asked_at", _text(27), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("approved_by", _text(36), nullable=True),
        sa.Column("approved_at", _text(27), nullable=True),
        sa.Column("records", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(32), nullable=False),
        sa.Column("entry", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("org", "id", name="pk_erasure"),
        comment="erasures asked for and done: the ledger a restored backup is held against;"
        " reason is sealed under the organisation's key, entry says where the trail tells of it",
    )
    op.create_index("ix_erasure_org_resident_id", "erasure", ["org", "resident_id"])
    op.add_column("idempotency", sa.Column("subject", _text(36), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        # ANALYZE keeps samples of a column's values: a destroyed key would live on in them
        op.execute("ALTER TABLE resident ALTER COLUMN wrapped_key SET STATISTICS 0")
        op.execute("ALTER TABLE idempotency ALTER COLUMN answer SET STATISTICS 0")
        for table in ("resident_hold", "erasure"):
            op.execute(f"REVOKE ALL ON {table} FROM PUBLIC, caretrail_service")
            op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO caretrail_service")


def downgrade() -> None:
    raise RuntimeError("refused: which residents were erased would be forgotten")
