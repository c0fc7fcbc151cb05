"""Incidents, their assessments, who was told, and what is to be done."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_23_04"
down_revision = "2026_11_23_03"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
