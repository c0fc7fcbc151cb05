"""The role of the service on PostgreSQL: exactly what serving needs, and nothing on the trail but adding.

`caretrail_service` cannot log in. An operator makes a log-in that is a member of it and of nothing else;
`serve` refuses a more powerful one. Where the owner may not make roles, the role is made beforehand.
"""

from alembic import op

revision = "2026_11_21_03"
down_revision = "2026_11_21_02"
branch_labels = None
depends_on = None

_ROLE = "caretrail_service"
_MAKE_ROLE = f"""
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{_ROLE}') THEN
        CREATE ROLE {_ROLE} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- roles are the server's, not the database's: another database's run was faster
END $$
"""
_RIGHTS = {
    "SELECT": ("alembic_version",),
    "SELECT, INSERT": (
        "audit_event",
        "audit_value",
        "audit_name",
        "audit_checkpoint",
        "key_check",
        "organisation_key",
        "record_version",
    ),
    "SELECT, INSERT, UPDATE (size, leaf, ts, peaks)": ("audit_head",),
    "SELECT, INSERT, UPDATE (size)": ("audit_indexed",),
    "SELECT, INSERT, DELETE": ("audit_index",),
    "SELECT, INSERT, UPDATE": (
        "organisation",
        "home",
        "role",
        "account",
        "account_one_time",
        "shift",
        "session",
        "resident",
        "record",
    ),
    "SELECT, INSERT, UPDATE, DELETE": ("account_recovery_code", "sign_in_throttle", "idempotency"),
}


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(_MAKE_ROLE)
    for rights, tables in _RIGHTS.items():
        for table in tables:
            op.execute(f"REVOKE ALL ON {table} FROM PUBLIC, {_ROLE}")
            op.execute(f"GRANT {rights} ON {table} TO {_ROLE}")


def downgrade() -> None:
    raise RuntimeError("refused: the service would be left without its rights")
