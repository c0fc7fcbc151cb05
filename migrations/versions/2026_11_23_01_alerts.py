"""Alerts, the steps of who looks into them, and thresholds of rules."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_23_01"
down_revision = "2026_11_22_08"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
