"""Event triggers: on PostgreSQL they stop even the owner from changing what protects the trail, in passing.

Only a superuser may make event triggers, so the migration makes these where a superuser runs it. Then no
table, trigger, rule, policy or function of the trail is changed, detached or dropped in a session that does
not say so first (`SET caretrail.migration = 'on'`, as migrations do). That is a fence against haste: whoever
is owner can say so, too. Rights are not stopped (PostgreSQL does not tell an event trigger which table they
are for). All of it is found by `schema_digest`, with event triggers and without.
"""

from typing import NamedTuple

ALLOWED = "caretrail.migration"
"""The setting of a session that may change definitions."""
FUNCTION = "caretrail_refuse_definition"

_FUNCTION = f"""
CREATE FUNCTION {FUNCTION}() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
    touched text;
BEGIN
    IF current_setting('{ALLOWED}', true) = 'on' THEN
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


class EventTrigger(NamedTuple):
    """One event trigger, always enabled."""

    name: str
    event: str

    def statements(self) -> list[str]:
        """Return what makes it."""
        return [
            f"CREATE EVENT TRIGGER {self.name} ON {self.event} EXECUTE FUNCTION {FUNCTION}()",
            f"ALTER EVENT TRIGGER {self.name} ENABLE ALWAYS",
        ]


EVENT_TRIGGERS = (
    EventTrigger("caretrail_definitions", "ddl_command_end"),
    EventTrigger("caretrail_drops", "sql_drop"),
)


def statements() -> list[str]:
    """Return what a superuser runs to have definitions guarded."""
    return [_FUNCTION, *(made for one in EVENT_TRIGGERS for made in one.statements())]


def function_body() -> str:
    """Return what the function does."""
    return _FUNCTION.split("$$")[1]
