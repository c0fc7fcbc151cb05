"""What a breach reaches, and what was shut because of it."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_23_05"
down_revision = "2026_11_23_04"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
