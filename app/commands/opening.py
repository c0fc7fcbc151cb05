"""The service a command works on, or a sentence that says why there is none."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from app.audit.checkpoint import Notary
from app.audit.guard_file import Guards
from app.commands.calling import present, sign_what_moved
from app.core.errors import StartRefusedError
from app.core.file_rights import is_there, refuse_locked
from app.core.identifiers import SYSTEM
from app.core.settings import Settings
from app.main import Service, assemble
from app.storage.engine import open_engine
from app.storage.schema import SERVICE_ROLE, damage_told, head_revision
from app.storage.snapshot import UNREADABLE, Snapshot, open_snapshot, sqlite_snapshot
from app.trail.schema_changes import CHANGE, RecordSchema

_LOCKED = " - another process holds it, a migration or a restore perhaps: run this again when that is over"
_NOT_OURS = " - file and folder have to be this user's: run this as their owner"
_HELPS = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_CANTOPEN: _NOT_OURS,
    sqlite3.SQLITE_READONLY: _NOT_OURS,
}
NOT_OWNER = "this login does not own the tables: set CARETRAIL_OWNER_DATABASE_URL, as for `migrate`"


@contextmanager
def open_service(settings: Settings, *, recovering: bool = False) -> Iterator[Service]:
    """Let a command work on the service on its database, and let go of the database afterwards.

    Args:
        settings: What the operator chose.
        recovering: Whether guard and database may disagree.

    Raises:
        StartRefusedError: It will not start like this, or the database cannot be reached.
    """
    service = assembled(settings, recovering=recovering)
    try:
        yield service
    finally:
        service.turn.close()
        service.engine.dispose()


@contextmanager
def open_view(url: str) -> Iterator[Snapshot]:
    """Open a read-only view of a database, and let go of it afterwards."""
    with engine_at(url) as engine, open_snapshot(engine) as view:
        yield view


@contextmanager
def engine_at(url: str) -> Iterator[Engine]:
    """Open a database without time-outs, for a long command, and let go of it however that ends.

    Raises:
        StartRefusedError: The URL cannot be used.
    """
    engine = open_engine(url, patient=True)
    try:
        yield engine
    finally:
        engine.dispose()


def assembled(settings: Settings, *, recovering: bool = False, prepared: bool = False) -> Service:
    """Return the service, for a process that serves.

    Args:
        settings: What the operator chose.
        recovering: Whether guard and database may disagree.
        prepared: Whether the process that started this one has recorded the schema.

    Raises:
        StartRefusedError: It will not start like this, or the database cannot be reached.
    """
    refuse_no_file(settings)
    with away_told(), damage_told():
        service = assemble(settings, recovering=recovering)
    if not recovering and not prepared:
        _record_schema(service)
    return service


@contextmanager
def away_told() -> Iterator[None]:
    """Turn what a database says that cannot be reached, or is somebody's alone just now, into a refusal.

    Raises:
        StartRefusedError: It cannot be used.
    """
    try:
        yield
    except OperationalError as error:
        raise StartRefusedError(f"the database cannot be used: {first_line(error)}") from error


def refuse_no_file(settings: Settings) -> None:
    """Refuse to make the file of a database by looking for it: an empty one would hide that one is lost."""
    refuse_lost_file(settings)
    if (file := _nothing_at(settings)) is not None:
        raise StartRefusedError(
            f"there is no database at {file}: `caretrail init` makes one. If there was one, look at"
            " CARETRAIL_DATABASE_URL and CARETRAIL_DATA_DIR"
        )


def refuse_lost_file(settings: Settings) -> None:
    """Refuse to make the file of a database in the place of one that is lost."""
    if (file := _nothing_at(settings)) is not None:
        refuse_lost(settings, f"there is no database at {file}")


def refuse_lost(settings: Settings, told: str) -> None:
    """Refuse where a database holds nothing, if the guard knows that there was one."""
    chains = Guards(settings.guard_dir, Notary(settings.deployment)).chains()
    if chains:
        raise StartRefusedError(
            f"{told}, but there was one: {settings.guard_dir} knows {len(chains)} chains of it. Put it back,"
            " or bring a backup back (see Bringing a backup back in the operations guide)"
        )


def _nothing_at(settings: Settings) -> Path | None:
    """Return where a file of a database should be, if there is none or it holds no table.

    Raises:
        StartRefusedError: This user may not look.
    """
    url = settings.database_url.get_secret_value()
    file = make_url(url).database if url.startswith("sqlite:///") else None
    if not file or file == ":memory:":
        return None
    if not is_there(path := Path(file)):
        return path
    refuse_locked(path)
    try:
        with sqlite_snapshot(path) as view:
            holds = any(view.rows("SELECT name FROM sqlite_master LIMIT 1"))
    except (*UNREADABLE, UnicodeDecodeError):  # something is there: who opens it tells what is wrong
        return None
    return None if holds else path


def _record_schema(service: Service) -> None:
    """Enter what protects the trail into it, if a migration changed that since the last start."""
    work = RecordSchema(SERVICE_ROLE, head_revision())
    if present(service, SYSTEM, CHANGE, work, "at the start"):
        sign_what_moved(service)
    service.turn.close()  # what serves comes with a connection of its own


def first_line(error: DBAPIError) -> str:
    """Return what the database says first, and what helps. At start only: it names hosts, never residents."""
    told = (str(error.orig).splitlines() or ["no reason given"])[0]
    return told + _HELPS.get(getattr(error.orig, "sqlite_errorcode", 0) & 0xFF, "")
