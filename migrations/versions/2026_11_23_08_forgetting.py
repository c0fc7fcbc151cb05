"""What is long over may be removed: sessions by an index of their ends, runs of jobs by the one there is.

On PostgreSQL the service is given the right to.
"""

from alembic import op

revision = "2026_11_23_08"
down_revision = "2026_11_23_07"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_session_ends_at", "session", ["ends_at"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute("GRANT DELETE ON session, job_run TO caretrail_service")


def downgrade() -> None:
    raise RuntimeError("refused: rows of people who left years ago would pile up again")
