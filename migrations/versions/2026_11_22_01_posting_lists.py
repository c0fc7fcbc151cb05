"""The index over the lines as lists of numbers: a row for each list instead of each number.

The index is derived from the lines, so the old one is dropped, and the new one built anew by the service
behind its traffic. On PostgreSQL, ciphertext is no longer tried for compression: it never gains any.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_01"
down_revision = "2026_11_21_03"
branch_labels = None
depends_on = None

_SEALED = {"record": "body", "record_version": "body", "audit_value": "ct", "audit_name": "ct"}


def _text(length: int | None = None):
    if length is None:
        return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.drop_table("audit_index")
    op.create_table(
        "audit_index",
        sa.Column("org", _text(36), nullable=False),
        sa.Column("kind", _text(), nullable=False),
        sa.Column("key", _text(), nullable=False),
        sa.Column(
            "first", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, autoincrement=False
        ),
        sa.Column("seqs", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("org", "kind", "key", "first", name="pk_audit_index"),
        sqlite_with_rowid=False,
        comment="inverted index of the lines: derived, can be rebuilt, proves nothing",
    )
    op.execute("UPDATE audit_indexed SET size = 0")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("REVOKE ALL ON audit_index FROM PUBLIC, caretrail_service")
        op.execute("GRANT SELECT, INSERT, DELETE ON audit_index TO caretrail_service")
        for table, column in _SEALED.items():
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")


def downgrade() -> None:
    raise RuntimeError("refused: the first version's index would be empty and yet said to be complete")
