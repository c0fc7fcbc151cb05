"""Pruning changes no table: a pruned line becomes empty where it stands, and keeps its number and leaf."""

revision = "2026_11_22_04"
down_revision = "2026_11_22_03"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
