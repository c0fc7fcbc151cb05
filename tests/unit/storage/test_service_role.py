"""On PostgreSQL the service logs in as somebody who can add to the trail and not change it."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from app.audit.partitions import partitions
from app.core.errors import StartRefusedError
from app.storage.base import metadata
from app.storage.engine import open_engine
from app.storage.schema import refuse_powerful_role
from tests.support.postgresql import Database

_PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
_APPEND = ("SELECT", "INSERT")
_KEEP = ("SELECT", "INSERT", "UPDATE")
_RIGHTS = {
    "access_request": _KEEP,
    "account": _KEEP,
    "account_one_time": _KEEP,
    "account_recovery_code": (*_KEEP, "DELETE"),
    "alembic_version": ("SELECT",),
    "alert": _KEEP,
    "alert_rule": _KEEP,
    "alert_step": _APPEND,
    "audit_checkpoint": _APPEND,
    "audit_event": _APPEND,
    "audit_head": _APPEND,
    "audit_index": (*_APPEND, "DELETE"),
    "audit_indexed": _APPEND,
    "audit_name": _APPEND,
    "audit_tile": _APPEND,
    "audit_value": _APPEND,
    "containment": _KEEP,
    "detection_day": (*_KEEP, "DELETE"),
    "detection_judged": _KEEP,
    "detection_told": (*_KEEP, "DELETE"),
    "erasure": _KEEP,
    "home": _KEEP,
    "idempotency": (*_KEEP, "DELETE"),
    "incident": _KEEP,
    "incident_action": _KEEP,
    "incident_assessment": _APPEND,
    "incident_history": _APPEND,
    "incident_notification": _KEEP,
    "incident_scope": _KEEP,
    "incident_warning": _APPEND,
    "job": _KEEP,
    "job_run": (*_KEEP, "DELETE"),
    "key_check": _APPEND,
    "organisation": _KEEP,
    "organisation_key": _APPEND,
    "record": _KEEP,
    "record_version": _APPEND,
    "resident": _KEEP,
    "resident_hold": _KEEP,
    "retention_review": _KEEP,
    "retention_rule": _APPEND,
    "role": _KEEP,
    "session": (*_KEEP, "DELETE"),
    "shift": _KEEP,
    "sign_in_throttle": (*_KEEP, "DELETE"),
    "webhook": _KEEP,
    "webhook_attempt": (*_APPEND, "DELETE"),
    "webhook_message": (*_KEEP, "DELETE"),
}
_PARTITIONS = [one.name for one in partitions()]
_RIGHTS |= dict.fromkeys(_PARTITIONS, ("SELECT",))
_TRAIL = ("audit_event", "audit_value", "audit_name", "audit_checkpoint")
_POWERS = {
    "superuser": ('ALTER ROLE "{role}" SUPERUSER', "superuser"),
    "bypassing": ('ALTER ROLE "{role}" BYPASSRLS', "row security"),
    "replicating": ('ALTER ROLE "{role}" REPLICATION', "replicate"),
    "role_maker": ('ALTER ROLE "{role}" CREATEROLE', "make roles"),
    "owner_of_trail": ('ALTER TABLE audit_event OWNER TO "{role}"', "owner of the trail"),
    "owner_of_database": ('ALTER DATABASE "{database}" OWNER TO "{role}"', "owner of the database"),
    "member_of_owner": ('GRANT "{database}_owner" TO "{role}"', "owner of the trail"),
    "member_without_inheriting": (
        'GRANT "{database}_owner" TO "{role}" WITH INHERIT FALSE, SET TRUE',
        "owner of the trail",
    ),
    "member_of_programs": ('GRANT pg_execute_server_program TO "{role}"', "more powerful"),
    "member_of_writers": ('GRANT pg_write_all_data TO "{role}"', "change the trail"),
    "updating": ('GRANT UPDATE ON audit_event TO "{role}"', "change the trail"),
    "updating_one_column": ('GRANT UPDATE (line) ON audit_event TO "{role}"', "change the trail"),
    "deleting": ('GRANT DELETE ON audit_event TO "{role}"', "change the trail"),
    "deleting_names": ('GRANT DELETE ON audit_name TO "{role}"', "change the trail"),
    "emptying": ('GRANT TRUNCATE ON audit_event TO "{role}"', "change the trail"),
    "making_triggers": ('GRANT TRIGGER ON audit_event TO "{role}"', "change the trail"),
    "through_the_service_role": ("GRANT DELETE ON audit_value TO caretrail_service", "change the trail"),
}


@pytest.fixture
def service(migrated: Database) -> Iterator[Connection]:
    """A connection of the service's log-in."""
    with open_engine(migrated.service).connect() as connection:
        yield connection


