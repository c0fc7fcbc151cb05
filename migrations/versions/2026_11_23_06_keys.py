"""When nothing was left under an earlier generation of an organisation's key."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_23_06"
down_revision = "2026_11_23_05"
branch_labels = None
depends_on = None


def upgrade() -> None:
    instant = sa.String(27).with_variant(sa.String(27, collation="C"), "postgresql")
    op.add_column("organisation_key", sa.Column("completed_at", instant, nullable=True))
    op.execute("UPDATE organisation_key SET completed_at = made_at")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("GRANT UPDATE (completed_at) ON organisation_key TO caretrail_service")


def downgrade() -> None:
    raise RuntimeError("refused: keys under which something is sealed would be forgotten")
