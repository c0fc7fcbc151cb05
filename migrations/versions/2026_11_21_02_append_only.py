"""The trail is append-only inside the database: no change, no removal, heads only grow.

SQLite's `INSERT OR REPLACE` deletes without asking the triggers for DELETE unless a pragma says so; a
trigger before each INSERT closes that. PostgreSQL's `session_replication_role` does not switch these
triggers off: ENABLE ALWAYS. Frozen here as of this date; the reasons stand in `app/audit/protection.py`.
"""

from alembic import op

revision = "2026_11_21_02"
down_revision = "2026_11_21_01"
branch_labels = None
depends_on = None

_KEYS = {
    "audit_event": ("org", "seq"),
    "audit_value": ("org", "seq", "n"),
    "audit_name": ("org", "seq"),
    "audit_checkpoint": ("org", "size"),
}
_REFUSED = "the trail is append-only"

_REFUSE_CHANGE = f"""
CREATE FUNCTION caretrail_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '{_REFUSED}: % on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = '42501';
END $$
"""
_REFUSE_SHRINKING = f"""
CREATE FUNCTION caretrail_refuse_shrinking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.org <> OLD.org OR NEW.size <= OLD.size THEN
        RAISE EXCEPTION '{_REFUSED}: a head only grows' USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _protect_on_postgresql()
    else:
        _protect_on_sqlite()


def downgrade() -> None:
    raise RuntimeError("refused: the trail stays append-only")


def _protect_on_postgresql() -> None:
    op.execute(_REFUSE_CHANGE)
    op.execute(_REFUSE_SHRINKING)
    for table in _KEYS:
        _always(table, f"{table}_change", "UPDATE OR DELETE", "ROW", "caretrail_refuse_change")
        _always(table, f"{table}_truncate", "TRUNCATE", "STATEMENT", "caretrail_refuse_change")
    _always("audit_head", "audit_head_change", "DELETE", "ROW", "caretrail_refuse_change")
    _always("audit_head", "audit_head_truncate", "TRUNCATE", "STATEMENT", "caretrail_refuse_change")
    _always("audit_head", "audit_head_growth", "UPDATE", "ROW", "caretrail_refuse_shrinking")


def _always(table: str, name: str, events: str, each: str, function: str) -> None:
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {events} ON {table} FOR EACH {each} EXECUTE FUNCTION {function}()"
    )
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def _protect_on_sqlite() -> None:
    for table, key in _KEYS.items():
        _refuse(table, "INSERT", _next_line() if table == "audit_event" else _is_there(table, key))
        _refuse(table, "UPDATE")
        _refuse(table, "DELETE")
    _refuse("audit_head", "INSERT", _is_there("audit_head", ("org",)))
    _refuse("audit_head", "UPDATE", "NEW.org <> OLD.org OR NEW.size <= OLD.size")
    _refuse("audit_head", "DELETE")


def _refuse(table: str, event: str, when: str = "") -> None:
    condition = f" WHEN {when}" if when else ""
    op.execute(
        f"CREATE TRIGGER {table}_{event.lower()} BEFORE {event} ON {table}{condition}"
        f" BEGIN SELECT RAISE(ABORT, '{_REFUSED}: {event} on {table} is refused'); END"
    )


def _next_line() -> str:
    newest = "SELECT max(seq) FROM audit_event WHERE org = NEW.org"
    chain = "SELECT 1 FROM audit_head WHERE org = NEW.org"
    return f"NEW.seq <> COALESCE(({newest}), -1) + 1 OR NOT EXISTS ({chain})"


def _is_there(table: str, key: tuple[str, ...]) -> str:
    same = " AND ".join(f"{column} = NEW.{column}" for column in key)
    return f"EXISTS (SELECT 1 FROM {table} WHERE {same})"