def test_rights_are_exactly_what_serving_needs(service: Connection) -> None:
    """Each table gives the service the rights written here and no other."""
    question = text("SELECT has_table_privilege(:name, :privilege)")
    held = {
        name: tuple(
            privilege
            for privilege in _PRIVILEGES
            if service.execute(question, {"name": name, "privilege": privilege}).scalar()
        )
        for name in [*metadata.tables, *_PARTITIONS, "alembic_version"]
    }

    assert 48 + len(_PARTITIONS) == len(held)
    assert _RIGHTS == held


def test_head_moves_by_columns(service: Connection) -> None:
    """The service may move a head and the mark of the index, and not turn them into another chain's."""
    question = text(
        "SELECT table_name, column_name FROM information_schema.column_privileges WHERE grantee ="
        " 'caretrail_service' AND privilege_type = 'UPDATE' AND table_name LIKE 'audit%'"
    )
    columns = {("audit_head", name) for name in ("size", "leaf", "ts", "peaks")}

    assert columns | {("audit_indexed", "size")} == {tuple(row) for row in service.execute(question)}
    service.execute(text("SELECT * FROM audit_head FOR UPDATE"))


def test_of_a_step_only_its_place_in_the_trail_is_written_later(service: Connection) -> None:
    """The service notes where the trail tells of a step; what the step says it cannot change."""
    question = text(
        "SELECT column_name FROM information_schema.column_privileges WHERE grantee = 'caretrail_service'"
        " AND privilege_type = 'UPDATE' AND table_name = 'alert_step'"
    )

    assert ["entry"] == list(service.execute(question).scalars())


@pytest.mark.parametrize("table", _TRAIL)
@pytest.mark.parametrize("statement", ["UPDATE {} SET org = org", "DELETE FROM {}", "TRUNCATE {}"])
def test_service_cannot_change_the_trail(service: Connection, table: str, statement: str) -> None:
    """The service's log-in is refused a change of the trail before any trigger is asked."""
    with pytest.raises(ProgrammingError, match=f"permission denied for table {table}"):
        service.execute(text(statement.format(table)))


@pytest.mark.parametrize("table", _TRAIL)
def test_owner_is_stopped_by_triggers(migrated: Database, table: str) -> None:
    """The owner of the trail, who has every right on it, still cannot empty it in passing."""
    with (
        open_engine(migrated.owner).connect() as owner,
        pytest.raises(ProgrammingError, match="append-only"),
    ):
        owner.execute(text(f"TRUNCATE {table}"))


def test_member_of_the_service_role_serves(service: Connection) -> None:
    """A log-in that is a member of the service's role and of nothing else may serve."""
    refuse_powerful_role(service)


@pytest.mark.parametrize("power", _POWERS)
def test_powerful_role_is_refused(migrated: Database, power: str) -> None:
    """A log-in that could rewrite the trail does not serve; the message says what it can."""
    statement, said = _POWERS[power]
    superuser = open_engine(migrated.superuser)
    database = superuser.url.database
    # Within one transaction that is rolled back: the log-in is put on for its length.
    with superuser.connect() as connection:
        role = f"{database}_service"
        connection.execute(text(statement.format(role=role, database=database)))
        connection.execute(text(f'SET SESSION AUTHORIZATION "{role}"'))
        with pytest.raises(StartRefusedError, match=said):
            refuse_powerful_role(connection)
        connection.rollback()


def test_sqlite_has_no_roles(tmp_path) -> None:
    """On SQLite there is no role to refuse."""
    with open_engine(f"sqlite:///{tmp_path}/any.db").connect() as connection:
        refuse_powerful_role(connection)


def test_power_of_a_parameter_is_no_power(migrated: Database, fresh: Callable[[], Database]) -> None:
    """Owning another database of the same server does not count."""
    other = fresh()
    with open_engine(migrated.superuser).connect() as connection:
        role = f"{connection.engine.url.database}_service"
        elsewhere = open_engine(other.superuser).url.database
        connection.execute(text(f'ALTER DATABASE "{elsewhere}" OWNER TO "{role}"'))
        connection.execute(text(f'SET SESSION AUTHORIZATION "{role}"'))
        refuse_powerful_role(connection)
        connection.rollback()
