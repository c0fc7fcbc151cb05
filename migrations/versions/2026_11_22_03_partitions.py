"""On PostgreSQL the lines stand in partitions by ranges of their numbers, and each continues the one before.

A table cannot become a partitioned one, so every line is copied, byte for byte, in one transaction; the
count is compared before the old table goes. Existing lines are not judged here: `caretrail audit verify`
does. The service owns nothing and can make no partition, so they are made once; what is numbered past the
last range goes to `audit_event_rest`. Nothing changes on SQLite.

Where a superuser migrates, event triggers stop later changes of what protects the trail; sessions that may
make them say so with `SET caretrail.migration = 'on'`. Frozen here as of this date.
"""

from alembic import op

revision = "2026_11_22_03"
down_revision = "2026_11_22_02"
branch_labels = None
depends_on = None

_WIDTH = 8_388_608
_RANGES = 8
_ROLE = "caretrail_service"
_REFUSED = "the trail is append-only"
_NOT_NEXT = "is not the next line or does not continue the one before"

# The names are those PostgreSQL 18 gives by itself; it would number them while the old table is there
_PARENT = """
CREATE TABLE audit_event (
    org VARCHAR(36) COLLATE "C" CONSTRAINT audit_event_org_not_null NOT NULL,
    seq BIGINT CONSTRAINT audit_event_seq_not_null NOT NULL,
    line BYTEA CONSTRAINT audit_event_line_not_null NOT NULL,
    leaf BYTEA CONSTRAINT audit_event_leaf_not_null NOT NULL,
    CONSTRAINT pk_audit_event PRIMARY KEY (org, seq)
) PARTITION BY RANGE (seq)
"""
_ALL_COPIED = """
DO $$ BEGIN
    IF (SELECT count(*) FROM audit_event) <> (SELECT count(*) FROM audit_event_before) THEN
        RAISE EXCEPTION 'not every line of the trail was copied';
    END IF;
END $$
"""
_REFUSE_UNLINKED = f"""
CREATE FUNCTION caretrail_refuse_unlinked() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    l record;
    before_org text;
    before_seq bigint;
    before bytea;
    place text;
BEGIN
    FOR l IN SELECT org, seq, line, leaf FROM added LOOP
        IF l.org IS DISTINCT FROM before_org OR l.seq <> before_seq + 1 THEN
            LINE_BEFORE
            IF l.seq = 0 AND EXISTS (SELECT FROM audit_head WHERE org = l.org) AND NOT EXISTS (
                SELECT seq FROM audit_event WHERE org = l.org AND seq > 0
                EXCEPT SELECT seq FROM added WHERE org = l.org)
            THEN
                before := sha256(convert_to(E'caretrail/v1 genesis\\n' || l.org, 'UTF8'));
            END IF;
        END IF;
        place := '{{"c":{{"org":"' || l.org || '","prev":"' || encode(before, 'hex') || '","seq":' || l.seq
            || ',"ts":"';
        IF before IS NULL OR pg_my_temp_schema() <> 0 OR l.leaf <> sha256('\\x00'::bytea || l.line)
            OR NOT starts_with(encode(substring(l.line for 200), 'escape'), place)
        THEN
            RAISE EXCEPTION '{_REFUSED}: INSERT on audit_event is refused, #% {_NOT_NEXT}', l.seq
                USING ERRCODE = '42501';
        END IF;
        before_org := l.org;
        before_seq := l.seq;
        before := l.leaf;
    END LOOP;
    RETURN NULL;
END $$
"""
_REFUSE_DEFINITION = """
CREATE FUNCTION caretrail_refuse_definition() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
    touched text;
BEGIN
    IF current_setting('caretrail.migration', true) = 'on' THEN
        RETURN;
    ELSIF TG_EVENT = 'sql_drop' THEN
        SELECT object_identity INTO touched FROM pg_event_trigger_dropped_objects()
        WHERE NOT is_temporary AND (starts_with(object_name, 'caretrail_')
            OR object_type IN ('table', 'trigger', 'rule', 'policy', 'table constraint', 'table column')
                AND starts_with(address_names[2], 'audit_'));
    ELSE
        SELECT done.object_identity INTO touched FROM pg_event_trigger_ddl_commands() done
            LEFT JOIN pg_trigger t ON done.classid = 'pg_trigger'::regclass AND t.oid = done.objid
            LEFT JOIN pg_rewrite r ON done.classid = 'pg_rewrite'::regclass AND r.oid = done.objid
            LEFT JOIN pg_policy p ON done.classid = 'pg_policy'::regclass AND p.oid = done.objid
            LEFT JOIN pg_proc f ON done.classid = 'pg_proc'::regclass AND f.oid = done.objid
            LEFT JOIN pg_inherits i ON done.classid = 'pg_class'::regclass AND i.inhrelid = done.objid
            LEFT JOIN pg_class c ON c.relpersistence <> 't' AND c.oid IN (t.tgrelid, r.ev_class, p.polrelid,
                i.inhparent, CASE done.classid WHEN 'pg_class'::regclass THEN done.objid END)
        WHERE starts_with(c.relname, 'audit_') OR starts_with(f.proname, 'caretrail_') OR EXISTS (
            SELECT FROM pg_trigger own WHERE own.tgrelid = c.oid AND starts_with(own.tgname, 'audit_'));
    END IF;
    IF touched IS NOT NULL THEN
        RAISE EXCEPTION 'what protects the trail is changed by migrations only: % of %', TG_TAG, touched
            USING ERRCODE = '42501';
    END IF;
END $$
"""
_EVENT_TRIGGERS = {"caretrail_definitions": "ddl_command_end", "caretrail_drops": "sql_drop"}


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("ALTER TABLE audit_event RENAME CONSTRAINT pk_audit_event TO pk_audit_event_before")
    op.execute("ALTER TABLE audit_event RENAME TO audit_event_before")
    _divided()
    op.execute("INSERT INTO audit_event SELECT * FROM audit_event_before ORDER BY org, seq")
    op.execute(_ALL_COPIED)
    op.execute("DROP TABLE audit_event_before")
    _protect()
    _grant()
    if op.get_bind().exec_driver_sql("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").scalar():
        _guard_definitions()


