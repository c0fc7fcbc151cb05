"""The service may wrap its organisations' keys under another root key."""

from alembic import op

revision = "2026_11_22_07"
down_revision = "2026_11_22_06"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("GRANT UPDATE (value) ON key_check TO caretrail_service")
        op.execute("GRANT UPDATE (wrapped) ON organisation_key TO caretrail_service")


def downgrade() -> None:
    raise RuntimeError("refused: the root key could not be changed any more")
