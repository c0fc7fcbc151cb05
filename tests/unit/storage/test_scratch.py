"""The database of a drill: dropped when it is over, and at the next one where a drill was killed."""

import subprocess
import sys
from contextlib import ExitStack

import psycopg
import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from app.core.errors import StartRefusedError
from app.storage.copying import conninfo
from app.storage.scratch import scratch_database
from tests.support.postgresql import make_database

KILLED = """
import os, sys
from sqlalchemy import make_url
from app.storage.scratch import scratch_database
with scratch_database(make_url(sys.argv[1])) as name:
    print(name, flush=True)
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def owner(postgresql_url, worker_id):
    """The login of an owner who may make databases."""
    return make_url(make_database(postgresql_url, f"scratch_{worker_id}").superuser)


def databases(owner) -> set[str]:
    """Return the scratch databases of all deployments on the server."""
    with create_engine(owner, poolclass=NullPool).connect() as connection:
        found = connection.execute(text("SELECT datname FROM pg_database WHERE datname LIKE '%drill%'"))
        return set(found.scalars())


def test_it_is_there_for_as_long_as_it_is_used(owner):
    """Within the block there is an empty database, after it there is none."""
    before = databases(owner)
    with scratch_database(owner) as name:
        assert {name} == databases(owner) - before

    assert before == databases(owner)


def test_what_a_killed_drill_left_is_dropped_at_the_next(owner):
    """A process that was killed leaves its database; the next drill of the same deployment drops it."""
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, owner.render_as_string(hide_password=False)],
        capture_output=True,
        text=True,
        check=False,
    )
    left = killed.stdout.strip()
    assert -9 == killed.returncode
    assert left in databases(owner)
    with scratch_database(owner):
        assert left not in databases(owner)


def test_nobody_elses_is_dropped(owner, postgresql_url, worker_id):
    """One that is worked with stays, and so does that of another deployment, worked with or not."""
    other = make_url(make_database(postgresql_url, f"scratch_other_{worker_id}").superuser)
    with psycopg.connect(conninfo(other), autocommit=True) as connection:
        row = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone()
        theirs = f"caretrail_drill_{row[0]}_000000000000"
        connection.execute(f"CREATE DATABASE {theirs}")
    with scratch_database(owner) as running, scratch_database(owner):
        assert {running, theirs} <= databases(owner)

    with scratch_database(other):
        assert theirs not in databases(owner)
    assert running not in databases(owner)


def test_what_somebody_holds_is_left_and_not_in_the_way(postgresql_url, worker_id, caplog):
    """An owner who may not cut the service's connection goes on beside the old one, and the log says why."""
    made = make_database(postgresql_url, f"scratch_held_{worker_id}")
    owner = make_url(made.owner)
    with psycopg.connect(conninfo(make_url(made.superuser)), autocommit=True) as connection:
        connection.execute(f'ALTER ROLE "{owner.username}" CREATEDB')
    with ExitStack() as serving:
        with scratch_database(owner) as left:
            service = make_url(made.service).set(database=left)
            held = psycopg.connect(conninfo(service), password=service.password)
            serving.enter_context(held)
        with scratch_database(owner) as running:
            assert {left, running} <= databases(owner)
        told = [one.why for one in caplog.records if one.msg == "scratch-database-left"]
        who = f"{left} is held by {service.username} (process {held.info.backend_pid} of the server) (42501)"
        assert [who] * 2 == told
    with scratch_database(owner):
        assert left not in databases(owner)


def test_an_owner_who_may_make_none_is_told_so(postgresql_url, worker_id):
    """Only the refusal to make a database is said to want the right to."""
    owner = make_url(make_database(postgresql_url, f"scratch_poor_{worker_id}").owner)
    with pytest.raises(StartRefusedError, match="needs CREATEDB"), scratch_database(owner):
        pass
    with pytest.raises(StartRefusedError, match="can be made for the drill: "):
        with scratch_database(owner.set(port=1)):
            pass