def downgrade() -> None:
    raise RuntimeError("refused: the lines would lose what protects them")


def _partitions() -> dict[str, str]:
    ranges = {
        f"audit_event_p{n}": f"FOR VALUES FROM ({n * _WIDTH}) TO ({(n + 1) * _WIDTH})" for n in range(_RANGES)
    }
    return ranges | {"audit_event_rest": "DEFAULT"}


def _divided() -> None:
    op.execute(_PARENT)
    op.execute(
        "COMMENT ON TABLE audit_event IS 'the trail, append-only: exact lines and their RFC 6962 leaf hashes'"
    )
    for name, bounds in _partitions().items():
        op.execute(f"CREATE TABLE {name} PARTITION OF audit_event {bounds}")


def _protect() -> None:
    op.execute(_REFUSE_UNLINKED.replace("LINE_BEFORE", _line_before()))
    _always("audit_event", "audit_event_change", "UPDATE OR DELETE", "ROW", "caretrail_refuse_change")
    for table in ("audit_event", *_partitions()):
        _always(table, f"{table}_truncate", "TRUNCATE", "STATEMENT", "caretrail_refuse_change")
        _always(table, f"{table}_link", "INSERT", "STATEMENT", "caretrail_refuse_unlinked", added=True)


def _line_before() -> str:
    found = "SELECT leaf INTO before FROM {} WHERE org = l.org AND seq = l.seq - 1;"
    ranges = [
        f"IF l.seq <= {(n + 1) * _WIDTH} THEN\n                {found.format(name)}"
        for n, name in enumerate(list(_partitions())[:-1])
    ]
    rest = f"\n            ELSE\n                {found.format('audit_event_rest')}\n            END IF;"
    return "\n            ELS".join(ranges) + rest


def _always(table: str, name: str, events: str, each: str, function: str, *, added: bool = False) -> None:
    when, rows = ("AFTER", " REFERENCING NEW TABLE AS added") if added else ("BEFORE", "")
    op.execute(
        f"CREATE TRIGGER {name} {when} {events} ON {table}{rows} FOR EACH {each}"
        f" EXECUTE FUNCTION {function}()"
    )
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def _grant() -> None:
    op.execute(f"REVOKE ALL ON audit_event FROM PUBLIC, {_ROLE}")
    op.execute(f"GRANT SELECT, INSERT ON audit_event TO {_ROLE}")
    for name in _partitions():
        op.execute(f"REVOKE ALL ON {name} FROM PUBLIC, {_ROLE}")
        op.execute(f"GRANT SELECT ON {name} TO {_ROLE}")  # for the trigger, which looks up the line before


def _guard_definitions() -> None:
    op.execute(_REFUSE_DEFINITION)
    for name, event in _EVENT_TRIGGERS.items():
        op.execute(f"CREATE EVENT TRIGGER {name} ON {event} EXECUTE FUNCTION caretrail_refuse_definition()")
        op.execute(f"ALTER EVENT TRIGGER {name} ENABLE ALWAYS")
