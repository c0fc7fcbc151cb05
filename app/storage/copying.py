"""The whole database as of one instant, as a stream of bytes, while the service goes on writing.

SQLite: its backup API copies every page inside one read transaction; writers are not held up. PostgreSQL:
`pg_dump` in its custom format, on a snapshot that the counting connection exported, so that what is
counted is what is dumped.
"""

import errno
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, Engine

from app.core.errors import StartRefusedError
from app.storage.schema import SERVICE_ROLE
from app.storage.servers import PRIMARY
from app.storage.snapshot import Snapshot, postgresql_snapshot, sqlite_snapshot

PAGES_AT_ONCE = 2048
COPYING = ".copying-"
"""How folders begin that hold a copy while it is read."""
DATABASE_FILE, DUMP_FILE = "caretrail.db", "caretrail.dump"
_THINGS = """
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
"""
_SECRET = {"password", "sslpassword"}
_RIGHT_OF_THE_SERVER = re.compile(rb"\d+; \d+ \d+ ACL pg_catalog ")
"""A line in what `pg_restore --list` tells."""
Progress = Callable[[int, int], None]
"""Called now and then with what is done and what there is, in any unit; may raise to give up."""


class Copy(NamedTuple):
    """A copy that can be read.

    Attributes:
        name: What the content is called.
        view: The same state of the database, for counting.
        content: Something with `read`.
        finish: To be called when all is read; raises when the content is not whole.
    """

    name: str
    view: Snapshot
    content: Any
    finish: Callable[[], None]


@contextmanager
def copied(engine: Engine, folder: Path, programs: Path | None, progress: Progress) -> Iterator[Copy]:
    """Open a copy of the database an engine is for.

    Args:
        engine: The database.
        folder: Where a copy may lie while it is read, for this user alone; SQLite only.
        programs: The folder of PostgreSQL's programs; None takes those on the PATH.
        progress: Told how far it is.
    """
    if engine.dialect.name == "sqlite":
        with _sqlite(engine, folder, progress) as copy:
            yield copy
    else:
        with _postgresql(engine, programs) as copy:
            yield copy


@contextmanager
def _sqlite(engine: Engine, folder: Path, progress: Progress) -> Iterator[Copy]:
    source = Path(engine.url.database or "").resolve()
    with tempfile.TemporaryDirectory(dir=folder, prefix=COPYING) as private:
        target = Path(private) / DATABASE_FILE
        with (
            closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, isolation_level=None)) as live,
            closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            _copy_pages(live, copy, progress)
        with sqlite_snapshot(target) as view, target.open("rb") as content:
            yield Copy(DATABASE_FILE, view, content, lambda: None)


def _copy_pages(live: sqlite3.Connection, copy: sqlite3.Connection, progress: Progress) -> None:
    # One read transaction: otherwise each write by the service would begin the copy anew
    live.execute("BEGIN")
    live.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    try:
        live.backup(copy, pages=PAGES_AT_ONCE, progress=lambda _, left, all_: progress(all_ - left, all_))
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, complete without a log beside it
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise


@contextmanager
def _postgresql(engine: Engine, programs: Path | None) -> Iterator[Copy]:
    with postgresql_snapshot(engine) as view:
        ((name,),) = next(view.rows("SELECT pg_export_snapshot()"))
        command = [program(programs, "pg_dump"), "--format=custom", "--no-password", f"--snapshot={name}"]
        command.append(f"--dbname={conninfo(engine.url, **view.server)}")
        with (
            tempfile.TemporaryFile() as complaints,
            _running(command, engine.url, complaints) as dumping,
        ):

            def finish() -> None:
                if dumping.wait() != 0:
                    complaints.seek(0)
                    said = complaints.read(500).decode("utf-8", "replace").strip()
                    raise StartRefusedError(f"pg_dump could not read the database: {said}")

            yield Copy(DUMP_FILE, view, dumping.stdout, finish)


