"""Recurring jobs and their runs."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_06"
down_revision = "2026_11_22_05"
branch_labels = None
depends_on = None


def _text(length: int | None = None) -> sa.types.TypeEngine[str]:
    plain = sa.String(length) if length else sa.Text()
    bytewise = sa.String(length, collation="C") if length else sa.Text(collation="C")
    return plain.with_variant(bytewise, "postgresql")


def upgrade() -> None:
    op.create_table(
        "job",
        sa.Column("org", _text(36), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("cron", _text(), nullable=False),
        sa.Column("due_at", _text(27), nullable=False),
        sa.Column("run_id", _text(36), nullable=True),
        sa.Column("leased_until", _text(27), nullable=True),
        sa.PrimaryKeyConstraint("org", "name", name="pk_job"),
        comment="recurring jobs: when each is due, and the run that holds it until its lease ends",
    )
    op.create_table(
        "job_run",
        sa.Column("org", _text(36), nullable=False),
        sa.Column("id", _text(36), nullable=False),
        sa.Column("job", _text(), nullable=False),
        sa.Column("due_at", _text(27), nullable=False),
        sa.Column("started_at", _text(27), nullable=False),
        sa.Column("runner", _text(), nullable=False),
        sa.Column("missed", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("ended_at", _text(27), nullable=True),
        sa.Column("outcome", _text(), nullable=True),
        sa.Column("result", _text(), nullable=False),
        sa.Column("state", sa.LargeBinary(32), nullable=True),
        sa.PrimaryKeyConstraint("org", "id", name="pk_job_run"),
        comment="every run of a job, also failed and lost ones; the entry of its end has the row's digest",
    )
    if op.get_bind().dialect.name == "postgresql":
        for table in ("job", "job_run"):
            op.execute(f"REVOKE ALL ON {table} FROM PUBLIC, caretrail_service")
            op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO caretrail_service")


def downgrade() -> None:
    raise RuntimeError("refused: the record of every run would be lost")
