"""How far the lines of each chain were judged, and habits of people."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_23_02"
down_revision = "2026_11_23_01"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