@contextmanager
def _running(command: list[str], url: URL, complaints: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(  # noqa: S603 - our own words and the operator's URL
        command, stdout=subprocess.PIPE, stderr=complaints, env=environment(url)
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def restore_postgresql(url: URL, dump: Path, programs: Path | None) -> None:
    """Fill an empty database from a dump: all of it in one transaction, or nothing.

    Raises:
        StartRefusedError: It could not be done; the database is as it was.
    """
    command = [program(programs, "pg_restore")]
    with tempfile.NamedTemporaryFile("wb") as wanted:
        wanted.writelines(_without_rights_of_the_server(_filled(url, [*command, "--list", str(dump)])))
        wanted.flush()
        command += ["--single-transaction", "--exit-on-error", "--no-owner", "--no-password"]
        _filled(url, [*command, f"--use-list={wanted.name}", f"--dbname={conninfo(url)}", str(dump)])


def _without_rights_of_the_server(contents: bytes) -> list[bytes]:
    """Return the list of what is in a dump, but for rights to the server's own functions.

    An operator who may say whom commits wait for was given one, by the server's superuser: it belongs to that
    server, and whoever owns a database may not give it.
    """
    return [line for line in contents.splitlines(keepends=True) if not _RIGHT_OF_THE_SERVER.match(line)]


def _filled(url: URL, command: list[str]) -> bytes:
    done = subprocess.run(command, capture_output=True, env=environment(url), check=False)  # noqa: S603 - as above
    if done.returncode != 0:
        said = done.stderr[:500].decode("utf-8", "replace").strip()
        raise StartRefusedError(f"pg_restore could not fill the database: {said}")
    return done.stdout


def program(folder: Path | None, name: str) -> str:
    """Return the path of one of PostgreSQL's programs.

    Raises:
        StartRefusedError: It is not there.
    """
    found = shutil.which(name, path=str(folder) if folder is not None else None)
    if found is None:
        raise StartRefusedError(
            f"{name} is not found: install PostgreSQL's client programs of the server's version, or name"
            " their folder in CARETRAIL_POSTGRESQL_PROGRAMS"
        )
    return found


def conninfo(url: URL, **server: Any) -> str:
    """Return a URL as libpq's programs take it, without the password: arguments are everybody's to see.

    Of several servers that it names the one that takes writes is meant, or the one that is given.
    """
    given: dict[str, Any] = {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "dbname": url.database,
        **{n: value for n, value in url.query.items() if isinstance(value, str) and n not in _SECRET},
        "target_session_attrs": PRIMARY,
        **server,
    }
    return make_conninfo(**{name: value for name, value in given.items() if value is not None})


def environment(url: URL) -> dict[str, str]:
    """Return the environment of libpq's programs: ours without `PG...`, and the password."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "CARETRAIL_"))}
    password = password_of(url)
    return ours | ({"PGPASSWORD": password} if password is not None else {})


def password_of(url: URL) -> str | None:
    """Return the password of a URL, in whichever of two places it stands."""
    found = url.password if url.password is not None else url.query.get("password")
    return str(found) if found is not None else None


def connect_empty(url: URL) -> "psycopg.Connection[Any]":
    """Return a connection to a database that holds no table.

    Raises:
        StartRefusedError: It cannot be reached, or is not empty.
    """
    try:
        connection = psycopg.connect(conninfo(url), password=password_of(url), connect_timeout=5)
        row = connection.execute(_THINGS).fetchone()
    except psycopg.Error as error:
        raise StartRefusedError(f"the database to restore into cannot be used: {error}") from error
    if row != (0,):
        connection.close()
        raise StartRefusedError("the database to restore into is not empty: make a new one")
    return connection


def make_service_role(connection: "psycopg.Connection[Any]") -> None:
    """Make the role whose rights the dump gives, where this server has none of that name yet."""
    role = sql.Identifier(SERVICE_ROLE)
    with connection.cursor() as cursor:
        if cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (SERVICE_ROLE,)).fetchone() is None:
            cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(role))
