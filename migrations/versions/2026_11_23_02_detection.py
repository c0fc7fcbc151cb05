"""How far the lines of each chain were judged, and habits of people."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_23_02"
down_revision = "2026_11_23_01"
branch_labels = None
depends_on = None


def _text(length: int | None = None):
    if length is None:
        return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _number(name: str):
    return sa.Column(name, sa.Integer(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "detection_judged",
        sa.Column("org", _text(36), nullable=False),
        sa.Column("chain", _text(36), nullable=False),
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("runner", _text(36), nullable=True),
        sa.Column("leased_until", _text(27), nullable=True),
        sa.Column("state", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("org", "chain", name="pk_detection_judged"),
        comment="for each organisation: up to which line its chain and the system's were judged, and who"
        " judges now; state is a keyed digest of the place, so that nobody moves it past what they did",
    )
    op.create_table(
        "detection_day",
        sa.Column("org", _text(36), nullable=False),
        sa.Column("user_id", _text(36), nullable=False),
        sa.Column("day", _text(), nullable=False),
        sa.Column("roles", _text(), nullable=False),
        *map(_number, ("gap", "hours", "records", "residents", "listed")),
        *map(_number, ("amendments", "removals", "outside")),
        sa.Column("places", _text(), nullable=False),
        sa.Column("state", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("org", "user_id", "day", name="pk_detection_day"),
        comment="what a person's day at work came to: counts of its busiest hour, a bit for each hour of the"
        " day, and residents by place (JSON); kept for four weeks; state is a keyed digest of the others",
    )
    op.create_table(
        "detection_told",
        sa.Column("org", _text(36), nullable=False),
        sa.Column("chain", _text(36), nullable=False),
        sa.Column("rule", _text(), nullable=False),
        sa.Column("subject", _text(), nullable=False),
        sa.Column("until", _text(27), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("org", "chain", "rule", "subject", name="pk_detection_told"),
        comment="what was found lately, and until when its like is held back unless it doubles; state is a"
        " keyed digest of the others, so that nobody holds back what was not told",
    )
    if op.get_bind().dialect.name == "postgresql":
        for table in ("detection_judged", "detection_day", "detection_told"):
            op.execute(f"REVOKE ALL ON {table} FROM PUBLIC, caretrail_service")
            op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO caretrail_service")
        for table in ("detection_day", "detection_told"):
            op.execute(f"GRANT DELETE ON {table} TO caretrail_service")


def downgrade() -> None:
    op.drop_table("detection_told")
    op.drop_table("detection_day")
    op.drop_table("detection_judged")
