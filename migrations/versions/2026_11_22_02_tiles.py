"""The inner nodes of the trail's tree, every 8th level, so that proofs read a bounded number of rows.

They are derived from the lines; the service builds them behind its traffic.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_02"
down_revision = "2026_11_22_01"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_tile",
        sa.Column(
            "org", sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("level", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column(
            "n", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, autoincrement=False
        ),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("org", "level", "n", name="pk_audit_tile"),
        sqlite_with_rowid=False,
        comment="inner nodes of the Merkle tree, every 8th level: derived, can be rebuilt, prove nothing",
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("REVOKE ALL ON audit_tile FROM PUBLIC, caretrail_service")
        op.execute("GRANT SELECT, INSERT ON audit_tile TO caretrail_service")


def downgrade() -> None:
    raise RuntimeError("refused: a service of the version before would leave the tiles behind")
