"""Endpoints of other systems, what is to be sent to them, and what came of it."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_23_03"
down_revision = "2026_11_23_02"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
